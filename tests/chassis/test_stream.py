"""Reading from a real broker: in order, once, whatever comes, and handed over without loss (P2, P3, P4, P5, P10)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from fastapi import APIRouter
from uuid_utils.compat import uuid7

from chassis import database, migrations, stream, watchdog
from chassis.parked import Record
from chassis.running import MissingTopics, Running
from chassis.service import Service, migration_sets
from chassis.settings import ServiceSettings
from chassis.watchdog import ConsumerDead
from tests.chassis import toy
from tests.chassis.streaming import (
    PARTITIONS,
    Reader,
    broker_at,
    everything_in,
    make_topic,
    put,
    put_with_unreadable_header_name,
    totals,
    until,
)
from tests.chassis.toy import record
from tests.support import databases

AGES = range(2, 42)
"""Numbers of forty events of one key. From two on: one to thirty-six would add up to what a constraint forbids."""

NOBODY_WAITS_LONGER = 5.0
"""Seconds that one bad input may delay the others."""


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=6, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka: str, unique: str) -> str:
    return await make_topic(kafka, f"{unique}.events")


async def histories(pool: database.Pool) -> dict[UUID, list[int]]:
    return {r[0]: json.loads(r[1]) for r in await pool.fetch("SELECT counter_id, history FROM counters")}


async def parked(pool: database.Pool) -> dict[str, tuple[str, str]]:
    """State and reason of what is parked, by record key."""
    return {r["key"]: (r["state"], r["reason"]) for r in await pool.fetch("SELECT key, state, reason FROM parked")}


# --- P3 and P2: in order, once ----------------------------------------------------------------------------------------


async def test_p3_events_of_one_key_are_handled_in_order(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    keys = [uuid7() for _ in range(12)]
    await put(kafka, topic, [record(key, n) for n in AGES for key in keys])
    async with Reader(pool, kafka, unique, topic).at_work():
        await until(lambda: _all_have(pool, keys, 40))
    assert await histories(pool) == {key: list(AGES) for key in keys}


async def _all_have(pool: database.Pool, keys: Sequence[UUID], count: int) -> bool:
    found = await histories(pool)
    return len(found) == len(keys) and all(len(h) >= count for h in found.values())


@pytest.mark.parametrize("how", ["another group", "the group is deleted"])
async def test_p2_reading_everything_again_changes_nothing(
    pool: database.Pool, kafka: str, topic: str, unique: str, how: str
) -> None:
    keys = [uuid7() for _ in range(5)]
    await put(kafka, topic, [record(key, n) for n in range(1, 21) for key in keys])
    async with Reader(pool, kafka, unique, topic).at_work():
        await until(lambda: _all_have(pool, keys, 20))
    before = await everything(pool)

    if how == "another group":
        unique += "-again"
    else:
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.delete_consumer_groups([unique])[unique].result(10)
    async with Reader(pool, kafka, unique, topic).at_work() as again:
        await until(lambda: len(again.handled) == 100)
    assert await everything(pool) == before


async def everything(pool: database.Pool) -> list[Any]:
    """All rows that a reader could have changed, with their versions."""
    tables = ("counters", "inbox", "parked", "journal")
    return [await pool.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608


async def test_p5_what_was_handled_and_not_yet_committed_comes_again_and_changes_nothing(
    pool: database.Pool, kafka: str, topic: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after kill -9: the rows are written, the offsets are not."""
    key = uuid7()
    await put(kafka, topic, [record(key, n) for n in range(1, 11)])

    async def never() -> None:
        return

    async with Reader(pool, kafka, unique, topic).at_work() as killed:
        monkeypatch.setattr(killed.subscription, "_commit", never)
        await until(lambda: len(killed.handled) == 10)
    async with Reader(pool, kafka, unique, topic).at_work() as again:
        await until(lambda: len(again.handled) == 10)
    assert (await histories(pool))[key] == list(range(1, 11))


# --- P4: whatever comes -----------------------------------------------------------------------------------------------


def without(r: Record, header: str) -> Record:
    return replace(r, headers=tuple(h for h in r.headers if h[0] != header))


def having(r: Record, header: str, value: bytes | None) -> Record:
    return replace(r, headers=(*without(r, header).headers, (header, value)))


REPLY = ("reply_to", b"attune.elsewhere"), ("correlation_id", b"x")

GARBAGE: dict[str, tuple[Any, str]] = {
    "bytes without any header": (lambda r: replace(r, value=b"\x00\xff\xfe{", headers=()), "missing_attribute"),
    "bytes under good headers": (lambda r: replace(r, value=b"\x00\xff\xfe{"), "not_json"),
    "a null value": (lambda r: replace(r, value=None), "null_value"),
    "an empty value": (lambda r: replace(r, value=b""), "not_json"),
    "an id that is none": (lambda r: having(r, "ce_id", b"7"), "bad_header"),
    "a header that is no text": (lambda r: having(r, "ce_source", b"\xff\xfe\x00"), "bad_header"),
    "a header without value": (lambda r: having(r, "ce_subject", None), "missing_attribute"),
    "a missing attribute": (lambda r: without(r, "ce_time"), "missing_attribute"),
    "a doubled attribute": (lambda r: replace(r, headers=(*r.headers, ("ce_id", b"x"))), "duplicate_attribute"),
    "a key of somebody else": (lambda r: having(r, "ce_subject", str(uuid7()).encode()), "bad_header"),
    "an unknown type": (lambda r: having(r, "ce_type", b"attune.screening.baby-smiled.v1"), "unknown_type"),
    "a newer version": (lambda r: having(r, "ce_type", f"{toy.HEAR.event.type[:-1]}2".encode()), "newer_version"),
    "a type that is an attack": (lambda r: having(r, "ce_type", b"';DROP-TABLE-counters;--"), "unknown_type"),
    "a schema violation": (lambda r: replace(r, value=r.value.replace(b's":1,', b's":"x",')), "schema_violation"),
    "more than is allowed": (lambda r: replace(r, value=b'{"x":"' + b"y" * 300_000 + b'"}'), "oversize"),
    "deep nesting": (lambda r: replace(r, value=b"[" * 200_000), "not_json"),
    "a hostile reply-to": (lambda r: replace(r, value=b"{}", headers=(*r.headers, *REPLY)), "schema_violation"),
}  # fmt: skip


async def test_p4_garbage_of_every_kind_is_parked_with_its_reason_and_the_rest_flows(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    reply_topic = await make_topic(kafka, f"{unique}.replies")
    bad = {name: uuid7() for name in GARBAGE}
    good = [uuid7() for _ in range(20)]
    made = [spoil(record(bad[name], 1)) for name, (spoil, _) in GARBAGE.items()]
    asking = replace(record(good[0], 1), headers=(*record(good[0], 1).headers, ("reply_to", reply_topic.encode())))
    mixed = [asking, *(record(key, 1) for key in good[1:10]), *made, *(record(key, 1) for key in good[10:])]

    async with Reader(pool, kafka, unique, topic).at_work():
        await until(lambda: _reads(kafka, topic, unique, pool), 20)
        began = time.monotonic()
        await put(kafka, topic, mixed)
        await until(lambda: _counted(pool, good), NOBODY_WAITS_LONGER)
        await until(lambda: _parked_count(pool, len(bad)), NOBODY_WAITS_LONGER)
        assert time.monotonic() - began < NOBODY_WAITS_LONGER

        busy = time.process_time()
        await asyncio.sleep(1.5)
        assert time.process_time() - busy < 0.6, "a parked input keeps the process busy"

        await put(kafka, topic, [record(key, 1) for key in good])
        await until(lambda: _counted(pool, good, 2), NOBODY_WAITS_LONGER)

    found = await parked(pool)
    assert {n: found[str(bad[n])] for n in GARBAGE} == {n: ("failed", reason) for n, (_, reason) in GARBAGE.items()}
    assert await everything_in(kafka, reply_topic) == []
    assert set((await totals(pool)).values()) == {2}


async def _reads(kafka: str, topic: str, unique: str, pool: database.Pool) -> bool:
    """A first record of its own, so that joining the group is not measured."""
    await put(kafka, topic, [record(uuid7(), 2)])
    return bool(await totals(pool))


async def _counted(pool: database.Pool, keys: Sequence[UUID], total: int = 1) -> bool:
    found = await totals(pool)
    return all(found.get(key) == total for key in keys)


async def _parked_count(pool: database.Pool, count: int) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM parked") == count)


async def test_p4_a_header_name_that_is_no_text_stops_nobody(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    """aiokafka cannot read such a record: without help no partition of the consumer would be read any more."""
    good = [uuid7() for _ in range(30)]
    odd, garbage = uuid7(), uuid7()
    await put(kafka, topic, [record(key, 1) for key in good])
    await put_with_unreadable_header_name(kafka, topic, record(odd, 1))
    await put_with_unreadable_header_name(kafka, topic, replace(record(garbage, 1), value=b"\x00"))
    await put(kafka, topic, [record(key, 1) for key in good])
    async with Reader(pool, kafka, unique, topic).at_work():
        await until(lambda: _counted(pool, good, 2))
        await until(lambda: _counted(pool, [odd]))
        await until(lambda: _parked_count(pool, 1))
    assert await parked(pool) == {str(garbage): ("failed", "not_json")}


async def test_p4_raw_bytes_and_headers_are_kept_for_another_try(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    sent = replace(record(uuid7(), 1), value=b"\x00not json\xff")
    async with Reader(pool, kafka, unique, topic).at_work():
        await put(kafka, topic, [sent])
        await until(lambda: _parked_count(pool, 1))
    row = await pool.fetchrow("SELECT * FROM parked")
    assert row is not None
    assert (row["record_key"], row["record_value"]) == (sent.key, sent.value)
    assert {name for name, _ in json.loads(row["record_headers"])} == {name for name, _ in sent.headers}


async def test_p4_one_impossible_input_of_a_batch_is_parked_alone(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    """A constraint says no to the writing statement of the whole batch."""
    keys = [uuid7() for _ in range(30)]
    batch = [record(key, 1) for key in keys]
    batch[14] = record(keys[14], 666)
    await put(kafka, topic, batch)
    async with Reader(pool, kafka, unique, topic).at_work():
        await until(lambda: _counted(pool, [k for k in keys if k != keys[14]]))
        await until(lambda: _parked_count(pool, 1))
    assert await parked(pool) == {str(keys[14]): ("failed", "constraint")}


async def test_p4_later_events_of_a_parked_key_follow_in_order_after_the_operator(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    a, b = uuid7(), uuid7()
    await put(kafka, topic, [record(a, 1), record(a, 2, reason="inpatient"), record(a, 3), record(b, 1), record(a, 4)])
    async with Reader(pool, kafka, unique, topic).at_work() as reader:
        await until(lambda: _parked_count(pool, 3))
        await until(lambda: _counted(pool, [b]))
        assert (await histories(pool))[a] == [1]
        first = await pool.fetchval("SELECT id FROM parked ORDER BY ordinal LIMIT 1")
        async with pool.acquire() as connection:
            await reader.processor.parking.resolve(connection, first, discard=True, by="an operator")
        await until(lambda: _history_is(pool, a, [1, 3, 4]))
        await put(kafka, topic, [record(a, 5)])
        await until(lambda: _history_is(pool, a, [1, 3, 4, 5]))
    assert {s for s, _ in [tuple(r) for r in await pool.fetch("SELECT state, id FROM parked")]} == {"done", "discarded"}


async def _history_is(pool: database.Pool, key: UUID, wanted: list[int]) -> bool:
    return (await histories(pool)).get(key) == wanted


# --- two at once ------------------------------------------------------------------------------------------------------


async def test_p5_partitions_change_hands_without_loss_and_nothing_comes_twice(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    """A second instance comes, the first one goes; both in order, under load."""
    keys = [uuid7() for _ in range(9)]
    one, two = (Reader(pool, kafka, unique, topic) for _ in range(2))
    halt = asyncio.Event()
    sent: list[int] = []

    async def load() -> None:
        while not halt.is_set():
            sent.append(AGES[0] + len(sent))
            await put(kafka, topic, [record(key, sent[-1]) for key in keys])

    loading = asyncio.create_task(load())
    async with two_readers(one, two, halt):
        await loading
        await until(lambda: _all_have(pool, keys, len(sent)), 30)

    assert await histories(pool) == dict.fromkeys(keys, sent)
    handled = one.handled + two.handled
    assert len(handled) == len(set(handled)) == len(keys) * len(sent)
    assert one.handled
    assert two.handled


class two_readers:  # noqa: N801 - reads as a part of the sentence
    """The first reads, the second joins, the first leaves while both have work; then the load ends."""

    def __init__(self, one: Reader, two: Reader, halt: asyncio.Event) -> None:
        self.one, self.two, self.halt = one, two, halt

    async def __aenter__(self) -> None:
        first = self.one.at_work()
        await first.__aenter__()
        await until(lambda: len(self.one.handled) > 20)
        self._second = self.two.at_work()
        await self._second.__aenter__()
        await until(lambda: len(self.two.handled) > 20, 30)
        assert 0 < self.one.subscription.assigned < 3
        await first.__aexit__(None, None, None)
        at = len(self.two.handled)
        await until(lambda: self.two.subscription.assigned == 3 and len(self.two.handled) > at + 20, 30)
        self.halt.set()

    async def __aexit__(self, *_: object) -> None:
        await self._second.__aexit__(None, None, None)


async def test_p5_offsets_are_committed_only_for_what_is_done(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    """Another process that takes over in the middle of a batch must get it again."""
    let_go, began = asyncio.Event(), asyncio.Event()

    async def slow(_: Sequence[Record]) -> None:
        began.set()
        await let_go.wait()

    reader = Reader(pool, kafka, unique, topic)
    reader.before = slow
    await put(kafka, topic, [record(uuid7(), n) for n in (2, 3, 4)])
    async with reader.at_work():
        await began.wait()
        await asyncio.sleep(5 * stream.COMMIT_SECONDS)
        assert await asyncio.to_thread(committed, kafka, unique, topic) == 0
        let_go.set()
        await until(lambda: asyncio.to_thread(lambda: committed(kafka, unique, topic) == 3))


def committed(kafka: str, group: str, topic: str) -> int:
    """Sum of the offsets that the broker keeps for a group."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    try:
        places = consumer.committed([TopicPartition(topic, n) for n in range(PARTITIONS)], 10)
        return sum(max(0, p.offset) for p in places)
    finally:
        consumer.close()


async def test_p5_a_batch_that_fails_comes_again_and_does_not_spin(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    key = uuid7()
    tries: list[float] = []

    async def fails_twice(_: Sequence[Record]) -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise RuntimeError("not today")

    reader = Reader(pool, kafka, unique, topic)
    reader.before = fails_twice
    await put(kafka, topic, [record(key, n) for n in (1, 2, 3)])
    async with reader.at_work():
        await until(lambda: _history_is(pool, key, [1, 2, 3]))
    assert all(later - earlier > 0.5 for earlier, later in pairwise(tries))


# --- P10: health tells the truth --------------------------------------------------------------------------------------


async def test_p10_a_consumer_whose_group_is_lost_ends_the_process(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    reader = Reader(pool, kafka, unique, topic)
    await reader.subscription.start()
    running = asyncio.create_task(reader.subscription.run())
    await until(lambda: reader.subscription.in_group)
    reader.subscription._subscriber.consumer._coordinator._coordination_task.cancel()  # type: ignore[union-attr]
    with pytest.raises(ConsumerDead):
        await asyncio.wait_for(running, 5)
    await reader.subscription.stop()


async def test_p10_a_consumer_that_no_longer_looks_at_its_cluster_ends_the_process(
    pool: database.Pool, kafka: str, topic: str, unique: str
) -> None:
    reader = Reader(pool, kafka, unique, topic)
    await reader.subscription.start()
    running = asyncio.create_task(reader.subscription.run())
    await until(lambda: reader.subscription.in_group)
    reader.subscription._subscriber.consumer._client._sync_task.cancel()  # type: ignore[union-attr]
    with pytest.raises(ConsumerDead):
        await asyncio.wait_for(running, 5)
    await reader.subscription.stop()


async def test_p10_a_consumer_that_stays_outside_its_group_ends_the_process(
    pool: database.Pool, kafka: str, topic: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "OUTSIDE_SECONDS", 0.5)
    reader = Reader(pool, kafka, unique, topic)
    await reader.subscription.start()
    running = asyncio.create_task(reader.subscription.run())
    await until(lambda: reader.subscription.in_group)
    coordinator: Any = reader.subscription._subscriber.consumer._coordinator  # type: ignore[union-attr]

    async def never_finds_it() -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(coordinator, "ensure_coordinator_known", never_finds_it)
    coordinator.coordinator_id = None
    with pytest.raises(ConsumerDead):
        await asyncio.wait_for(running, 8)
    await reader.subscription.stop()


def test_p10_a_closed_line_is_a_lost_line_also_under_uvloop(kafka: str, topic: str) -> None:
    """aiokafka waits for OSError there: else the task that looks at the cluster ends (chassis/client_mends.py)."""

    async def sent_on_a_closed_line() -> bool:
        client = AIOKafkaClient(bootstrap_servers=kafka)
        await client.bootstrap()
        try:
            node = client.get_random_node()
            assert await client.ready(node)
            line = await client._get_conn(node)
            reader, writer = line._reader, line._writer
            writer.transport.abort()
            await asyncio.sleep(0.05)
            line._reader, line._writer = reader, writer  # as in the moment before the client has heard of it
            with pytest.raises(KafkaConnectionError):
                await line.send(MetadataRequest([topic]))
            return bool(await asyncio.wait_for(client.force_metadata_update(), 5))
        finally:
            await client.close()

    assert uvloop.run(sent_on_a_closed_line())


async def test_p10_a_consumer_that_only_fails_ends_the_process(
    pool: database.Pool, kafka: str, topic: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "FAILING_SECONDS", 0.1)
    subscription = Reader(pool, kafka, unique, topic).subscription
    subscription.errors_since = time.monotonic() - 1
    with pytest.raises(ConsumerDead):
        await asyncio.wait_for(subscription.run(), 5)


async def test_p10_a_poll_that_breaks_in_an_unknown_way_ends_the_process_and_commits_nothing_more(
    pool: database.Pool, kafka: str, topic: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that poll had in hand would be skipped by a later commit."""
    reader = Reader(pool, kafka, unique, topic)
    await reader.subscription.start()
    running = asyncio.create_task(reader.subscription.run())
    await until(lambda: reader.subscription.in_group)

    def breaks(*_: Any) -> None:
        raise ValueError("unheard of")

    consumer: Any = reader.subscription._subscriber.consumer
    monkeypatch.setattr(consumer._fetcher, "fetched_records", breaks)
    await put(kafka, topic, [record(uuid7(), 1)])
    with pytest.raises(ConsumerDead):
        await asyncio.wait_for(running, 5)
    await reader.subscription.stop()
    assert reader.subscription._committed == {}


async def test_p10_a_service_does_not_start_without_its_topics(
    kafka: str, postgres: str, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscriber to a missing topic would wait in silence."""
    (tmp_path / "0001_begin.sql").write_text(toy.TABLES)
    made = Service(unique, (toy.HEAR,), ServiceSettings, lambda _: APIRouter(), tmp_path, {})
    monkeypatch.setattr("chassis.running.START_SECONDS", 1.0)
    async with databases.created(postgres) as dsn:
        await migrations.migrate(dsn, migration_sets(made), grant_to=migrations.role_of(dsn))
        running = Running(made, settings_for(dsn, kafka, tmp_path))
        with pytest.raises(MissingTopics, match=f"attune.{unique}"):
            await running.start()
        assert f"attune.{unique}" in await broker_at(kafka).missing_topics([f"attune.{unique}"])
        running.pool.terminate()


def settings_for(dsn: str, kafka: str, directory: Path) -> ServiceSettings:
    (directory / "jwks.json").write_text('{"keys": []}')
    return ServiceSettings(
        http_port=1,
        database_url=dsn,
        kafka_bootstrap=(kafka,),
        oidc_issuer="https://issuer.invalid",
        oidc_audience="attune",
        oidc_algorithms=("ES256",),
        oidc_jwks=str(directory / "jwks.json"),
    )
