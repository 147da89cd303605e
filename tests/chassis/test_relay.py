"""From the outbox to a real broker: exactly what was committed, in order per key, gone only when it has arrived."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from aiokafka.errors import KafkaConnectionError
from uuid_utils.compat import uuid7

from attune_contracts.envelope import Envelope, read
from chassis import database, relay
from chassis.broker import Broker
from chassis.parked import Record
from chassis.processor import Processor
from chassis.relay import Relay
from faults.proxy import Proxy
from tests.chassis.streaming import broker_at, everything_in, make_topic, until
from tests.chassis.toy import adding

READABLE = {"attune.screening.screening-not-completed.v1"}


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=6, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka: str, unique: str) -> str:
    return await make_topic(kafka, f"{unique}.told")


NewRelay = Callable[..., Relay]


@pytest.fixture
def new_relay(toy_database: str, kafka: str, topic: str) -> NewRelay:
    """Makes relays of one outbox to one topic; by another broker where one is given."""

    def made(broker: Broker | None = None) -> Relay:
        return Relay(toy_database, broker or broker_at(kafka), service="toy", topic=topic)

    return made


@pytest.fixture
def processor(pool: database.Pool) -> Processor:
    return Processor(pool, now=lambda: datetime.now(UTC), service="toy")


@asynccontextmanager
async def at_work(*relays: Relay) -> AsyncIterator[None]:
    """Relays until the end of the block, then stops hard, as when the process is killed. None may end by itself."""
    tasks = [asyncio.create_task(r.run()) for r in relays]
    try:
        yield
    finally:
        ended = [repr(task) for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not ended


async def outbox(pool: database.Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM outbox"))


async def empty(pool: database.Pool) -> bool:
    return not await outbox(pool)


async def tell(processor: Processor, keys: Sequence[UUID], rounds: int) -> None:
    """So many events about each key, in batches, by four writers at once."""

    async def write(mine: Sequence[UUID]) -> None:
        for _ in range(rounds):
            await processor.process([adding(key, 1) for key in mine])

    await asyncio.gather(*(write(keys[n::4]) for n in range(4) if keys[n::4]))


def envelopes(records: Iterable[Record]) -> list[Envelope]:
    return [read(r.key, r.value, r.headers, READABLE).envelope for r in records]


def sequences(read_envelopes: Iterable[Envelope]) -> dict[UUID, list[int]]:
    """Sequence numbers by key as a reader keeps them: each event once, where it came first."""
    seen: set[UUID] = set()
    found: dict[UUID, list[int]] = defaultdict(list)
    for e in read_envelopes:
        if e.id not in seen:
            seen.add(e.id)
            found[e.subject].append(e.sequence)
    return found


async def check_against_journal(
    pool: database.Pool, records: Sequence[Record], keys: Sequence[UUID], each: int
) -> None:
    told = {r["event_id"]: r["data"] for r in await pool.fetch("SELECT event_id, data FROM journal")}
    arrived = {e.id: r.value for e, r in zip(envelopes(records), records, strict=True)}
    assert arrived == told
    assert sequences(envelopes(records)) == {key: list(range(1, each + 1)) for key in keys}


# --- P1: what was committed, and nothing else -------------------------------------------------------------------------


async def test_p1_exactly_what_was_committed_is_published_in_order_of_its_key(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    keys = [uuid7() for _ in range(13)]
    async with at_work(new_relay()):
        refused = [adding(uuid7(), n) for n in (101, 13, 666)]
        await asyncio.gather(tell(processor, keys, 12), processor.process(refused))
        await until(lambda: empty(pool))
    records = await everything_in(kafka, topic)
    assert len(records) == 13 * 12
    await check_against_journal(pool, records, keys, 12)


async def test_p1_what_a_transaction_took_back_is_never_published(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    async with at_work(new_relay()):
        with contextlib.suppress(ZeroDivisionError):
            async with pool.acquire() as connection, connection.transaction():
                await processor._attempt(connection, [adding(uuid7(), 1)], careful=False)
                raise ZeroDivisionError
        await processor.process([adding(uuid7(), 2)])
        await until(lambda: empty(pool))
    assert len(await everything_in(kafka, topic)) == 1


async def test_p1_a_record_carries_the_whole_envelope(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    key = uuid7()
    given = adding(key, 5)
    given.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with at_work(new_relay()):
        await processor.process([given])
        await until(lambda: empty(pool))
    (record,) = await everything_in(kafka, topic)
    headers = dict(record.headers)
    assert record.key == str(key).encode() == headers["ce_subject"]
    assert headers["ce_causationid"] == headers["ce_correlationid"] == str(given.id).encode()
    assert headers["ce_source"] == b"/attune/screening"
    assert headers["ce_sequence"] == b"1"
    assert headers["content-type"] == b"application/json"
    assert headers["traceparent"] == (given.traceparent or "").encode()
    assert record.value is not None
    assert json.loads(record.value)["child_id"] == str(key)


async def test_a_commit_wakes_the_relay_at_once(
    processor: Processor,
    new_relay: NewRelay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "POLL_SECONDS", 60.0)
    one = new_relay()
    processor.on_events = one.wake
    async with at_work(one):
        await until(lambda: one.holds_lock)
        for _ in range(20):
            await processor.process([adding(uuid7(), 1)])
            await until(lambda: empty(processor.pool), 5)


# --- P5: whatever ends, nothing is lost -------------------------------------------------------------------------------


async def test_p5_one_relay_publishes_and_the_other_takes_over(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    keys = [uuid7() for _ in range(8)]
    one, two = (new_relay() for _ in range(2))
    async with at_work(two):
        await until(lambda: two.holds_lock)
        async with at_work(one):
            await tell(processor, keys, 5)
            await until(lambda: empty(pool))
            assert (one.holds_lock, two.holds_lock) == (False, True)
    async with at_work(one):
        await tell(processor, keys, 5)
        await until(lambda: empty(pool))
    records = await everything_in(kafka, topic)
    assert len(records) == 8 * 10, "two relays in turn publish nothing twice"
    await check_against_journal(pool, records, keys, 10)


async def test_p5_two_relays_that_both_believe_to_be_alone_lose_nothing(
    processor: Processor,
    new_relay: NewRelay,
    kafka: str,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a pause in which the lock went to another: records may repeat, readers know them by id."""
    keys = [uuid7() for _ in range(8)]
    one, two = (new_relay() for _ in range(2))
    async with at_work(one):
        await until(lambda: one.holds_lock)
        monkeypatch.setattr(relay, "_LOCK", relay._LOCK + 1)
        async with at_work(two):
            await until(lambda: two.holds_lock)
            await tell(processor, keys, 25)
            await until(lambda: empty(processor.pool))
    await check_against_journal(processor.pool, await everything_in(kafka, topic), keys, 25)


async def test_p5_a_relay_whose_session_is_terminated_goes_on(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    """With its session its lock is gone, at whatever step it was."""
    keys = [uuid7() for _ in range(8)]
    over = asyncio.Event()

    async def terminate() -> None:
        while not over.is_set():
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'toy-relay' AND datname = current_database()"
            )
            await asyncio.sleep(0.15)

    async with at_work(*(new_relay() for _ in range(2))):
        killing = asyncio.create_task(terminate())
        await tell(processor, keys, 60)
        over.set()
        await killing
        await until(lambda: empty(pool))
    await check_against_journal(pool, await everything_in(kafka, topic), keys, 60)


class Held:
    """A producer whose acknowledgements come when they are let go, or that fails as often as it is told."""

    def __init__(self, real: Any, broker: HeldBroker) -> None:
        self._real, self._broker = real, broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def send_batch(self, *arguments: Any, **named: Any) -> Any:
        self._broker.sent += 1
        if self._broker.failures:
            self._broker.failures -= 1
            raise KafkaConnectionError
        acknowledged = await self._real.send_batch(*arguments, **named)

        async def later() -> Any:
            await self._broker.let_go.wait()
            return await acknowledged

        return later()


class HeldBroker(Broker):
    """A broker whose answers are in the test's hand."""

    failures = sent = 0

    def __init__(self, bootstrap: str) -> None:
        super().__init__((bootstrap,))
        object.__setattr__(self, "let_go", asyncio.Event())

    let_go: asyncio.Event

    def producer(self) -> Any:
        return Held(super().producer(), self)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


async def test_p5_a_row_stays_until_the_broker_has_acknowledged_it(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    broker = HeldBroker(kafka)
    async with at_work(new_relay(broker)):
        await processor.process([adding(uuid7(), 1) for _ in range(10)])
        await until(lambda: broker.sent > 0)
        await arrived(kafka, topic, 10)
        assert await outbox(pool) == 10
        broker.let_go.set()
        await until(lambda: empty(pool))
    assert len(await everything_in(kafka, topic)) == 10


async def arrived(kafka: str, topic: str, count: int) -> None:
    async def enough() -> bool:
        return len(await everything_in(kafka, topic)) >= count

    await until(enough)


async def test_p5_what_the_broker_did_not_take_is_sent_again(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    broker = HeldBroker(kafka)
    broker.let_go.set()
    broker.failures = 3
    keys = [uuid7() for _ in range(6)]
    one = new_relay(broker)
    async with at_work(one):
        await tell(processor, keys, 4)
        await until(lambda: empty(pool))
        assert one.failing_since is None
    assert broker.failures == 0
    await check_against_journal(pool, await everything_in(kafka, topic), keys, 4)


async def test_p10_a_relay_that_cannot_publish_says_since_when(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    broker = HeldBroker(kafka)
    broker.failures = 10**6
    one = new_relay(broker)
    async with at_work(one):
        await processor.process([adding(uuid7(), 1)])
        await until(lambda: one.failing_since is not None)
        assert await outbox(pool) == 1


async def test_p3_a_key_keeps_its_order_while_a_backlog_is_larger_than_one_look(
    processor: Processor,
    new_relay: NewRelay,
    kafka: str,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "CHUNK", 7)
    keys = [uuid7() for _ in range(5)]
    await tell(processor, keys, 20)
    async with at_work(new_relay()):
        await until(lambda: empty(processor.pool))
    await check_against_journal(processor.pool, await everything_in(kafka, topic), keys, 20)


async def test_p1_an_event_that_commits_late_is_not_passed_over(
    processor: Processor, pool: database.Pool, new_relay: NewRelay, kafka: str, topic: str
) -> None:
    """Its position was drawn before that of an event which is published already: a cursor would have lost it."""
    slow, quick = uuid7(), uuid7()
    async with at_work(new_relay()), pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await processor._attempt(connection, [adding(slow, 1)], careful=False)
        await processor.process([adding(quick, 1)])
        await arrived(kafka, topic, 1)
        await transaction.commit()
        await until(lambda: empty(pool))
    assert set(sequences(envelopes(await everything_in(kafka, topic)))) == {slow, quick}


class _CutAfter:
    """The line is dead after so many answers to the statement that looks for what is next."""

    def __init__(self, cut: Callable[[], None], answers: int) -> None:
        self.cut, self.left, self.asked = cut, answers, False

    def up(self, chunk: bytes) -> bool:
        self.asked = self.asked or b"WITH sent" in chunk
        return True

    def down(self, _chunk: bytes) -> bool:
        self.left -= self.asked
        if not self.left:
            self.cut()
        return True


@pytest.mark.parametrize("answers", [1, 2], ids=["between-parse-and-bind", "idle"])
async def test_p5_a_relay_that_is_cut_off_loses_its_place_to_another(
    new_relay: NewRelay, toy_database: str, processor: Processor, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    """Its machine is gone: nobody closes its session, which holds the lock, whatever the server waits for."""
    monkeypatch.setattr(relay, "SILENT_SECONDS", 1)
    address = urlsplit(toy_database)
    line = Proxy("postgres", lambda: _CutAfter(lambda: line.make("blackhole"), answers))
    await line.open()
    line.upstream = address.port
    cut_off, other = new_relay(), new_relay()
    cut_off.dsn = toy_database.replace(f":{address.port}", f":{line.port}")
    async with at_work(cut_off):
        await until(lambda: line.sky.weather == "blackhole")
        async with at_work(other):
            await tell(processor, [uuid7()], 3)
            await until(lambda: empty(processor.pool))
            assert other.holds_lock
    await line.close()
