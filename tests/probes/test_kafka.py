"""What we assume of Kafka and aiokafka: chassis/broker.py, stream.py, relay.py and client_mends.py rest on it."""

from __future__ import annotations

import asyncio
import gzip
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

import aiokafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner, murmur2
from confluent_kafka import Producer

from chassis.parked import Record
from tests.chassis.streaming import (
    PARTITIONS,
    broker_at,
    everything_in,
    make_topic,
    put,
    put_with_unreadable_header_name,
    until,
)


@asynccontextmanager
async def consumer(kafka: str, *topics: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(*topics, bootstrap_servers=kafka, enable_auto_commit=False, **options)
    await made.start()
    try:
        yield made
    finally:
        await asyncio.wait_for(made.stop(), 10)


def record(key: bytes, value: bytes = b"{}") -> Record:
    return Record("", 0, 0, key, value, (), 0)


async def test_the_partition_of_a_key_is_librdkafkas_crc32(kafka: str, unique: str) -> None:
    """chassis/relay.py places records by this rule, so that another client's records of a key are beside ours."""
    topic = await make_topic(kafka, unique)
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "consistent"})
    keys = [f"019cae0b-44a0-7844-b9fc-{n:012x}".encode() for n in range(40)]
    for key in keys:
        producer.produce(topic, b"x", key)
    producer.flush(10)
    placed = {r.key: r.partition for r in await everything_in(kafka, topic)}
    assert placed == {key: crc32(key) % PARTITIONS for key in keys}


def test_murmur2_is_that_of_the_java_client() -> None:
    """Known values of Kafka's own tests; who places records by aiokafka's partitioner is beside Java writers."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"": 275646681}
    for key, expected in known.items():
        assert (murmur2(key) & 0x7FFFFFFF) == (expected & 0x7FFFFFFF)
    assert DefaultPartitioner()(b"21", [0, 1, 2], [0, 1, 2]) == (-973932308 & 0x7FFFFFFF) % 3


async def test_a_new_group_begins_at_the_end_unless_it_is_told_otherwise(kafka: str, unique: str) -> None:
    """chassis/stream.py says earliest: the default skips what is there, in silence."""
    topic = await make_topic(kafka, unique)
    await put(kafka, topic, [record(b"k")])
    for reset, expected in ((None, 0), ("earliest", 1)):
        options = {"auto_offset_reset": reset} if reset else {}
        async with consumer(kafka, topic, group_id=f"{unique}-{reset}", **options) as reader:
            found = await reader.getmany(timeout_ms=1500)
            assert sum(map(len, found.values())) == expected


async def test_a_poll_gives_the_records_of_a_partition_in_order_and_no_more_than_asked(kafka: str, unique: str) -> None:
    topic = await make_topic(kafka, unique)
    await put(kafka, topic, [record(b"%d" % n) for n in range(200)])
    offsets: dict[TopicPartition, list[int]] = {}
    async with consumer(kafka, topic, group_id=unique, auto_offset_reset="earliest") as reader:
        while sum(map(len, offsets.values())) < 200:
            found = await reader.getmany(timeout_ms=1000, max_records=7)
            assert sum(map(len, found.values())) <= 7
            for tp, records in found.items():
                offsets.setdefault(tp, []).extend(r.offset for r in records)
    assert all(numbers == list(range(len(numbers))) for numbers in offsets.values())


async def test_exactly_the_offsets_named_are_committed(kafka: str, unique: str) -> None:
    """chassis/stream.py commits what is done, not what was polled."""
    topic = await make_topic(kafka, unique, 1)
    await put(kafka, topic, [record(b"k") for _ in range(5)])
    tp = TopicPartition(topic, 0)
    async with consumer(kafka, topic, group_id=unique, auto_offset_reset="earliest") as reader:
        await until(reader.assignment)
        await reader.getmany(timeout_ms=2000)
        await reader.commit({tp: 2})
        assert await reader.committed(tp) == 2
        with pytest.raises((IllegalStateError, CommitFailedError)):
            await reader.commit({TopicPartition(topic, 7): 1})
    async with consumer(kafka, topic, group_id=unique) as reader:
        found = await reader.getmany(timeout_ms=5000)
        assert [r.offset for r in found[tp]] == [2, 3, 4]


async def test_a_revoked_partition_waits_for_the_listener_who_may_still_commit(kafka: str, unique: str) -> None:
    """chassis/stream.py hands partitions over only when the batch in hand is done and committed."""
    topic = await make_topic(kafka, unique, 2)
    await put(kafka, topic, [record(b"k") for _ in range(4)])
    held = {
        "group_id": unique,
        "auto_offset_reset": "earliest",
        "session_timeout_ms": 6000,
        "heartbeat_interval_ms": 300,
    }
    told: list[str] = []

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: Any) -> None:
            if not revoked:
                return
            await asyncio.sleep(0.5)
            await first.commit(dict.fromkeys(revoked, 1))
            told.append("given up")

        async def on_partitions_assigned(self, assigned: Any) -> None:
            told.append("taken" if assigned else "nothing")

    async with consumer(kafka, **held) as first:
        first.subscribe([topic], listener=Listener())
        await until(lambda: len(first.assignment()) == 2)
        async with consumer(kafka, topic, **held) as second:
            polling = asyncio.create_task(first.getmany(timeout_ms=8000))
            await until(lambda: len(second.assignment()) == 1)
            (tp,) = second.assignment()
            assert told[:2] == ["taken", "given up"]
            assert await second.committed(tp) == 1
            polling.cancel()


async def test_who_does_not_poll_for_too_long_is_put_out_of_the_group_and_comes_back(kafka: str, unique: str) -> None:
    """A batch that waits for the database longer than this loses its partitions and gets them again when it polls."""
    topic = await make_topic(kafka, unique, 1)
    await put(kafka, topic, [record(b"k")])
    default = inspect.signature(AIOKafkaConsumer.__init__).parameters["max_poll_interval_ms"].default
    assert default == 300_000
    options = {"group_id": unique, "auto_offset_reset": "earliest", "max_poll_interval_ms": 1000}
    async with consumer(kafka, topic, **options, heartbeat_interval_ms=300) as reader:
        assert await reader.getmany(timeout_ms=5000)
        await put(kafka, topic, [record(b"k")])
        before = reader._coordinator.generation
        await asyncio.sleep(2.5)
        left = reader._coordinator.generation
        found: dict[Any, Any] = {}
        async with asyncio.timeout(20):
            while not found:
                found = await reader.getmany(timeout_ms=500)
        assert left != before or reader._coordinator.generation != before
        assert all(r.offset in (0, 1) for records in found.values() for r in records)


async def test_the_broker_refuses_sessions_under_six_seconds(kafka: str, unique: str) -> None:
    """chassis/stream.py uses the least that is allowed."""
    topic = await make_topic(kafka, unique, 1)
    reader = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=unique, session_timeout_ms=3000)
    with pytest.raises(KafkaError, match="InvalidSessionTimeout"):
        await reader.start()
    await reader.stop()


def test_the_client_knows_neither_the_new_group_protocol_nor_cooperative_rebalance() -> None:
    """When it does, handing over without a pause for everybody becomes possible."""
    assert "group_protocol" not in inspect.signature(AIOKafkaConsumer.__init__).parameters
    from aiokafka.coordinator import assignors

    assert not hasattr(assignors, "cooperative")


async def test_the_parts_of_the_consumer_that_we_look_into_are_there(kafka: str, unique: str) -> None:
    """chassis/stream.py: health looks at names that aiokafka does not document."""
    topic = await make_topic(kafka, unique, 1)
    async with consumer(kafka, topic, group_id=unique) as reader:
        await until(reader.assignment)
        coordinator = reader._coordinator
        assert coordinator.generation > 0
        assert coordinator.coordinator_id is not None
        assert not coordinator._coordination_task.done()
        async with asyncio.timeout(10):
            while reader.last_poll_timestamp(TopicPartition(topic, 0)) is None:
                await reader.getmany(timeout_ms=100)


async def test_a_missing_topic_raises_nothing(kafka: str, unique: str) -> None:
    """chassis/service.py asks for the topics before it starts."""
    async with consumer(kafka, group_id=unique) as reader:
        reader.subscribe([f"{unique}-none"])
        assert await reader.getmany(timeout_ms=1000) == {}


async def test_a_header_name_that_is_no_text_breaks_the_clients_own_decoder(kafka: str, unique: str) -> None:
    """chassis/client_mends.py reads such a batch patiently. When this fails it may go."""
    from aiokafka.consumer import fetcher
    from aiokafka.record.memory_records import MemoryRecords

    topic = await make_topic(kafka, unique, 1)
    await put_with_unreadable_header_name(kafka, topic, record(b"k"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetcher, "MemoryRecords", MemoryRecords)
        async with consumer(kafka, topic, group_id=unique, auto_offset_reset="earliest") as reader:
            with pytest.raises(UnicodeDecodeError):
                await reader.getmany(timeout_ms=5000)


async def test_what_is_sent_compressed_to_our_topics_is_stored_plain(kafka: str, unique: str) -> None:
    """The client has no decoder for most kinds of compression: `compression.type` of the topic takes it off."""
    topic = await make_topic(kafka, unique, 1)
    kinds = ("gzip", "snappy", "lz4", "zstd")
    for kind in kinds:
        producer = Producer({"bootstrap.servers": kafka, "compression.type": kind})
        producer.produce(topic, kind.encode() * 2000, b"k")
        producer.flush(10)
    async with consumer(kafka, topic, group_id=unique, auto_offset_reset="earliest") as reader:
        found: list[Any] = []
        async with asyncio.timeout(10):
            while len(found) < len(kinds):
                for records in (await reader.getmany(timeout_ms=1000)).values():
                    found += records
    assert [r.value[: len(kind)] for r, kind in zip(found, kinds, strict=True)] == [kind.encode() for kind in kinds]
    assert len(gzip.compress(found[0].value)) < len(found[0].value)


async def test_a_record_over_a_megabyte_is_refused_at_once(kafka: str, unique: str) -> None:
    """A message over 256 KiB is refused when it is written; the broker's own limit is the second fence."""
    topic = await make_topic(kafka, unique, 1)
    producer = broker_at(kafka).producer()
    await producer.start()
    try:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(topic, b"x" * 1_100_000)
    finally:
        await producer.stop()


async def test_batches_sent_one_after_the_other_keep_their_order_without_idempotence(kafka: str, unique: str) -> None:
    """chassis/relay.py: one record batch per partition under way, each awaited."""
    topic = await make_topic(kafka, unique, 1)
    producer = broker_at(kafka).producer()
    await producer.start()
    try:
        for start in range(0, 300, 30):
            batch = producer.create_batch()
            for n in range(start, start + 30):
                batch.append(key=b"k", value=b"%d" % n, timestamp=None)
            sent = await (await producer.send_batch(batch, topic, partition=0))
            assert sent.offset == start
    finally:
        await producer.stop()


async def test_a_send_without_idempotence_ends_when_nobody_answers_and_stop_does_too(unused_tcp_port: int) -> None:
    """chassis/relay.py: with idempotence a send never times out and `stop` hangs while the broker is away."""
    assert inspect.signature(AIOKafkaProducer.__init__).parameters["enable_idempotence"].default is False
    producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{unused_tcp_port}", request_timeout_ms=500)
    async with asyncio.timeout(5):
        with pytest.raises(KafkaConnectionError):
            await producer.start()
        await producer.stop()


async def test_a_group_that_never_committed_has_no_offsets(kafka: str, unique: str) -> None:
    """chassis/stream.py counts all records of such a group as not yet read."""
    await make_topic(kafka, unique, 1)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        assert await admin.list_consumer_group_offsets(f"{unique}-never") == {}
        assert unique in await admin.list_topics()
    finally:
        await admin.close()


def test_the_version_is_the_one_that_was_looked_at() -> None:
    assert aiokafka.__version__ == "0.14.0"
