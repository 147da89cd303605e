"""The toy service on a real broker: one reading process's worth at a time, records put in by hand, topics read back."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from aiokafka.record._crc32c import crc
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from chassis import database
from chassis.arrivals import Input
from chassis.broker import Broker
from chassis.parked import Record, headers_of
from chassis.processor import Processor
from chassis.reading import read_record
from chassis.stream import Subscription
from tests.chassis.toy import HEAR

PARTITIONS = 3
_WANTED = {HEAR.event.type: HEAR}


async def until(true: Callable[[], Any | Awaitable[Any]], within: float = 60) -> None:
    """Waits until it is true; what is asked may be a coroutine. How soon is not asserted: machines may be busy."""
    async with asyncio.timeout(within):
        while True:
            answer = true()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.02)


def broker_at(bootstrap: str) -> Broker:
    return Broker((bootstrap,))


async def make_topic(bootstrap: str, name: str, partitions: int = PARTITIONS) -> str:
    """A topic of the test's own, known to every client that asks now."""
    await broker_at(bootstrap).create_topic(name, partitions=partitions, replication=1)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    await until(
        lambda: all(p.leader >= 0 for p in _partitions(admin, name)) and len(_partitions(admin, name)) == partitions
    )
    return name


async def lose_topic(bootstrap: str, name: str) -> None:
    """As after the loss of a broker's disk."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    await asyncio.to_thread(admin.delete_topics([name])[name].result, 20)
    await until(lambda: name not in admin.list_topics(timeout=5).topics)


def _partitions(admin: AdminClient, topic: str) -> list[Any]:
    return list(admin.list_topics(topic, 5).topics[topic].partitions.values())


async def put(bootstrap: str, topic: str, records: Iterable[Record]) -> None:
    """Publishes records as they are, those of one key in order."""
    producer = broker_at(bootstrap).producer()
    await producer.start()
    try:
        sent = [await producer.send(topic, value=r.value, key=r.key, headers=list(r.headers)) for r in records]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def put_with_unreadable_header_name(bootstrap: str, topic: str, r: Record) -> None:
    """A record that a broker takes and that no client library would make: a header's name is not UTF-8."""
    producer = broker_at(bootstrap).producer()
    await producer.start()
    try:
        batch = producer.create_batch()
        batch.append(key=r.key, value=r.value, timestamp=None, headers=[*r.headers, ("@@@@", b"x")])
        raw = bytearray(batch._build())
        raw[:] = raw.replace(b"@@@@", b"\xff\xfe\xff\xfe")
        raw[17:21] = struct.pack(">I", crc(bytes(raw[21:])))
        batch._buffer = raw
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


async def everything_in(bootstrap: str, topic: str) -> list[Record]:
    """All records of a topic as they stand now, each partition in order; read by another client than ours."""
    return await asyncio.to_thread(_read_all, bootstrap, topic)


def _read_all(bootstrap: str, topic: str) -> list[Record]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "nobody", "enable.auto.commit": False})
    try:
        ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), 10)[1] for n in range(PARTITIONS)}
        left = {n for n, end in ends.items() if end}
        consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in left])
        found: list[Record] = []
        while left:
            for m in consumer.consume(500, 0.1):
                assert m.error() is None, m.error()
                found.append(Record(topic, m.partition(), m.offset(), m.key(), m.value(), tuple(m.headers() or ()), 0))
                if m.offset() >= ends[m.partition()] - 1:
                    left.discard(m.partition())
        return found
    finally:
        consumer.close()


class Reader:
    """One process that reads: its own connections, processor, subscription and way back from parking."""

    def __init__(self, pool: database.Pool, bootstrap: str, group: str, *topics: str) -> None:
        self.pool = pool
        self.processor = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
        self.handled: list[tuple[str, int, int]] = []
        """Topic, partition and offset of every record whose batch ended here."""
        self.subscription = Subscription(
            broker_at(bootstrap), group=group, topics=topics, handle=self._handle, client_id="toy"
        )
        self.before: Callable[[Sequence[Record]], Awaitable[None]] | None = None

    async def _handle(self, records: Sequence[Record], give_up: Callable[[], bool]) -> None:
        if self.before is not None:
            await self.before(records)
        inputs = [i for r in records if (i := read_record(r, _WANTED)) is not None]
        if inputs:
            await self.processor.process(inputs, give_up=give_up)
        self.handled += [(r.topic, r.partition, r.offset) for r in records]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Self]:
        """Reads until the end of the block, then stops in order."""
        await self.subscription.start()
        tasks = [
            asyncio.create_task(self.subscription.run()),
            asyncio.create_task(self.processor.parking.run(self.processor, self.pool, read_parked)),
        ]
        try:
            yield self
        finally:
            await self.subscription.stop()
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)


def read_parked(row: Mapping[str, Any]) -> Input | None:
    """The input that a parked record is when it is tried again."""
    record = Record(
        row["topic"], row["partition"], row["offset"], row["record_key"], row["record_value"], headers_of(row), 0
    )
    i = read_record(record, _WANTED)
    if i is not None:
        i.parked_id, i.key = row["id"], row["key"]
    return i


async def totals(pool: database.Pool) -> dict[UUID, int]:
    """Total of every counter."""
    return {r[0]: r[1] for r in await pool.fetch("SELECT counter_id, total FROM counters")}
