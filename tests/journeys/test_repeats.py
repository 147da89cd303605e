"""A device that lost the answer sends again: the first answer comes back, and nothing happens twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.support.field import Field, Person, Team, nhs_number

Commands = dict[str, tuple[Person, dict[str, Any], dict[str, Any]]]
"""By route: who sends it, a body, and what is different in another body under the same key."""


async def commands(field: Field, team: Team) -> Commands:
    baby, admin = await field.baby(team), field.somebody("workforce_admin")
    hv, someone = team.health_visitor, uuid7()
    screening = field.result(baby, "concern", by=hv)
    del screening["screening_id"]
    asked = {"team_id": team.id, "kind": "reflective_discussion"}
    employed = {"team_id": team.id, "role": "midwife", "capacity_points": 0}
    return {
        "POST /screenings": (hv, screening, {"seconds_observed": 151}),
        "POST /consultations": (hv, asked, {"priority": "urgent"}),
        "POST /practitioners": (admin, employed, {"role": "other"}),
        f"PUT /recipients/{someone}": (admin, {"kind": "practitioner", "channels": ["file"]}, {"channels": []}),
    }


@pytest.fixture(scope="module")
async def team(field: Field) -> Team:
    return await field.team(100)


ROUTES = ("POST /screenings", "POST /consultations", "POST /practitioners", "PUT /recipients")


@pytest.mark.parametrize("route", ROUTES)
async def test_the_same_request_gets_the_same_answer(route: str, field: Field, team: Team) -> None:
    by_route = await commands(field, team)
    full = next(r for r in by_route if r.startswith(route))
    who, body, _ = by_route[full]
    key = str(uuid7())
    # when it is sent five times, some of them at once
    first = await field.asks(who, full, body, key=key)
    again = await asyncio.gather(*(field.asks(who, full, body, key=key) for _ in range(4)))
    # then all answers are the first one
    assert first.is_success
    assert {(a.status_code, a.content) for a in again} == {(first.status_code, first.content)}


@pytest.mark.parametrize("route", ROUTES)
async def test_another_request_under_the_same_key_is_refused(route: str, field: Field, team: Team) -> None:
    by_route = await commands(field, team)
    full = next(r for r in by_route if r.startswith(route))
    who, body, other = by_route[full]
    key = str(uuid7())
    assert (await field.asks(who, full, body, key=key)).is_success
    # when something else is sent under its key
    refused = await field.asks(who, full, body | other, key=key)
    # then it is refused, naming the key as the field
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:attune:problem:key-reused"
    assert refused.json()["errors"] == [{"field": "Idempotency-Key", "rule": "key-reused"}]
    # and somebody else may use the same key for the same thing
    assert (await field.asks(field.somebody(who.role), full, body, key=key)).status_code != 422


async def test_two_devices_send_the_same_screening(field: Field, team: Team) -> None:
    """Its own id makes it one, whatever the keys."""
    baby = await field.baby(team)
    body = field.result(baby, "concern", by=team.health_visitor)
    answers = await asyncio.gather(*(field.asks(team.health_visitor, "POST /screenings", body) for _ in range(6)))
    assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
    await field.assigned(baby)
    assert len(await field.consultations(baby)) == 1


async def test_a_screening_cannot_be_recorded_differently_under_its_id(field: Field, team: Team) -> None:
    baby = await field.baby(team)
    body = field.result(baby, "monitor", by=team.health_visitor)
    await field.does(team.health_visitor, "POST /screenings", body)
    other = await field.asks(team.health_visitor, "POST /screenings", body | {"setting": "video"})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (409, "screening_id")


async def test_one_nhs_number_belongs_to_one_child_whoever_comes_first(field: Field, team: Team) -> None:
    """Eight registrations at the same moment: the database decides, and the others are told."""
    number, records = nhs_number(), field.somebody("records")
    birth = {"team_id": team.id, "born_on": str(datetime.now(UTC).date()), "nhs_number": number}
    bodies = [birth | {"child_id": uuid7()} for _ in range(8)]
    answers = await asyncio.gather(*(field.asks(records, "POST /births", body) for body in bodies))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 7
    assert not any(number in a.text for a in answers)
