"""Time that is set ahead: by an operator, for all services, forward only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.field import Field

pytestmark = pytest.mark.later


async def test_a_day_passes_for_every_service(field: Field) -> None:
    before = field.now()
    after = await field.time_passes(timedelta(days=1))
    assert after - before >= timedelta(days=1)
    for service in ("screening", "referral", "notification", "workforce"):
        told = await field.does(field.operator, "GET /operator/clock", at=service)
        assert timedelta(0) <= datetime.fromisoformat(told["now"]) - after < timedelta(minutes=2)


async def test_what_happens_then_is_recorded_then(field: Field) -> None:
    """Tokens are still taken: they go by the machine's time. What the services record goes by theirs."""
    await field.time_passes(timedelta(days=1))
    team = await field.team(told=False)
    baby = await field.baby(team, age_days=45)
    screening = await field.screens(baby, "no_concern")
    assert screening.answer["age_days"] == 45
    told = await field.rows("screening", "SELECT recorded_at FROM journal WHERE key = $1", baby.child_id)
    assert all(row[0] > datetime.now(UTC) + timedelta(days=1) for row in told)
    assert told


async def test_it_is_refused_to_others_and_backwards(field: Field) -> None:
    somebody = field.somebody("team_lead")
    body = {"now": (field.now() + timedelta(days=1)).isoformat()}
    assert (await field.asks(somebody, "PUT /operator/clock", body, at="referral")).status_code == 403
    back = {"now": (field.now() - timedelta(hours=2)).isoformat()}
    answer = await field.asks(field.operator, "PUT /operator/clock", back, at="referral")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "now"
    for nonsense in ({}, {"now": "soon"}, {"now": "2026-01-01T00:00:00"}, {"now": back["now"], "then": 1}):
        answer = await field.asks(field.operator, "PUT /operator/clock", nonsense, at="referral")
        assert answer.status_code == 422, nonsense


async def test_a_service_that_is_moved_says_when_it_has_done_what_came_due(field: Field) -> None:
    later = {"now": (field.now() + timedelta(hours=1)).isoformat()}
    held = await field.does(field.operator, "PUT /operator/clock", later | {"clocks": "hold"}, at="referral")
    assert held["came_due"] == 0
    told = await field.does(field.operator, "PUT /operator/clock", later, at="referral")
    assert isinstance(told["came_due"], int)
    await field.time_passes(timedelta(hours=1))  # the others are there too
