"""What time brings: a window that opens, is offered again and closes; a follow-up; a concern that led nowhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.journeys.test_cohort import kinds, told
from tests.support.field import INSTRUMENT, Field, eventually
from tests.support.outages import frozen

pytestmark = pytest.mark.later


async def test_a_child_is_due_is_offered_again_and_is_missed(field: Field) -> None:
    team = await field.team(told=False)
    baby = await field.baby(team, age_days=28)
    assert await kinds(field, baby.child_id) == ["pregnancy-registered", "birth-recorded"]
    await field.time_passes(timedelta(days=1))
    await told(field, baby.child_id, "screening-due")
    tried = {"child_id": baby.child_id, "instrument": INSTRUMENT, "instrument_version": 1, "reason": "unsettled"}
    tried |= {"administered_by": team.health_visitor.id, "attempted_at": field.now().isoformat()}
    await field.does(team.health_visitor, "POST /screenings/not-completed", tried)
    await field.time_passes(timedelta(days=7))
    heard = await told_times(field, baby.child_id, "screening-due", 2)
    assert heard[-2:] == ["screening-not-completed", "screening-due"]
    before = await field.does(team.team_lead, f"GET /coverage?team_id={team.id}")
    assert before == []
    await field.time_passes(timedelta(days=40))
    await told(field, baby.child_id, "screening-missed")
    (coverage,) = await field.does(team.team_lead, f"GET /coverage?team_id={team.id}")
    assert (coverage["reached_due_day"], coverage["screened"], coverage["reasons"]) == (1, 0, {"unsettled": 1})


async def told_times(field: Field, child_id: Any, kind: str, times: int) -> list[str]:
    async def found() -> list[str] | None:
        heard = await kinds(field, child_id)
        return heard if heard.count(kind) == times else None

    all_: list[str] = await eventually(found, f"{kind} is told {times} times")
    return all_


async def test_a_result_to_be_watched_is_due_again_after_four_weeks(field: Field) -> None:
    team = await field.team(told=False)
    baby = await field.baby(team)
    screening = await field.screens(baby, "monitor")
    await field.time_passes(timedelta(days=28))
    await told(field, baby.child_id, "follow-up-due")
    (due,) = await field.does(team.health_visitor, f"GET /teams/{team.id}/due")
    assert due["what"] == "follow_up"
    assert screening.answer["follow_up_on"] == due["due_on"]


async def test_a_concern_that_leads_nowhere_for_a_working_day_is_told(field: Field) -> None:
    # given a referral service that is there and does nothing
    team = await field.team(12, told=False)
    baby = await field.baby(team)
    later = field.now() + timedelta(days=6)
    with frozen(field.stack, "referral"):
        # when a concern is recorded, and more than a working day passes
        screening = await field.screens(baby, "concern")
        await field.does(field.operator, "PUT /operator/clock", {"now": later.isoformat()}, at="screening")
        # then the failsafe tells it
        assert (await told(field, baby.child_id, "consultation-overdue-for-concern"))[-1].endswith("for-concern")
    # and the consultation comes when the service works again
    for service in ("referral", "notification", "workforce"):
        await field.does(field.operator, "PUT /operator/clock", {"now": later.isoformat()}, at=service)
    field.ahead += timedelta(days=6)
    case = await field.assigned(baby)
    assert case["screening_id"] == str(screening.id)
