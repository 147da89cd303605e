"""A topic that lost its events has them again: the same, in order, before anything new (P2, P3, P5)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from chassis import database, refill, relay, replay, topics
from chassis.parked import Record
from chassis.processor import Processor
from chassis.refill import NothingToCancel, RefillUnderWay
from chassis.relay import Relay
from tests.chassis.streaming import broker_at, everything_in, lose_topic, make_topic, put, totals, until
from tests.chassis.test_relay import at_work, check_against_journal, empty, envelopes, outbox, sequences, tell
from tests.chassis.test_replay import reading
from tests.chassis.toy import adding, record

ALL = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC)


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=6, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
def processor(pool: database.Pool) -> Processor:
    return Processor(pool, now=lambda: datetime.now(UTC), service="toy")


@pytest.fixture
async def topic(kafka: str, unique: str) -> str:
    return await make_topic(kafka, f"{unique}.told")


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> _Slowly:
    """A refill that takes its time at every page."""
    pauses = _Slowly()
    monkeypatch.setattr(refill.failpoints, "reached", pauses)
    return pauses


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refill, "PAGE", 10)


class _Slowly:
    pause = 0.02

    def __call__(self, _point: str) -> None:
        time.sleep(self.pause)


NewRelay = Callable[[], Relay]


@pytest.fixture
def new_relay(toy_database: str, kafka: str, topic: str) -> NewRelay:
    return lambda: Relay(toy_database, broker_at(kafka), service="toy", topic=topic)


async def lose_everything(kafka: str, topic: str) -> None:
    """The topic is there again, and empty."""
    await lose_topic(kafka, topic)
    await make_topic(kafka, topic)


async def asked(pool: database.Pool, since: datetime = ALL) -> UUID:
    async with pool.acquire() as connection:
        return await refill.ask(connection, since, "tester")


async def ended(pool: database.Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM refills WHERE state = 'open')")


def as_sent(records: Sequence[Record]) -> dict[bytes, list[tuple[bytes, frozenset[tuple[str, bytes]]]]]:
    """Values and headers by key, in order."""
    found: dict[bytes, list[tuple[bytes, frozenset[tuple[str, bytes]]]]] = {}
    for r in records:
        found.setdefault(r.key or b"", []).append((r.value or b"", frozenset((n, v or b"") for n, v in r.headers)))
    return found


async def test_a_lost_topic_gets_the_same_records_in_the_same_order(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    keys = [uuid7() for _ in range(9)]
    async with at_work(new_relay()):
        await tell(processor, keys, 8)
        await until(lambda: empty(pool))
    before = as_sent(await everything_in(kafka, topic))
    await lose_everything(kafka, topic)
    await asked(pool)
    async with at_work(new_relay()):
        await until(lambda: ended(pool))
    assert as_sent(await everything_in(kafka, topic)) == before
    row = await pool.fetchrow("SELECT state, sent, total, asked_by FROM refills")
    assert tuple(row or ()) == ("done", 72, 72, "tester")


async def test_p3_what_is_told_meanwhile_comes_after_what_was_lost(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    # given events that were published and lost, others that wait, and a refill that is asked for
    keys = [uuid7() for _ in range(6)]
    async with at_work(new_relay()):
        await tell(processor, keys, 10)
        await until(lambda: empty(pool))
    await tell(processor, keys, 5)
    await lose_everything(kafka, topic)
    await asked(pool)
    # when the service goes on, and more is told while the refill works
    async with at_work(new_relay()):
        await tell(processor, keys, 10)
        await until(lambda: ended(pool))
        await until(lambda: empty(pool))
    # then every reader meets each key from its first event to its last
    await check_against_journal(pool, await everything_in(kafka, topic), keys, 25)


async def test_p5_a_refill_goes_on_where_it_was_when_its_process_ended(
    processor: Processor, new_relay: NewRelay, kafka: str, topic: str, slowly: _Slowly
) -> None:
    pool = processor.pool
    keys = [uuid7() for _ in range(10)]
    await tell(processor, keys, 30)
    await pool.execute("DELETE FROM outbox")
    await asked(pool)
    for part in (60, 150, 240):
        # hard stops, in the middle of a page
        async with at_work(new_relay()):
            await until(partial(_sent, pool, part))
    slowly.pause = 0.0
    async with at_work(new_relay()):
        await until(lambda: ended(pool))
    records = await everything_in(kafka, topic)
    await check_against_journal(pool, records, keys, 30)
    assert len(records) <= 300 + 3 * 2 * refill.PAGE, "each time a page or two again, not everything"
    assert await pool.fetchval("SELECT sent FROM refills") == 300


async def _sent(pool: database.Pool, at_least: int) -> bool:
    return bool(await pool.fetchval("SELECT sent >= $1 FROM refills", at_least))


async def test_p5_a_refill_survives_the_loss_of_its_session_and_of_its_lock(
    processor: Processor, new_relay: NewRelay, kafka: str, topic: str, slowly: _Slowly
) -> None:
    pool = processor.pool
    keys = [uuid7() for _ in range(6)]
    await tell(processor, keys, 50)
    await pool.execute("DELETE FROM outbox")
    await asked(pool)
    async with at_work(*(new_relay() for _ in range(2))):
        for part in (50, 150, 250):
            await until(partial(_sent, pool, part))
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name IN ('toy-relay', 'toy-refill') AND datname = current_database()"
            )
        await until(lambda: ended(pool))
    await check_against_journal(pool, await everything_in(kafka, topic), keys, 50)


@pytest.mark.parametrize("lost", database.AWAY, ids=lambda lost: lost.__name__)
async def test_p5_a_relay_waits_out_every_way_to_lose_its_session(
    processor: Processor, new_relay: NewRelay, monkeypatch: pytest.MonkeyPatch, lost: type[Exception]
) -> None:
    """A session that is lost in the middle of an exchange is not always a connection error to asyncpg."""
    losses = [lost("lost")]

    def lose_once(point: str) -> None:
        if losses and point == "refill.after":
            raise losses.pop()

    monkeypatch.setattr(refill.failpoints, "reached", lose_once)
    await tell(processor, [uuid7()], 5)
    await asked(processor.pool)
    async with at_work(new_relay()):
        await until(lambda: ended(processor.pool))
    assert not losses


async def test_p2_a_refill_of_what_was_read_before_changes_nothing(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    """A reader that went on in the old place would miss what stands before it in the new log: it is sent back."""
    keys = [uuid7() for _ in range(5)]
    told = [record(key, n) for n in range(2, 22) for key in keys]
    new = [record(uuid7(), n) for n in range(2, 8)]
    await put(kafka, topic, told)
    async with reading(pool, kafka, unique, topic) as reader:
        await until(lambda: len(reader.handled) == 100)
        before = await totals(pool)
        await lose_everything(kafka, topic)
        await put(kafka, topic, [*new, *told])
        async with pool.acquire() as connection:
            await replay.ask(connection, await topics.stretches(broker_at(kafka), unique, [topic]), "tester")
        await until(lambda: _counted(pool, len(keys) + len(new)))
    after = await totals(pool)
    assert {key: after[key] for key in keys} == before


async def _counted(pool: database.Pool, count: int) -> bool:
    return len(await totals(pool)) == count


async def test_only_keys_told_since_then_are_sent_each_from_its_first_event_since(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    old, young, both = (uuid7() for _ in range(3))
    since = NOW - timedelta(days=3)
    for key, days in ((old, 5), (old, 4), (both, 5), (both, 3), (both, 1), (young, 2)):
        processor.now = lambda days=days: NOW - timedelta(days=days)  # type: ignore[misc]
        await processor.process([adding(key, 1)])
    await pool.execute("DELETE FROM outbox")
    async with pool.acquire() as connection:
        planned = await refill.plan(connection, since)
    assert (planned["events"], planned["keys"]) == (3, 2)
    assert planned["oldest"] == since
    await asked(pool, since)
    async with at_work(new_relay()):
        await until(lambda: ended(pool))
    found = sequences(envelopes(await everything_in(kafka, topic)))
    assert found == {both: [2, 3], young: [1]}


async def test_p3_the_order_is_that_of_the_sequence_whatever_the_clocks_said(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    key = uuid7()
    for hours in (0, 5, -7, 3, -2, 9, -30):
        processor.now = lambda hours=hours: NOW + timedelta(hours=hours)  # type: ignore[misc]
        await processor.process([adding(key, 1)])
    await pool.execute("DELETE FROM outbox")
    await asked(pool, NOW - timedelta(minutes=1))
    async with at_work(new_relay()):
        await until(lambda: ended(pool))
    assert sequences(envelopes(await everything_in(kafka, topic))) == {key: [1, 2, 3, 4, 5, 6, 7]}


async def test_events_of_different_keys_come_in_the_order_of_time(
    processor: Processor, pool: database.Pool, toy_database: str, kafka: str, unique: str
) -> None:
    topic = f"{unique}.one"
    await broker_at(kafka).create_topic(topic, partitions=1, replication=1)
    a, b = uuid7(), uuid7()
    for n, key in enumerate((b, a, b, b, a)):
        processor.now = lambda n=n: NOW + timedelta(seconds=n)  # type: ignore[misc]
        await processor.process([adding(key, 1)])
    await pool.execute("DELETE FROM outbox")
    await asked(pool)
    async with at_work(Relay(toy_database, broker_at(kafka), service="toy", topic=topic)):
        await until(lambda: ended(pool))
    records = await broker_at(kafka).history([topic])
    assert [e.subject for e in envelopes(records)] == [b, a, b, b, a]


async def test_a_running_relay_hears_of_a_refill_and_goes_back_to_its_work(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    key = uuid7()
    relay = new_relay()
    async with at_work(relay):
        await tell(processor, [key], 3)
        await until(lambda: empty(pool))
        assert not relay.refilling.asked
        watching = asyncio.create_task(relay.refilling.watch(pool))
        await asked(pool)
        await until(lambda: ended(pool))
        await tell(processor, [key], 1)
        await until(lambda: empty(pool))
        watching.cancel()
    counted = Counter(e.sequence for e in envelopes(await everything_in(kafka, topic)))
    assert counted == {1: 2, 2: 2, 3: 2, 4: 1}


async def test_p3_what_waited_for_a_lost_topic_comes_after_what_the_topic_lost(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    """It was on its way when the topic went, and would be the first in the new one."""
    key = uuid7()
    relay = new_relay()
    async with at_work(relay):
        await tell(processor, [key], 3)
        await until(lambda: empty(pool))
        await lose_topic(kafka, topic)
        await tell(processor, [key], 2)
        relay.wake()
        await until(lambda: relay.sending_since is not None)
        await asked(pool)
        relay.refilling.ask()
        await make_topic(kafka, topic)
        await until(lambda: ended(pool))
        await until(lambda: empty(pool))
    told = [e.sequence for e in envelopes(await everything_in(kafka, topic))]
    assert list(dict.fromkeys(told)) == [1, 2, 3, 4, 5]


async def test_one_refill_at_a_time_and_the_same_again_is_the_same(pool: database.Pool) -> None:
    first = await asked(pool)
    assert await asked(pool) == first
    with pytest.raises(RefillUnderWay):
        await asked(pool, NOW)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute("INSERT INTO refills (refill_id, since, asked_by) VALUES ($1, now(), 'x')", uuid7())
    assert [tuple(r) for r in await pool.fetch("SELECT subject, action FROM audits")] == [("tester", "refill.ask")]


async def test_a_cancelled_refill_stops_and_the_outbox_goes_on(
    processor: Processor, new_relay: NewRelay, kafka: str, topic: str, slowly: _Slowly
) -> None:
    pool = processor.pool
    keys = [uuid7() for _ in range(10)]
    await tell(processor, keys, 30)
    await pool.execute("DELETE FROM outbox")
    await asked(pool)
    async with at_work(new_relay()):
        await until(lambda: _sent(pool, 50))
        await processor.process([adding(keys[0], 1)])
        assert await outbox(pool) == 1
        async with pool.acquire() as connection:
            await refill.cancel(connection, "tester")
        await until(lambda: empty(pool))
    assert await pool.fetchval("SELECT state || (sent < 300)::text FROM refills") == "cancelledtrue"
    async with pool.acquire() as connection:
        with pytest.raises(NothingToCancel):
            await refill.cancel(connection, "tester")


async def test_p5_the_lock_is_not_lost_while_a_large_journal_is_put_in_order(
    processor: Processor, new_relay: NewRelay, kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SILENT_SECONDS", 1)
    monkeypatch.setattr(refill, "ALIVE_SECONDS", 0.3)
    pool, keys = processor.pool, [uuid7() for _ in range(3)]
    await tell(processor, keys, 4)
    await pool.execute("DELETE FROM outbox")
    await asked(pool)
    one = new_relay()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE")
        working = asyncio.create_task(one.run())
        await until(lambda: one.holds_lock)
        await asyncio.sleep(3)
        assert one.holds_lock
        assert one.failing_since is None
    await until(lambda: ended(pool))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    records = await everything_in(kafka, topic)
    assert len(records) == 12
