"""The ledger on a real database: offers with their clock, policies, figures, and a caseload that changes hands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.arrivals import Answer
from chassis.database import Pool
from chassis.decision import Cause
from services.referral import pool_store, store
from services.referral.domain.commands import AcceptCase, CloseCase, DeclineCase, HandOverCaseload, SetPolicy
from services.referral.domain.consultation import concern_id
from services.referral.domain.whole_caseload import preview
from services.referral.pool_api import Team
from tests.referral.builders import TEAM, concern
from tests.referral.test_on_postgres import Instance, joins, points_agree
from tests.support.given import NOON, some_id

OFFERS = SetPolicy(team_id=TEAM, version=1, offer_working_days=2)


@pytest.fixture
def referral(database_pool: Pool) -> Instance:
    return Instance(database_pool)


def case_of(name: str) -> UUID:
    return concern_id(some_id(f"screening {name}"))


async def owner(referral: Instance, name: str) -> Any:
    return await referral.pool.fetchval(
        "SELECT assigned_to FROM consultations WHERE consultation_id = $1", case_of(name)
    )


async def told(referral: Instance, kind: str) -> int:
    return int(await referral.pool.fetchval("SELECT count(*) FROM journal WHERE type LIKE '%.' || $1 || '.v1'", kind))


async def test_an_offer_is_accepted_declined_or_lapses_and_the_case_is_never_without_owner_or_place(
    referral: Instance,
) -> None:
    await referral.hear(*joins("ann", 2), *joins("ben", 2))
    assert isinstance(await referral.do(OFFERS), Answer)
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    first = await owner(referral, "a")
    # declined by the first, it is with the other
    answer = await referral.do(DeclineCase(consultation_id=case_of("a"), reason="no_time"), by=first)
    assert isinstance(answer, Answer)
    await referral.come_to_rest()
    second = await owner(referral, "a")
    assert {first, second} == {some_id("ann"), some_id("ben")}
    # who has had it both times is not asked a third time: two working days later it waits
    referral.days = 3
    await referral.come_to_rest()
    assert await referral.ledger() == (0, 1, 0)
    assert await points_agree(referral.pool)
    # a new case is accepted and stays
    await referral.hear(concern("b"))
    await referral.come_to_rest()
    taker = await owner(referral, "b")
    assert isinstance(await referral.do(AcceptCase(consultation_id=case_of("b")), by=taker), Answer)
    referral.days = 10
    await referral.come_to_rest()
    assert await owner(referral, "b") == taker
    assert await told(referral, "case-accepted") == 1
    assert await told(referral, "case-handed-over") == 2
    async with referral.pool.acquire() as connection:
        since = NOON - timedelta(days=1)
        figures = await pool_store.spread(connection, TEAM, since, NOON + timedelta(days=10))
    assert figures is not None
    assert (figures.declined, figures.lapsed, figures.used_points, figures.capacity_points) == (1, 1, 2, 4)


async def test_a_case_is_declined_and_closed_at_the_same_time_and_its_points_come_back_once(referral: Instance) -> None:
    await referral.hear(*joins("ann", 2), *joins("ben", 2))
    await referral.do(OFFERS)
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    who = await owner(referral, "a")
    await referral.do(DeclineCase(consultation_id=case_of("a"), reason="no_time"), by=who)
    await referral.do(CloseCase(consultation_id=case_of("a"), reason="other"))
    await referral.come_to_rest()
    assert await referral.ledger() == (0, 0, 0)
    assert await points_agree(referral.pool)


async def test_the_list_says_how_long_it_may_take(referral: Instance) -> None:
    await referral.hear(*joins("ann", 4))
    await referral.hear(*[concern(f"{n}") for n in range(2)])
    await referral.come_to_rest()
    await referral.do(CloseCase(consultation_id=case_of("0"), reason="completed"))
    await referral.hear(*[concern(f"{n}") for n in range(2, 5)])
    await referral.come_to_rest()
    async with referral.pool.acquire() as connection:
        places = await pool_store.waiting_list(connection, TEAM, 10, NOON)
        last = await pool_store.place_of(connection, TEAM, places[-1]["consultation_id"], NOON)
        nobody = await pool_store.place_of(connection, TEAM, case_of("1"), NOON)
        teams = await pool_store.teams(connection)
    assert [(p["position"], p["forecast"].points_ahead, p["forecast"].weeks) for p in places] == [(1, 2, 8), (2, 4, 16)]
    assert (last, nobody) == (places[-1], None)
    assert [(t["team_id"], t["capacity_points"], t["used_points"], t["waiting"]) for t in teams] == [(TEAM, 4, 4, 2)]


async def test_a_preview_changes_nothing_and_a_caseload_goes_as_it_was_shown(referral: Instance) -> None:
    await referral.hear(*joins("ann", 6))
    await referral.hear(*[concern(f"{n}") for n in range(3)])
    await referral.come_to_rest()
    await referral.hear(*joins("ben", 4))
    await referral.come_to_rest()
    before = await referral.pool.fetch("SELECT * FROM consultations ORDER BY 1")
    async with referral.pool.acquire() as connection, connection.transaction(readonly=True):
        found = await pool_store.caseloads_of(connection, Team(TEAM))
    shown = preview(found, some_id("ann"), "waits", Cause(TEAM, NOON))
    assert await referral.pool.fetch("SELECT * FROM consultations ORDER BY 1") == before
    command = HandOverCaseload(
        team_id=TEAM, from_practitioner_id=some_id("ann"), no_place="waits", preview=shown.version
    )
    assert isinstance(await referral.do(command), Answer)
    assert await referral.ledger() == (2, 1, 0)
    assert await points_agree(referral.pool)
    assert type(await referral.do(command)).__name__ == "PreviewOutOfDate"
    await referral.come_to_rest()
    assert await points_agree(referral.pool)


async def test_a_policy_is_kept_with_every_version(referral: Instance) -> None:
    await referral.do(OFFERS)
    await referral.do(SetPolicy(team_id=TEAM, version=2))
    assert type(await referral.do(SetPolicy(team_id=TEAM, version=2, offer_working_days=1))).__name__ == (
        "PolicyVersionTaken"
    )
    assert await referral.pool.fetchval("SELECT count(*) FROM policies") == 2
    async with referral.pool.acquire() as connection:
        view = await store.pool_view(connection, TEAM)
    assert view is not None
    assert (view["policy"].version, view["policy"].offer_working_days) == (2, None)
