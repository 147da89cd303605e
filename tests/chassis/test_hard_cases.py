"""Interleavings that once lost the way: each is a promise that was broken by an unlikely order of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis import database, telemetry
from chassis.arrivals import AlreadyExists, Contradiction, Done, Input
from chassis.clock import Clock
from chassis.edge import rendered
from chassis.inputs import on
from chassis.parked import Record, headers_of
from chassis.processor import Processor
from chassis.reading import read_record
from chassis.value import replace
from tests.chassis import toy
from tests.chassis.toy import HEAR, adding, heard, record

_COUNTER = """INSERT INTO counters (counter_id, version, total, history, rings_at, rung)
VALUES ($1, 1, $2, '[]', $3, 0)"""


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=6, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
def processor(pool: database.Pool) -> Processor:
    return Processor(pool, now=lambda: datetime.now(UTC), service="toy")


def as_it_was(row: Mapping[str, Any]) -> Input | None:
    """What the service reads from a parked record."""
    raw = (row["topic"], row["partition"], row["offset"], row["record_key"], row["record_value"])
    i = read_record(Record(*raw, headers_of(row), 0), {HEAR.event.type: HEAR})
    if i is not None:
        i.parked_id, i.key = row["id"], row["key"]
    return i


async def drain(
    processor: Processor,
    pool: database.Pool,
    condition: str,
    read: Callable[[Mapping[str, Any]], Input | None] = as_it_was,
) -> None:
    """Lets the parked inputs go on until the database says so; ten seconds at most."""
    task = asyncio.create_task(processor.parking.run(processor, pool, read))
    try:
        async with asyncio.timeout(10):
            while not await pool.fetchval(condition):  # noqa: ASYNC110 - the database has no event for it
                await asyncio.sleep(0.02)
    finally:
        task.cancel()


async def retry(processor: Processor, pool: database.Pool, parked_id: UUID) -> None:
    async with pool.acquire() as connection:
        await processor.parking.resolve(connection, parked_id, discard=False, by="tester")


async def test_p4_what_postgresql_cannot_store_is_parked_all_the_same(processor: Processor) -> None:
    good = record(uuid7(), 1)
    bad = replace(good, value=b"no json", headers=(*good.headers, ("a\0b", b"x")))
    async with asyncio.timeout(20):
        assert await processor.process([heard(record(uuid7(), 2)), heard(bad)]) == [Done.HANDLED, Done.PARKED]


async def test_p4_two_copies_that_an_older_reader_could_not_read_do_not_close_their_key(
    processor: Processor, pool: database.Pool
) -> None:
    a, z = uuid7(), uuid7()
    one = record(a, 1, offset=1)
    other = record(z, 5, offset=3)
    for r in (one, replace(one, offset=2), other):
        newer = Input(None, r.id, None, r.id, key=heard(r).key, record=r, unreadable=("newer_version", "ce_type"))
        assert await processor.process([newer]) == [Done.PARKED]
    await retry(processor, pool, one.id)
    await retry(processor, pool, other.id)
    await drain(processor, pool, "SELECT count(*) = 3 FROM parked WHERE state = 'done'")
    assert await processor.process([heard(record(a, 7))]) == [Done.HANDLED]
    assert await pool.fetchval("SELECT total FROM counters WHERE counter_id = $1", a) == 8


async def test_p4_a_retry_is_taken_up_by_a_process_that_parked_nothing_itself(
    processor: Processor, pool: database.Pool
) -> None:
    other = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    async with pool.acquire() as connection:
        await other.parking.look(connection)
    assert not other.parking.any_open
    a = uuid7()
    bad = record(a, 1, reason="inpatient")
    await processor.process([heard(bad)])

    def mended(row: Mapping[str, Any]) -> Input:
        i = heard(record(a, 1, event_id=row["id"]))
        i.parked_id = row["id"]
        return i

    await retry(other, pool, heard(bad).id)
    await drain(other, pool, "SELECT state = 'done' FROM parked", mended)


async def test_two_inputs_of_one_batch_cannot_both_make_the_same_row(processor: Processor) -> None:
    note = uuid7()
    ids = uuid7(), uuid7()
    one, two = (Input(toy.NOTE, i, toy.WriteNote(note_id=note, text=str(i)), i, fingerprint=b"f") for i in ids)
    outcomes = await processor.process([one, two])
    assert isinstance(outcomes[1], AlreadyExists)


async def test_p4_an_input_whose_key_cannot_be_taken_is_parked_alone(processor: Processor) -> None:
    def broken(_: Any) -> UUID:
        raise ArithmeticError("a bug in a store")

    bad = heard(record(uuid7(), 1))
    bad.intake = on(HEAR.event, decide=toy.hear, state=toy.counters.by(broken))
    async with asyncio.timeout(10):
        assert await processor.process([heard(record(uuid7(), 1)), bad]) == [Done.HANDLED, Done.PARKED]


async def test_a_parked_clock_does_not_delay_the_others(processor: Processor, pool: database.Pool) -> None:
    past = datetime.now(UTC) - timedelta(minutes=5)
    await pool.execute(_COUNTER, uuid7(), 13, past)
    clock = Clock(toy.RING, processor, pool)
    task = asyncio.create_task(clock.run())
    await asyncio.sleep(0.5)
    key = uuid7()
    await pool.execute(_COUNTER, key, 1, past)
    clock.hint([key])
    async with asyncio.timeout(0.4):
        while not await pool.fetchval("SELECT rung FROM counters WHERE counter_id = $1", key):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    task.cancel()
    late = telemetry.REGISTRY.get_sample_value("attune_clock_late_seconds", {"clock": toy.RING.name})
    assert late is not None
    assert 300 <= late < 310


async def test_p4_any_number_of_parked_clocks_leaves_the_others_to_be_found_without_a_hint(
    processor: Processor, pool: database.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.clock.BATCH", 3)
    past = datetime.now(UTC) - timedelta(minutes=5)
    for _ in range(4):
        await pool.execute(_COUNTER, uuid7(), 13, past)
    well = uuid7()
    await pool.execute(_COUNTER, well, 1, past + timedelta(minutes=1))
    task = asyncio.create_task(Clock(toy.RING, processor, pool).run())
    async with asyncio.timeout(60):
        while not await pool.fetchval("SELECT rung FROM counters WHERE counter_id = $1", well):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    task.cancel()
    assert await pool.fetchval("SELECT count(*) FROM parked WHERE state = 'failed'") == 4


async def test_p4_two_processes_park_one_clock_once(processor: Processor, pool: database.Pool) -> None:
    other = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    async with pool.acquire() as connection:
        await other.parking.look(connection)
    await pool.execute(_COUNTER, uuid7(), 13, datetime.now(UTC) - timedelta(minutes=5))
    tasks = [asyncio.create_task(Clock(toy.RING, p, pool).run()) for p in (processor, other)]
    await asyncio.sleep(2.5)
    for task in tasks:
        task.cancel()
    assert await pool.fetchval("SELECT count(*) FROM parked") == 1


async def test_p9_a_constraint_that_says_no_is_named_without_what_stood_in_the_row(processor: Processor) -> None:
    """PostgreSQL quotes the row in its error: nothing of it may reach the caller, who need not know it."""
    counter = uuid7()
    (refused,) = await processor.process([adding(counter, 666)])
    assert isinstance(refused, Contradiction)
    status, body, _ = rendered(refused)
    assert status == 409
    assert "a_total_is_never_666" in body.decode()
    assert str(counter) not in body.decode()
    assert "Failing row" not in body.decode()
