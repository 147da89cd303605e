"""The time that can be set: forward only, for every process of the service, never where it is not allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chassis import database
from chassis.clock import Clock
from chassis.database import Pool
from chassis.processor import Processor
from chassis.service_time import FURTHEST, ServiceTime, TimeOnlyMovesForward, TimeWasMoved, TooFarAhead
from tests.chassis import toy

YEAR = timedelta(days=365)


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[Pool]:
    pool = await database.connect_pool(toy_database, size=4, name="test")
    yield pool
    pool.terminate()


def near(instant: datetime, other: datetime) -> bool:
    return abs(instant - other) < timedelta(seconds=20)


async def test_it_is_the_machines_until_it_is_set_and_runs_on_from_there(pool: Pool) -> None:
    time = ServiceTime(movable=True)
    await time.recall(pool)
    assert near(time.now(), datetime.now(UTC))
    await time.move(pool, datetime.now(UTC) + YEAR, "operator")
    first = time.now()
    assert near(first, datetime.now(UTC) + YEAR)
    await asyncio.sleep(0.01)
    assert timedelta(0) < time.now() - first < timedelta(seconds=20)


async def test_it_never_goes_back_and_a_repeated_request_changes_nothing(pool: Pool) -> None:
    time = ServiceTime(movable=True)
    with pytest.raises(TimeOnlyMovesForward):
        await time.move(pool, datetime.now(UTC) - timedelta(hours=1), "operator")
    to = datetime.now(UTC) + YEAR
    await time.move(pool, to, "operator")
    ahead = time.ahead
    await time.move(pool, to, "operator")
    with pytest.raises(TimeOnlyMovesForward):
        await time.move(pool, to - timedelta(seconds=61), "operator")
    with pytest.raises(TooFarAhead):
        await time.move(pool, datetime.now(UTC) + FURTHEST + timedelta(seconds=5), "operator")
    assert time.ahead == ahead


async def test_another_process_of_the_service_goes_by_it_too(pool: Pool) -> None:
    first, second, third = ServiceTime(movable=True), ServiceTime(movable=True), ServiceTime(movable=True)
    moved = asyncio.Event()
    second.on_move = moved.set
    following = asyncio.create_task(second.follow(pool))
    await first.move(pool, datetime.now(UTC) + YEAR, "operator")
    await asyncio.wait_for(moved.wait(), 10)
    following.cancel()
    await third.recall(pool)
    assert first.ahead == second.ahead == third.ahead
    with pytest.raises(TimeOnlyMovesForward):
        await ServiceTime(movable=True).move(pool, datetime.now(UTC) + YEAR - timedelta(days=1), "operator")


async def test_a_process_that_may_not_go_by_a_set_time_does_not_start_on_it(pool: Pool) -> None:
    await ServiceTime().recall(pool)
    await ServiceTime(movable=True).move(pool, datetime.now(UTC) + YEAR, "operator")
    with pytest.raises(TimeWasMoved):
        await ServiceTime().recall(pool)


async def test_the_journal_has_a_partition_for_the_new_time(pool: Pool) -> None:
    time = ServiceTime(movable=True)
    await time.move(pool, datetime.now(UTC) + 3 * YEAR, "operator")
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT to_regclass($1)", f"journal_{time.now():%Y_%m}")


async def a_counter_that_rings_tomorrow(pool: Pool, time: ServiceTime) -> UUID:
    counter_id = toy.uuid7()
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO counters VALUES ($1, 1, 0, '[]', $2, 0)", counter_id, time.now() + timedelta(days=1)
        )
    return counter_id


async def test_a_clock_that_is_held_waits_until_it_is_asked_to_look(pool: Pool) -> None:
    """So that every service can be moved before anything follows from it, and what follows is the same each time."""
    time = ServiceTime(movable=True)
    counter_id = await a_counter_that_rings_tomorrow(pool, time)
    clock = Clock(toy.RING, Processor(pool, now=time.now, service="toy"), pool)
    time.on_move = clock.look
    running = asyncio.create_task(clock.run())
    clock.hold()
    await time.move(pool, time.now() + timedelta(days=2), "operator", quietly=True)
    await asyncio.sleep(1.3)
    rung = "SELECT rung FROM counters WHERE counter_id = $1"
    assert await pool.fetchval(rung, counter_id) == 0
    assert await clock.catch_up() == 1
    assert await pool.fetchval(rung, counter_id) == 1
    assert await clock.catch_up() == 0
    running.cancel()


async def test_clocks_look_at_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that would look again in an hour rings as soon as the time was set."""
    monkeypatch.setattr("chassis.clock.POLL_SECONDS", 3600.0)
    time = ServiceTime(movable=True)
    processor = Processor(pool, now=time.now, service="toy")
    counter_id = await a_counter_that_rings_tomorrow(pool, time)
    clock = Clock(toy.RING, processor, pool)
    time.on_move = clock.look
    running = asyncio.create_task(clock.run())
    await asyncio.sleep(0.3)
    rung = "SELECT rung FROM counters WHERE counter_id = $1"
    async with pool.acquire() as connection:
        assert await connection.fetchval(rung, counter_id) == 0
        await time.move(pool, time.now() + timedelta(days=2), "operator")
        for _ in range(100):
            if await connection.fetchval(rung, counter_id) == 1:
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("the clock did not ring")
    running.cancel()
