"""A clock that an input sets off is decided in the input's own batch, and by itself whenever that cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from attune_contracts.screening import ScreeningNotCompleted
from chassis import database
from chassis.arrivals import Done, Input
from chassis.decision import NOTHING, Cause, Decision, Due
from chassis.inputs import AtOnce, due, on
from chassis.needs import State
from chassis.processor import Processor
from chassis.rows import Rows
from tests.chassis import toy
from tests.chassis.toy import Counter, Note, counters, notes


@dataclass(frozen=True, slots=True)
class Bell:
    """What the clock is given: its row, and the notes that this batch has written about it."""

    counter: Counter | None
    fresh: tuple[Note, ...]


def hear(_: None, e: ScreeningNotCompleted, cause: Cause) -> Decision:
    """Leaves a note and sets the clock off."""
    return Decision((Note(cause.id, str(e.child_id)),), due=(e.child_id,))


def ring(bell: Bell, d: Due, cause: Cause) -> Decision:
    """Counts the notes of this batch; a thirteenth is a bug, 666 of them a constraint says no to."""
    if bell.counter is None or not bell.fresh:
        return NOTHING
    if bell.counter.rung == 13:
        raise ArithmeticError("a bug")
    total = 666 if bell.counter.rung == 66 else bell.counter.total + len(bell.fresh)
    return Decision((replace(bell.counter, total=total),), (toy.told(d.key, cause),))


RING = due(
    counters,
    decide=ring,
    state=State(
        Bell,
        counter=counters.by("key"),
        fresh=notes.in_hand(lambda d: str(d.key), column="text", where=lambda _: True),
    ),
)
HEAR = on(ScreeningNotCompleted, decide=hear, makes_due=AtOnce(counters, lambda e: e.child_id))


def heard(about: UUID, *, id_: UUID | None = None) -> Input:
    i = id_ or uuid7()
    event: Any = toy.told(about, Cause(uuid7(), datetime.now(UTC)))
    return Input(HEAR, i, event, i, key=str(about), record=toy.record(about, 1, event_id=i))


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=4, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
async def processor(pool: database.Pool) -> Processor:
    processor = Processor(pool, now=lambda: datetime.now(UTC), service="toy", clocks=(RING,))
    async with pool.acquire() as connection:
        await processor.parking.look(connection)
    return processor


async def stand(pool: database.Pool, counter_id: UUID, *, rung: int = 0) -> None:
    await pool.execute("INSERT INTO counters VALUES ($1, 1, 0, '[]', NULL, $2)", counter_id, rung)


async def total(pool: database.Pool, counter_id: UUID) -> int:
    return int(await pool.fetchval("SELECT total FROM counters WHERE counter_id = $1", counter_id))


async def test_the_clock_sees_what_the_batch_wrote_and_goes_once(processor: Processor, pool: database.Pool) -> None:
    a, b = uuid7(), uuid7()
    await stand(pool, a)
    await stand(pool, b)
    hints: list[Any] = []
    processor.on_due = lambda _table, keys: hints.extend(keys)
    assert await processor.process([heard(a), heard(a), heard(b)]) == [Done.HANDLED] * 3
    assert [await total(pool, a), await total(pool, b)] == [2, 1]
    assert hints == []
    transactions = await pool.fetchval("SELECT count(DISTINCT xmin) FROM (SELECT xmin::text FROM counters "
                                       "UNION ALL SELECT xmin::text FROM notes) AS t(xmin)")  # fmt: skip
    assert transactions == 1


async def test_p2_a_repeated_input_does_not_set_the_clock_off_again(processor: Processor, pool: database.Pool) -> None:
    a, id_ = uuid7(), uuid7()
    await stand(pool, a)
    await processor.process([heard(a, id_=id_)])
    assert await processor.process([heard(a, id_=id_)]) == [Done.DUPLICATE]
    assert await total(pool, a) == 1


async def test_p4_a_clock_that_cannot_be_decided_does_not_take_its_input_with_it(
    processor: Processor, pool: database.Pool
) -> None:
    a = uuid7()
    await stand(pool, a, rung=13)
    assert await processor.process([heard(a)]) == [Done.HANDLED]
    assert await pool.fetchval("SELECT count(*) FROM notes") == 1
    assert await pool.fetchval("SELECT intake FROM parked") == "due:counters"


async def test_p4_a_constraint_that_the_clock_breaks_is_not_held_against_the_input(
    processor: Processor, pool: database.Pool
) -> None:
    a = uuid7()
    await stand(pool, a, rung=66)
    hints: list[Any] = []
    processor.on_due = lambda _table, keys: hints.extend(keys)
    assert await processor.process([heard(a)]) == [Done.HANDLED]
    assert await pool.fetchval("SELECT count(*) FROM notes") == 1
    assert await pool.fetchval("SELECT count(*) FROM parked") == 0
    assert hints == [a]


async def test_after_a_lost_race_the_clock_goes_by_itself(
    processor: Processor, pool: database.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = uuid7()
    await stand(pool, a)
    hints: list[Any] = []
    processor.on_due = lambda _table, keys: hints.extend(keys)
    load = Rows.load

    async def and_somebody_else_writes(rows: Rows, connection: Any, asked: Any) -> None:
        await load(rows, connection, asked)
        if rows.read.get(counters):
            await pool.execute("UPDATE counters SET version = version + 1 WHERE counter_id = $1", a)

    monkeypatch.setattr(Rows, "load", and_somebody_else_writes)
    assert await processor.process([heard(a)]) == [Done.HANDLED]
    assert hints == [a]
    assert await pool.fetchval("SELECT count(*) FROM notes") == 1
    assert await total(pool, a) == 0


async def test_while_anything_is_parked_the_clock_goes_by_itself(processor: Processor, pool: database.Pool) -> None:
    a, bad = uuid7(), uuid7()
    await stand(pool, a)
    await stand(pool, bad, rung=13)
    await processor.process([heard(bad)])
    hints: list[Any] = []
    processor.on_due = lambda _table, keys: hints.extend(keys)
    assert await processor.process([heard(a)]) == [Done.HANDLED]
    assert hints == [a]
