"""The ways in and out of a step: grouped commands, a Kafka consumer, and the relay from the outbox."""

import asyncio
import contextlib
import json
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.floor.batch import LARGEST, Batch, Input

POLL_SECONDS = 0.025
_NEXT = f"SELECT position, key, headers, data FROM outbox ORDER BY position LIMIT {LARGEST}"  # noqa: S608 - a constant
_FORGET = "DELETE FROM outbox WHERE position = ANY($1::bigint[])"


class Commands:
    """Group commit: whatever waits when a writer is free is its next batch."""

    def __init__(self, batch: Batch, work: asyncio.Event) -> None:
        self.batch, self.work = batch, work
        self.queue: asyncio.Queue[tuple[Input, asyncio.Future[None]]] = asyncio.Queue()

    async def submit(self, i: Input) -> None:
        durable = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((i, durable))
        await durable

    async def write(self, connection: asyncpg.Connection) -> None:
        while True:
            waiting = [await self.queue.get()]
            while len(waiting) < LARGEST and not self.queue.empty():
                waiting.append(self.queue.get_nowait())
            await self.batch.handle(connection, [i for i, _ in waiting])
            self.work.set()
            for _, durable in waiting:
                durable.set_result(None)


async def relay(connection: asyncpg.Connection, bootstrap: str, topic: str, work: asyncio.Event) -> None:
    """Sends what the outbox holds, as record batches, then forgets it; a forgotten delete is only a repetition."""
    await connection.execute("SET synchronous_commit = off")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=512 * 1024)
    await producer.start()
    following, forget = await connection.prepare(_NEXT), await connection.prepare(_FORGET)
    while True:
        work.clear()
        rows = await following.fetch()
        if not rows:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(work.wait(), POLL_SECONDS)
            continue
        await _send(producer, topic, rows)
        await forget.fetch([row[0] for row in rows])


async def _send(producer: AIOKafkaProducer, topic: str, rows: list[Any]) -> None:
    under_way = []
    batch = producer.create_batch()
    for _, key, headers, data in rows:
        record = {
            "key": key.bytes, "value": data, "timestamp": None,
            "headers": [(name, value.encode()) for name, value in json.loads(headers).items()],
        }  # fmt: skip
        if batch.append(**record) is None:
            under_way.append(await producer.send_batch(batch, topic, partition=0))
            batch = producer.create_batch()
            batch.append(**record)
    under_way.append(await producer.send_batch(batch, topic, partition=0))
    await asyncio.gather(*under_way)


async def consumer(bootstrap: str, topic: str, group: str) -> AIOKafkaConsumer:
    made = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )  # fmt: skip
    await made.start()
    while not made.assignment():  # noqa: ASYNC110 - once, at start
        await asyncio.sleep(0.02)
    return made


async def consume(reader: AIOKafkaConsumer, batch: Batch, connection: asyncpg.Connection, work: asyncio.Event) -> None:
    """Batches from Kafka; offsets are committed after the transaction, in the background."""
    done: dict[TopicPartition, int] = {}
    committing = asyncio.create_task(_commit(reader, done))
    validate = batch.step.takes.__pydantic_validator__.validate_json
    while not committing.done():
        records = await reader.getmany(timeout_ms=1000, max_records=LARGEST)
        inputs = []
        for found in records.values():
            for record in found:
                headers = dict(record.headers)
                id_ = UUID(headers["ce_id"].decode())
                inputs.append(Input(id_, validate(record.value), headers["ce_correlationid"].decode()))
        if inputs:
            await batch.handle(connection, inputs)
            work.set()
        for partition, found in records.items():
            done[partition] = found[-1].offset + 1
    await committing


async def _commit(reader: AIOKafkaConsumer, done: dict[TopicPartition, int]) -> None:
    committed: dict[TopicPartition, int] = {}
    while True:
        await asyncio.sleep(0.1)
        if done != committed:
            committed = dict(done)
            await reader.commit(committed)
