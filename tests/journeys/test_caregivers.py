"""What a caregiver gets, when, and what never reaches one: booklet, safe hours, loss and risk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.journeys.post_office import NOBODY_HERE, PostOffice
from tests.support.field import Baby, Field, eventually

pytestmark = pytest.mark.later
MONDAY, FRIDAY = 0, 4
NOON, EVENING = 12, 19


async def events(field: Field, kind: str, key: Any) -> list[dict[str, Any]]:
    """What notification has told about a child, by the name of the event."""
    told = await field.does(field.operator, f"GET /timeline/{key}", at="notification")
    return [e["data"] for e in told if e["type"] == f"attune.notification.{kind}.v1"]


async def the_event(field: Field, kind: str, baby: Baby) -> dict[str, Any]:
    async def found() -> list[dict[str, Any]]:
        return await events(field, kind, baby.child_id)

    (event,) = await eventually(found, f"{kind} about the child")
    return dict(event)


async def asked_to_call(field: Field, baby: Baby, who: UUID) -> str:
    route = f"POST /families/{baby.pregnancy_id}/messages"
    answer = await field.does(baby.team.health_visitor, route, {"recipient_id": who})
    return str(answer["message_id"])


async def stands(field: Field, message_id: str, status: str, reason: str | None) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        message = await field.does(field.operator, f"GET /messages/{message_id}")
        return message if (message["status"], message["reason"]) == (status, reason) else None

    return dict(await eventually(found, f"the message is {status}, {reason}"))


async def test_the_booklet_is_sent_in_neutral_words_and_missed_only_where_nobody_may_be_written_to(
    field: Field, post_office: PostOffice
) -> None:
    # given two new families, one with a caregiver who may be written to
    team = await field.team(told=False)
    await field.at_hour(MONDAY, NOON)
    reached, unknown = await field.baby(team, age_days=0), await field.baby(team, age_days=0)
    mother = await field.caregiver(reached, language="pl")
    # when a week has passed, and a working day has begun
    await field.time_passes(timedelta(days=8))
    # then the booklet has gone to her, in her language, without a word of what it is about
    given = await the_event(field, "booklet-given", reached)
    assert (given["how"], given["language"], given["given_by"]) == ("email", "pl", None)
    (mail,) = post_office.to(mother.address)
    assert (mail["From"], mail["Subject"]) == ("hello@messages.invalid", "Coś do przeczytania")
    whole = mail.as_string().lower()
    assert not [w for w in ("attune", "baby", "dzieck", str(reached.child_id), str(reached.pregnancy_id)) if w in whole]
    # and at the end of the fourteenth day the other one's was missed
    await field.time_passes(timedelta(days=8))
    missed = await the_event(field, "booklet-missed", unknown)
    assert missed["team_id"] == str(team.id)
    assert await events(field, "booklet-missed", reached.child_id) == []
    # until somebody gives it
    body = {
        "given_by": team.health_visitor.id,
        "given_at": (field.now() - timedelta(minutes=1)).isoformat(),
        "language": "en",
    }
    await field.does(team.health_visitor, f"POST /families/{unknown.pregnancy_id}/booklet", body)
    assert (await the_event(field, "booklet-given", unknown))["given_by"] == str(team.health_visitor.id)


async def test_what_comes_in_the_evening_waits_and_a_loss_stops_it(field: Field, post_office: PostOffice) -> None:
    # given two mothers who are asked to call on a Friday evening
    team = await field.team(told=False)
    await field.at_hour(FRIDAY, EVENING)
    first, second = await field.baby(team), await field.baby(team)
    one, other = await field.caregiver(first), await field.caregiver(second)
    to_one, to_other = await asked_to_call(field, first, one.id), await asked_to_call(field, second, other.id)
    await stands(field, to_one, "pending", "outside_hours")
    await stands(field, to_other, "pending", "outside_hours")
    # when a child dies on the weekend
    await field.does(field.records, f"POST /children/{second.child_id}/death", {"died_on": str(field.now().date())})
    # then what waits for her mother is stopped at once, and the health visitor is named
    await stands(field, to_other, "suppressed", "child_died")
    event = await the_event(field, "message-suppressed", second)
    assert (event["health_visitor_id"], event["team_id"]) == (str(team.health_visitor.id), str(team.id))
    assert post_office.to(one.address) == []
    # and on Monday only the other one is written to
    await field.at_hour(MONDAY, NOON)
    await stands(field, to_one, "sent", None)
    assert [str(mail["Subject"]) for mail in post_office.to(one.address)] == ["Please call"]
    assert post_office.to(other.address) == []


async def test_after_an_urgent_concern_a_person_says_first_that_writing_is_safe(
    field: Field, post_office: PostOffice
) -> None:
    team = await field.team(8)
    await field.at_hour(MONDAY, NOON)
    baby = await field.baby(team)
    mother = await field.caregiver(baby)
    screening = await field.screens(baby, "urgent_concern")
    await field.message("urgent_concern", screening.id, to=team.safeguarding_lead)
    held = await asked_to_call(field, baby, mother.id)
    await stands(field, held, "suppressed", "safety_flag")
    # when the health visitor has looked and set it anew
    await field.time_passes(timedelta(seconds=1))
    again = await field.caregiver(baby)
    await stands(field, await asked_to_call(field, baby, again.id), "sent", None)
    assert post_office.to(mother.address) == []
    assert len(post_office.to(again.address)) == 1


async def test_what_cannot_be_delivered_names_the_health_visitor(field: Field) -> None:
    team = await field.team(told=False)
    await field.at_hour(MONDAY, NOON)
    baby = await field.baby(team)
    gone = await field.caregiver(baby, address=f"{NOBODY_HERE}@example.org")
    await stands(field, await asked_to_call(field, baby, gone.id), "failed", "smtp_550")
    failed = await the_event(field, "message-failed", baby)
    assert failed["health_visitor_id"] == str(team.health_visitor.id)
