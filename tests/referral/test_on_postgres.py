"""The same rules through the processor on a real database: instances side by side, lost hints, constraints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from attune_contracts.event import Event
from attune_contracts.workforce import CompetenceAwarded, PractitionerLeft, PractitionerRegistered
from chassis.arrivals import Answer, Input, due_input
from chassis.commands import Command
from chassis.database import Pool
from chassis.inputs import CommandIntake, DueIntake, EventIntake
from chassis.processor import Processor
from services.referral import pool_store, store
from services.referral.domain.commands import CloseCase, HandOverCase, RequestConsultation
from services.referral.domain.consultation import concern_id
from services.referral.domain.pool import COMPETENCE
from services.referral.main import INPUTS
from tests.referral.builders import TEAM, concern
from tests.support.given import NOON, some_id

EVENTS = {i.event: i for i in INPUTS if isinstance(i, EventIntake)}
COMMANDS = {i.model: i for i in INPUTS if isinstance(i, CommandIntake)}
CLOCKS = [i for i in INPUTS if isinstance(i, DueIntake)]
LEDGER = """SELECT
  count(*) FILTER (WHERE status = 'accepted' AND assigned_to IS NOT NULL) AS assigned,
  count(*) FILTER (WHERE waiting_since IS NOT NULL) AS waiting,
  count(*) FILTER (WHERE unsettled) AS unsettled FROM consultations"""


class Instance:
    """One process's worth of the service, without broker and HTTP, and without hints: sweeps find everything."""

    def __init__(self, pool: Pool, *, at_once: bool = True) -> None:
        self.pool, self.days = pool, 0
        clocks = CLOCKS if at_once else ()
        self.processor = Processor(
            pool, now=lambda: NOON + timedelta(days=self.days), service="referral", clocks=clocks
        )
        self.processor.parking.any_open = False  # the database is new

    async def hear(self, *events: Event, ids: Sequence[UUID] = ()) -> None:
        named = zip(events, ids or [uuid7() for _ in events], strict=True)
        await self.processor.process([heard(event, id_) for event, id_ in named])

    async def do(self, command: Command, *, by: UUID | None = None) -> Any:
        i = Input(COMMANDS[type(command)], uuid7(), command, uuid7(), by=str(by or some_id("staff")))
        (outcome,) = await self.processor.process([i])
        return outcome

    async def sweep(self) -> int:
        """One round of every clock; how many rows were due."""
        swept = 0
        for clock in CLOCKS:
            async with self.pool.acquire() as connection:
                due = [r[0] for r in await connection.fetch(clock.table.due_sql or "", self.processor.now(), 500)]
            if due:
                await self.processor.process([due_input(clock, key) for key in due])
            swept += len(due)
        return swept

    async def come_to_rest(self) -> None:
        for _ in range(60):
            if not await self.sweep():
                return
        raise AssertionError("the pools do not come to rest")

    async def ledger(self) -> tuple[int, int, int]:
        row = await self.pool.fetchrow(LEDGER)
        assert row is not None
        return row["assigned"], row["waiting"], row["unsettled"]


def heard(event: Event, id_: UUID) -> Input:
    """The input that an event from the broker becomes."""
    kind = next(k for k in EVENTS if isinstance(event, k))
    data = kind.reader().model_validate_json(event.model_dump_json())
    return Input(EVENTS[kind], id_, data, id_, key=str(event.subject))


def joins(name: str, capacity: int) -> tuple[Event, Event]:
    who, since = some_id(name), NOON - timedelta(days=1)
    return (
        PractitionerRegistered(
            practitioner_id=who,
            team_id=TEAM,
            role="specialist",
            capacity_points=capacity,
            languages=("en",),
            registered_at=since,
        ),
        CompetenceAwarded(
            practitioner_id=who,
            team_id=TEAM,
            competence=COMPETENCE,
            valid_from=since,
            valid_until=NOON + timedelta(days=30),
            awarded_at=since,
        ),
    )


@pytest.fixture(params=["at once", "by itself"])
def referral(database_pool: Pool, request: pytest.FixtureRequest) -> Instance:
    """The pool decides in the batch that asks it, as it does when nothing is in the way; and afterwards."""
    return Instance(database_pool, at_once=request.param == "at once")


async def test_concerns_are_assigned_within_the_capacity_and_the_rest_waits(referral: Instance) -> None:
    await referral.hear(*joins("ann", 4), *joins("ben", 6))
    events = [concern(f"{n}") for n in range(8)]
    ids = [uuid7() for _ in events]
    await referral.hear(*events, ids=ids)
    await referral.hear(*events, ids=ids)
    await referral.hear(*events)
    await referral.come_to_rest()
    assert await referral.ledger() == (5, 3, 0)
    told = await referral.pool.fetch("SELECT type, count(*) FROM journal GROUP BY type ORDER BY type")
    assert {r["type"].split(".")[2]: r["count"] for r in told} == {
        "case-assigned": 5,
        "consultation-requested": 8,
        "waiting-list-joined": 3,
    }


async def test_a_closed_case_makes_room_for_the_next_in_line(referral: Instance) -> None:
    await referral.hear(*joins("ann", 2))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    await referral.hear(concern("b"), concern("c", follows="consultation_urgent"))
    await referral.come_to_rest()
    await referral.do(CloseCase(consultation_id=concern_id(some_id("screening a")), reason="completed"))
    await referral.come_to_rest()
    async with referral.pool.acquire() as connection:
        urgent = await store.consultation_view(connection, concern_id(some_id("screening c")))
        (place,) = await pool_store.waiting_list(connection, TEAM, 10, NOON)
        pool = await store.pool_view(connection, TEAM)
        of_child = await store.consultations_of_child(connection, some_id("child c"))
    assert urgent is not None
    assert (urgent["assigned_to"], urgent["priority"]) == (some_id("ann"), "urgent")
    assert of_child == [urgent]
    assert (place["consultation_id"], place["position"]) == (concern_id(some_id("screening b")), 1)
    assert pool is not None
    assert (pool["waiting"], [m.used_points for m in pool["members"]]) == (1, [2])


async def test_a_twin_goes_to_the_practitioner_of_the_other_twin(referral: Instance) -> None:
    await referral.hear(*joins("ann", 40), *joins("ben", 40))
    await referral.hear(concern("a", pregnancy_id=some_id("twins")))
    await referral.come_to_rest()
    await referral.hear(*[concern(f"{n}") for n in range(3)])
    await referral.come_to_rest()
    await referral.hear(concern("b", pregnancy_id=some_id("twins")))
    await referral.come_to_rest()
    rows = await referral.pool.fetch(
        "SELECT assigned_to, because FROM consultations WHERE family_id = $1 ORDER BY requested_at, assigned_at",
        some_id("twins"),
    )
    assert rows[0]["assigned_to"] == rows[1]["assigned_to"]
    assert {r["because"] for r in rows} == {"lightest_share", "same_practitioner_for_sibling"}


async def test_when_somebody_leaves_every_case_has_a_new_owner_or_its_old_place(referral: Instance) -> None:
    """More cases than one look reads."""
    await referral.hear(*joins("ann", 500))
    await referral.hear(*[concern(f"{n}") for n in range(250)])
    await referral.come_to_rest()
    await referral.hear(*joins("ben", 100))
    left = PractitionerLeft(practitioner_id=some_id("ann"), team_id=TEAM, reason="retired", left_at=NOON)
    await referral.hear(left)
    await referral.come_to_rest()
    assert await referral.ledger() == (50, 200, 0)
    assert await referral.pool.fetchval("SELECT count(DISTINCT assigned_to) FROM consultations") == 1


async def test_a_certificate_that_runs_out_unreported_is_found_by_the_sweep(referral: Instance) -> None:
    await referral.hear(*joins("ann", 4))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    assert await referral.ledger() == (1, 0, 0)
    referral.days = 30
    await referral.come_to_rest()
    assert await referral.ledger() == (0, 1, 0)


async def test_two_instances_at_once_never_exceed_the_capacity(database_pool: Pool) -> None:
    one, two = Instance(database_pool), Instance(database_pool)
    await one.hear(*joins("ann", 40), *joins("ben", 60))
    events = [concern(f"{n}") for n in range(100)]

    async def busy(instance: Instance, share: list[Any]) -> None:
        for n in range(0, len(share), 10):
            await instance.hear(*share[n : n + 10])
            await instance.sweep()

    closing = asyncio.create_task(close_some(two))
    await asyncio.gather(busy(one, events[:70]), busy(two, events[30:]), closing)
    await one.come_to_rest()
    row = await database_pool.fetchrow("SELECT count(*) AS n, count(DISTINCT screening_id) AS s FROM consultations")
    assert row is not None
    assert (row["n"], row["s"]) == (100, 100)
    assert await points_agree(database_pool)
    assigned, waiting, unsettled = await one.ledger()
    assert (assigned, unsettled) == (50, 0)
    assert assigned + waiting == 100 - closing.result()


async def close_some(instance: Instance) -> int:
    """Ten cases that somebody has are closed while others come in."""
    closed = 0
    while closed < 10:
        id_ = await instance.pool.fetchval(
            "SELECT consultation_id FROM consultations WHERE status = 'accepted' AND assigned_to IS NOT NULL LIMIT 1"
        )
        if id_ is None:
            await asyncio.sleep(0.01)
            continue
        outcome = await instance.do(CloseCase(consultation_id=id_, reason="completed"))
        closed += isinstance(outcome, Answer)
    return closed


async def points_agree(pool: Pool) -> bool:
    """The members' points in use are the sum of the open cases that they have."""
    held = await pool.fetch(
        "SELECT assigned_to, sum(points)::int AS n FROM consultations"
        " WHERE status = 'accepted' AND assigned_to IS NOT NULL GROUP BY 1"
    )
    members = await pool.fetch(
        "SELECT (m->>'practitioner_id')::uuid AS id, (m->>'used_points')::int AS n"
        " FROM pools, jsonb_array_elements(members) AS m"
    )
    return {r["assigned_to"]: r["n"] for r in held} == {r["id"]: r["n"] for r in members if r["n"]}


async def test_a_hand_over_by_hand_is_final_and_refused_beyond_the_capacity(referral: Instance) -> None:
    await referral.hear(*joins("ann", 2), *joins("ben", 2))
    await referral.hear(concern("a"), concern("b"))
    await referral.come_to_rest()
    case = concern_id(some_id("screening a"))
    owner = await referral.pool.fetchval("SELECT assigned_to FROM consultations WHERE consultation_id = $1", case)
    other = some_id("ben") if owner == some_id("ann") else some_id("ann")
    command = HandOverCase(consultation_id=case, team_id=TEAM, to_practitioner_id=other)
    assert type(await referral.do(command)).__name__ == "PractitionerHasNoFreePlace"
    await referral.do(CloseCase(consultation_id=concern_id(some_id("screening b")), reason="completed"))
    await referral.come_to_rest()
    assert isinstance(await referral.do(command), Answer)
    await referral.come_to_rest()
    assert await referral.ledger() == (1, 0, 0)
    assert await points_agree(referral.pool)


async def test_a_professional_s_request_finds_the_family_of_the_child(referral: Instance) -> None:
    await referral.hear(concern("a"))
    command = RequestConsultation(team_id=TEAM, kind="case_consultation", child_id=some_id("child a"), consent="agreed")
    assert isinstance(await referral.do(command), Answer)
    assert await referral.pool.fetchval("SELECT count(DISTINCT family_id) FROM consultations") == 1


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("waiting_since = NULL", "accepted_case_is_assigned_or_waiting"),
        ("assigned_to = team_id, assigned_at = now()", "accepted_case_is_assigned_or_waiting"),
        ("status = 'closed', end_reason = 'other'", "accepted_case_is_assigned_or_waiting"),
        ("screening_id = (SELECT min(screening_id::text)::uuid FROM consultations)", "one_consultation_per_screening"),
        ("child_id = NULL", "case_consultation_names_a_child"),
        ("points = 0", "points_weigh_something"),
    ],
)
async def test_the_database_refuses_what_no_rule_may_do(referral: Instance, change: str, constraint: str) -> None:
    await referral.hear(concern("a"), concern("b"))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await referral.pool.execute(f"UPDATE consultations SET {change}")  # noqa: S608
    assert refused.value.constraint_name == constraint


@pytest.mark.parametrize(
    ("points", "constraint"), [(-1, "used_points_are_not_negative"), (5, "capacity_is_never_exceeded")]
)
async def test_the_database_refuses_points_beyond_the_capacity(
    referral: Instance, points: int, constraint: str
) -> None:
    await referral.hear(*joins("ann", 4))
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await referral.pool.execute(
            "UPDATE pools SET members = jsonb_set(members, '{0,used_points}', $1::jsonb)", str(points)
        )
    assert refused.value.constraint_name == constraint


async def test_a_concern_is_assigned_in_the_transaction_that_makes_its_consultation(database_pool: Pool) -> None:
    referral = Instance(database_pool)
    await referral.hear(*joins("ann", 4))
    await referral.come_to_rest()
    await referral.hear(concern("a"))
    assert await referral.ledger() == (1, 0, 0)
    assert await database_pool.fetchval("SELECT count(DISTINCT recorded_at) FROM journal WHERE key IS NOT NULL") == 1


async def test_siblings_go_to_the_same_practitioner_also_within_one_batch(referral: Instance) -> None:
    await referral.hear(*joins("ann", 20), *joins("ben", 20))
    await referral.come_to_rest()
    families = [some_id(f"family {n}") for n in range(4)]
    await referral.hear(*[concern(f"first {n}", pregnancy_id=family) for n, family in enumerate(families)])
    await referral.come_to_rest()
    twins = [concern(f"{which} {n}", pregnancy_id=f) for n, f in enumerate(families) for which in ("second", "third")]
    await referral.hear(*twins)
    await referral.come_to_rest()
    rows = await referral.pool.fetch(
        "SELECT family_id, count(*) AS cases, count(DISTINCT assigned_to) AS owners FROM consultations GROUP BY 1"
    )
    assert {(r["cases"], r["owners"]) for r in rows} == {(3, 1)}
    assert len(rows) == 4
