"""A service reads part of its topics once more while it works: nothing twice, nothing skipped (P2, P5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from chassis import database, replay, topics
from chassis.refill import NothingToCancel
from chassis.replay import Replaying, ReplayUnderWay
from chassis.topics import Stretch
from tests.chassis.streaming import PARTITIONS, Reader, broker_at, make_topic, put, totals, until
from tests.chassis.toy import record


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=8, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka: str, unique: str) -> str:
    return await make_topic(kafka, f"{unique}.events")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "LOOK_SECONDS", 0.1)


@asynccontextmanager
async def reading(pool: database.Pool, kafka: str, group: str, topic: str) -> AsyncIterator[Reader]:
    """One process that reads, and looks for replays as a service does: before its first record and ever after."""
    reader = Reader(pool, kafka, group, topic)
    replaying = Replaying(pool, reader.subscription)
    await replaying.look()
    async with reader.at_work():
        task = asyncio.create_task(replaying.run())
        try:
            yield reader
        finally:
            task.cancel()


async def fill(kafka: str, topic: str, count: int, first: int = 2) -> None:
    await put(kafka, topic, [record(uuid7(), n) for n in range(first, first + count)])


async def stretches(kafka: str, group: str, topic: str, **what: object) -> list[Stretch]:
    return await topics.stretches(broker_at(kafka), group, [topic], **what)  # type: ignore[arg-type]


async def asked(pool: database.Pool, what: list[Stretch]) -> None:
    async with pool.acquire() as connection:
        await replay.ask(connection, what, "tester")


async def done(pool: database.Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM replays WHERE state = 'open')")


async def test_p2_everything_is_read_again_and_has_no_effect_again(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    await fill(kafka, topic, 60)
    async with reading(pool, kafka, unique, topic) as reader:
        await until(lambda: len(reader.handled) == 60)
        before = await totals(pool)
        await until(lambda: _committed_all(kafka, unique, topic, 60))
        await asked(pool, await stretches(kafka, unique, topic))
        await until(lambda: done(pool))
        assert len(reader.handled) == 120
        # and it goes on with what is new
        await fill(kafka, topic, 5, 100)
        await until(lambda: len(reader.handled) == 125)
    assert {k: v for k, v in (await totals(pool)).items() if k in before} == before
    (one,) = [r async for r in _listed(pool)]
    assert (one["state"], one["total"], one["read"], one["asked_by"]) == ("done", 60, 60, "tester")


async def _listed(pool: database.Pool) -> AsyncIterator[dict[str, object]]:
    async with pool.acquire() as connection:
        for row in await replay.listed(connection):
            yield row


async def _committed_all(kafka: str, group: str, topic: str, count: int) -> bool:
    read = await stretches(kafka, group, topic, since=datetime(2020, 1, 1, tzinfo=UTC))
    return sum(s.ends - s.starts for s in read) == count


async def test_what_had_no_effect_then_can_have_one_now(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    """As after the database was set back, or when a rule is new: what the inbox does not know takes effect."""
    await fill(kafka, topic, 30)
    async with reading(pool, kafka, unique, topic) as reader:
        await until(lambda: len(reader.handled) == 30)
        before = await totals(pool)
        await until(lambda: _committed_all(kafka, unique, topic, 30))
        await pool.execute("DELETE FROM inbox; DELETE FROM counters")
        await asked(pool, await stretches(kafka, unique, topic))
        await until(lambda: done(pool))
    assert await totals(pool) == before


async def test_p5_a_replay_that_was_asked_before_the_start_begins_with_the_first_record(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    """Nothing new may overtake what is to be read again: a restored database knows neither."""
    key = uuid7()
    await put(kafka, topic, [record(key, n) for n in range(2, 12)])
    async with reading(pool, kafka, unique, topic) as reader:
        await until(lambda: len(reader.handled) == 10)
        await until(lambda: _committed_all(kafka, unique, topic, 10))
    await pool.execute("DELETE FROM inbox; DELETE FROM counters")
    await asked(pool, await stretches(kafka, unique, topic))
    await put(kafka, topic, [record(key, n) for n in range(12, 22)])
    async with reading(pool, kafka, unique, topic):
        await until(lambda: done(pool))
        await until(lambda: _has(pool, list(range(2, 22))))


async def _has(pool: database.Pool, history: list[int]) -> bool:
    return bool(await pool.fetchval("SELECT bool_or(history = $1::jsonb) FROM counters", str(history)))


# Kafka's client leaves a socket to the collector when a connection ends within a rebalance.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_p5_a_replay_goes_on_when_its_process_ends_and_partitions_change_hands(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    await fill(kafka, topic, 90)
    async with reading(pool, kafka, unique, topic) as first:
        await until(lambda: len(first.handled) == 90)
        await until(lambda: _committed_all(kafka, unique, topic, 90))
        before = await totals(pool)
    await pool.execute("DELETE FROM inbox; DELETE FROM counters")
    await asked(pool, await stretches(kafka, unique, topic))

    async def slowly(_records: object) -> None:
        await asyncio.sleep(0.3)

    for _ in range(2):
        async with reading(pool, kafka, unique, topic) as one:
            one.before = slowly
            async with reading(pool, kafka, unique, topic) as two:
                two.before = slowly
                await asyncio.sleep(1.0)
    async with reading(pool, kafka, unique, topic):
        await until(lambda: done(pool))
    assert await totals(pool) == before


async def test_only_what_is_asked_for_is_read_again(pool: database.Pool, kafka: str, topic: str, unique: str) -> None:
    await fill(kafka, topic, 30)
    async with reading(pool, kafka, unique, topic) as reader:
        await until(lambda: len(reader.handled) == 30)
        await until(lambda: _committed_all(kafka, unique, topic, 30))
        await asyncio.sleep(0.05)
        between = datetime.now(UTC)
        await asyncio.sleep(0.05)
        await fill(kafka, topic, 30, 100)
        await until(lambda: len(reader.handled) == 60)
        await until(lambda: _committed_all(kafka, unique, topic, 60))
        since = await stretches(kafka, unique, topic, since=between)
        assert sum(s.ends - s.starts for s in since) == 30
        one = max(await stretches(kafka, unique, topic), key=lambda s: s.ends)
        at = await stretches(kafka, unique, topic, at={(topic, one.partition): one.ends - 2})
        assert at == [Stretch(topic, one.partition, one.ends - 2, one.ends)]
        reader.handled.clear()
        await asked(pool, at)
        await until(lambda: done(pool))
        assert reader.handled == [(topic, one.partition, one.ends - 2), (topic, one.partition, one.ends - 1)]


async def test_p5_nothing_is_skipped_by_asking_for_what_is_still_to_come(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    await fill(kafka, topic, 10)
    async with reading(pool, kafka, unique, topic) as reader:
        await until(lambda: len(reader.handled) == 10)
        await until(lambda: _committed_all(kafka, unique, topic, 10))
    await fill(kafka, topic, 10, 100)
    assert await stretches(kafka, unique, topic, since=datetime.now(UTC)) == []
    everywhere = {(topic, n): 10_000 for n in range(PARTITIONS)}
    assert await stretches(kafka, unique, topic, at=everywhere) == []
    assert await stretches(kafka, f"{unique}-new", topic, since=datetime(2020, 1, 1, tzinfo=UTC)) == []


async def test_one_replay_at_a_time_which_can_be_cancelled(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    await fill(kafka, topic, 30)
    async with reading(pool, kafka, unique, topic) as reader:
        await until(lambda: len(reader.handled) == 30)
        await until(lambda: _committed_all(kafka, unique, topic, 30))
        what = await stretches(kafka, unique, topic)

        async def never(_records: object) -> None:
            await asyncio.sleep(0.5)

        reader.before = never
        await asked(pool, what)
        with pytest.raises(ReplayUnderWay):
            await asked(pool, what)
        async with pool.acquire() as connection:
            await replay.cancel(connection, "tester")
            with pytest.raises(NothingToCancel):
                await replay.cancel(connection, "tester")
        reader.before = None
        await asked(pool, what)
        await until(lambda: done(pool))
    actions = [r[0] for r in await pool.fetch("SELECT action FROM audits ORDER BY at")]
    assert actions == ["replay.ask", "replay.cancel", "replay.ask"]
