"""Caregivers on real PostgreSQL: what is sent, what is held back, and what each loss and each risk stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from attune_contracts.event import Event
from attune_contracts.referral import SafeguardingRaised
from attune_contracts.screening import ChildDied, PregnancyEnded, PregnancyRegistered, RecordsMerged
from chassis.database import Pool
from services.notification import store
from services.notification.channels.file import FileChannel, letters_in
from services.notification.domain.commands import (
    AskToCall,
    SendAgain,
    SendBooklet,
    SetCaregiver,
    SetFamilyContact,
    SetRecipient,
)
from services.notification.domain.message import Message
from tests.notification.examples import (
    CASE,
    CHILD,
    OTHER,
    TEAM,
    VISITOR,
    after,
    screening_completed,
    waiting_list_joined,
)
from tests.notification.mail_server import MailServer
from tests.notification.running import Instance, at_work, until
from tests.notification.test_families import ENDS, FATHER, MOTHER, PREGNANCY, TWIN, about, born, registered
from tests.notification.test_on_postgres import email, mail
from tests.support.given import some_id

__all__ = ["mail"]

TO_EVENING, TO_NEXT_MORNING = 7 * 3600.0, 21 * 3600.0
"""Seconds after noon of a Monday: 19:00 of that day, 9:00 of the next."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "letters.jsonl"


def policy(who: UUID = MOTHER, **changes: Any) -> SetCaregiver:
    given: dict[str, Any] = {
        "recipient_id": who,
        "channels": ("file",),
        "review_on": date(2026, 6, 1),
        "language": "pl",
    }
    return SetCaregiver(**given | changes)


@asynccontextmanager
async def a_family(pool: Pool, path: Path, *heard: Event) -> AsyncIterator[Instance]:
    """A family at home, whose mother may be written to."""
    notification = Instance(pool, [FileChannel(path)])
    async with at_work(notification):
        await notification.hear(registered(), *heard)
        contact = SetFamilyContact(pregnancy_id=PREGNANCY, caregivers=(MOTHER, FATHER), health_visitor_id=VISITOR)
        await notification.do(contact)
        await notification.do(policy())
        yield notification


async def the_message(pool: Pool) -> Message:
    ids = await pool.fetchval("SELECT array_agg(message_id) FROM messages")
    (record,) = await pool.fetch(store.messages.select, ids)
    message: Message = store.messages.row(tuple(record))[1]
    return message


async def eventually(pool: Pool, reason: str) -> Message:
    """The one message that has come to stand so."""
    async with asyncio.timeout(20):
        while not (found := await pool.fetch(store.messages.select, await reasoned(pool, reason))):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    message: Message = store.messages.row(tuple(found[0]))[1]
    return message


async def reasoned(pool: Pool, reason: str) -> list[UUID]:
    return [r["message_id"] for r in await pool.fetch("SELECT message_id FROM messages WHERE reason = $1", reason)]


async def told(pool: Pool, kind: str) -> list[dict[str, Any]]:
    records = await pool.fetch(
        "SELECT data FROM journal WHERE type = $1 ORDER BY event_id", f"attune.notification.{kind}.v1"
    )
    return [json.loads(record["data"]) for record in records]


def sent(path: Path) -> list[dict[str, Any]]:
    return list(letters_in(path)) if path.exists() else []


async def please_call(notification: Instance, who: UUID = MOTHER) -> None:
    await notification.do(AskToCall(pregnancy_id=PREGNANCY, recipient_id=who))


async def test_the_booklet_goes_to_each_caregiver_whose_policy_allows_it(pool: Pool, path: Path) -> None:
    async with a_family(pool, path, born()) as notification:
        await notification.do(SendBooklet(pregnancy_id=PREGNANCY))
        await until(pool, {"sent": 1, "suppressed": 1})
    (letter,) = sent(path)
    assert (letter["recipient_id"], letter["language"]) == (str(MOTHER), "pl")
    (given,) = await told(pool, "booklet-given")
    assert (given["child_id"], given["how"], given["language"], given["given_by"]) == (str(CHILD), "email", "pl", None)
    (not_told,) = await told(pool, "message-suppressed")
    assert (not_told["recipient_id"], not_told["reason"]) == (str(FATHER), "unknown_recipient")


async def test_in_the_quiet_hours_it_waits_and_then_goes(pool: Pool, path: Path) -> None:
    async with a_family(pool, path) as notification:
        notification.later_s = TO_EVENING
        await please_call(notification)
        await until(pool, {"pending": 1})
        message = await eventually(pool, "outside_hours")
        assert (message.status, message.attempt) == ("pending", 0)
        assert sent(path) == []
        notification.later_s = TO_NEXT_MORNING
        await until(pool, {"sent": 1})


@pytest.mark.parametrize("reason", ENDS)
async def test_what_waits_is_stopped_at_once_by_a_loss(pool: Pool, path: Path, reason: str) -> None:
    async with a_family(pool, path) as notification:
        notification.later_s = TO_EVENING
        await please_call(notification)
        await notification.hear(ENDS[reason][1])
        assert (await the_message(pool)).reason == reason
        (not_told,) = await told(pool, "message-suppressed")
        assert (not_told["health_visitor_id"], not_told["team_id"]) == (str(VISITOR), str(TEAM))
        # and it stays so, also when a person has it sent again
        notification.later_s = TO_NEXT_MORNING
        await notification.do(SendAgain(message_id=(await the_message(pool)).message_id))
        await until(pool, {"suppressed": 1})
        assert (await the_message(pool)).reason == reason
    assert sent(path) == []


async def test_p2_what_two_losses_heard_together_stop_is_told_once(pool: Pool, path: Path) -> None:
    async with a_family(pool, path, registered(TWIN)) as notification:
        notification.later_s = TO_EVENING
        await please_call(notification)
        ends = [PregnancyEnded(**about(c), reason="loss", ended_at=after(seconds=0)) for c in (CHILD, TWIN)]
        await notification.hear(*ends)
    assert len(await told(pool, "message-suppressed")) == 1


async def test_p4_whoever_visits_the_family_hears_what_a_risk_stopped(pool: Pool, path: Path) -> None:
    async with a_family(pool, path) as notification:
        notification.later_s = TO_EVENING
        await please_call(notification)
        raised = SafeguardingRaised(
            consultation_id=CASE,
            child_id=CHILD,
            team_id=TEAM,
            raised_by=OTHER,
            during="triage",
            raised_at=after(seconds=0),
        )
        await notification.hear(raised)
        await eventually(pool, "safety_flag")
        (not_told,) = [e for e in await told(pool, "message-suppressed") if e["recipient_kind"] == "caregiver"]
    assert (not_told["reason"], not_told["health_visitor_id"]) == ("safety_flag", str(VISITOR))


async def test_after_the_loss_of_a_twin_a_person_says_first_that_writing_is_right(pool: Pool, path: Path) -> None:
    async with a_family(pool, path, registered(TWIN)) as notification:
        await notification.hear(ENDS["child_died"][1])
        await please_call(notification)
        await until(pool, {"suppressed": 1})
        assert (await the_message(pool)).reason == "loss_in_family"
        notification.later_s = 60.0
        await notification.do(policy())
        await notification.do(SendAgain(message_id=(await the_message(pool)).message_id))
        await until(pool, {"sent": 1})


RISKS: dict[str, Event] = {
    "safeguarding": SafeguardingRaised(
        consultation_id=CASE,
        child_id=TWIN,
        team_id=TEAM,
        raised_by=OTHER,
        during="triage",
        raised_at=born().recorded_at,
    ),
    "urgent": screening_completed(outcome="urgent_concern", pregnancy_id=PREGNANCY),
}


@pytest.mark.parametrize("risk", RISKS)
async def test_after_a_risk_for_any_child_a_person_says_first_that_writing_is_safe(
    pool: Pool, path: Path, risk: str
) -> None:
    async with a_family(pool, path, registered(TWIN)) as notification:
        await notification.hear(RISKS[risk])
        await please_call(notification)
        await eventually(pool, "safety_flag")
        notification.later_s = 60.0
        await notification.do(policy())
        await please_call(notification)
        # that the lead is told of two of these risks comes to nothing: nobody has the duty here
        await until(pool, {"sent": 1, "suppressed": 1 + (risk in {"urgent", "safeguarding"})})
    assert len(sent(path)) == 1


ELSEWHERE: dict[str, Any] = {
    "pregnancy_id": some_id("another pregnancy"),
    "team_id": TEAM,
    "child_id": some_id("an older child"),
}
OF_THE_OLDER: dict[str, Event] = {
    "loss_in_family": ChildDied(**ELSEWHERE, age_days=300, recorded_at=born().recorded_at),
    "safety_flag": RISKS["safeguarding"].model_copy(update={"child_id": ELSEWHERE["child_id"]}),
}


@pytest.mark.parametrize("reason", OF_THE_OLDER)
async def test_a_loss_or_a_risk_of_another_child_of_the_same_mother_holds_back_what_is_about_this_one(
    pool: Pool, path: Path, reason: str
) -> None:
    async with a_family(pool, path) as notification:
        await notification.hear(PregnancyRegistered(**ELSEWHERE, expected_in_days=9, registered_at=born().recorded_at))
        await notification.do(
            SetFamilyContact(pregnancy_id=ELSEWHERE["pregnancy_id"], caregivers=(MOTHER,), health_visitor_id=VISITOR)
        )
        await notification.hear(OF_THE_OLDER[reason])
        await please_call(notification)
        await eventually(pool, reason)
        notification.later_s = 60.0
        await notification.do(policy())
        await please_call(notification)
        # that the lead is told of the risk comes to nothing: nobody has the duty here
        await until(pool, {"sent": 1, "suppressed": 1 + (reason == "safety_flag")})


BETWEEN = some_id("a record between")
MERGERS = (
    RecordsMerged(**ELSEWHERE, into_child_id=BETWEEN, merged_at=born().recorded_at),
    RecordsMerged(**ELSEWHERE | {"child_id": BETWEEN}, into_child_id=CHILD, merged_at=born().recorded_at),
)


@pytest.mark.parametrize("place", range(3), ids=["first", "between", "last"])
async def test_a_risk_seen_in_a_record_that_ended_holds_back_what_is_about_the_one_that_goes_on(
    pool: Pool, path: Path, place: int
) -> None:
    """Whenever it is heard of: mergers and risks come from different services."""
    async with a_family(pool, path) as notification:
        for event in (*MERGERS[:place], OF_THE_OLDER["safety_flag"], *MERGERS[place:]):
            await notification.hear(event)
        await please_call(notification)
        await eventually(pool, "safety_flag")
    assert sent(path) == []


@pytest.mark.parametrize("reason", OF_THE_OLDER)
async def test_a_loss_or_a_risk_in_the_record_that_goes_on_holds_back_what_is_about_the_twin(
    pool: Pool, path: Path, reason: str
) -> None:
    """One of twins was merged into a record of another pregnancy, for which nobody has set whom to write to."""
    async with a_family(pool, path, registered(TWIN)) as notification:
        notification.later_s = 60.0
        into = ELSEWHERE["child_id"]
        here = ELSEWHERE | {"child_id": CHILD, "pregnancy_id": PREGNANCY}
        await notification.hear(RecordsMerged(**here, into_child_id=into, merged_at=born().recorded_at))
        notification.later_s = 120.0
        await notification.do(policy())
        await notification.hear(OF_THE_OLDER[reason])
        await please_call(notification)
        await eventually(pool, reason)
    assert sent(path) == []


async def test_what_nobody_has_read_yet_about_a_child_holds_back_what_is_written_to_its_caregivers(
    pool: Pool, path: Path
) -> None:
    """It may be a loss: it waits behind an input of the same child that could not be handled."""
    async with a_family(pool, path) as notification:
        waits = "INSERT INTO parked (id, key, intake, state, reason) VALUES ($1, $2, 'ChildDied', 'queued', 'behind')"
        await pool.execute(waits, some_id("a record"), str(CHILD))
        await please_call(notification)
        await eventually(pool, "something_unread")
        await pool.execute("UPDATE parked SET state = 'done', resolved_at = now()")
        notification.later_s = 301.0
        await until(pool, {"sent": 1})
    assert len(sent(path)) == 1


async def test_one_mail_tells_everything_that_waited_for_a_digest(pool: Pool, mail: MailServer) -> None:
    notification = Instance(pool, [email(mail)])
    async with at_work(notification):
        digest = {"kind": "practitioner", "channels": ("email",), "digest_at": (time(13),)}
        await notification.do(SetRecipient(recipient_id=VISITOR, address="v@example.org", **digest))
        await notification.do(SetRecipient(recipient_id=OTHER, address="o@example.org", **digest))
        cases = [some_id(f"case {n}") for n in range(5)]
        for who in (VISITOR, OTHER):
            await notification.hear(*(waiting_list_joined(consultation_id=c, requested_by=who) for c in cases))
        await until(pool, {"pending": 10})
        assert mail.mails == []
        notification.later_s = 3602.0
        await until(pool, {"sent": 10})
    assert sorted(e.rcpt_tos for e in mail.envelopes) == [["o@example.org"], ["v@example.org"]]
    for one in mail.mails:
        assert one["Subject"] == "Several messages for you"
        assert [str(case) in one.get_content() for case in cases] == [True] * 5
