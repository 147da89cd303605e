"""From the outbox to Kafka: at least once, in order per key, one relay at a time (P1, P3, P5).

Reads by presence, never by a cursor; deletes what the broker has acknowledged. With two relays at once, or one that was
paused, records repeat but none is lost; readers know them by id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import cache, partial
from typing import Any
from zlib import crc32

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from attune_contracts.catalogue import dataschema, source
from attune_contracts.envelope import Envelope, to_kafka
from chassis import database, failpoints, pace, telemetry, waiting
from chassis.broker import Broker
from chassis.database import Connection
from chassis.refill import Refilling

log = structlog.get_logger(__name__)

CHUNK = 500
POLL_SECONDS = 0.25
SEND_SECONDS = 15.0
SILENT_SECONDS = 30
"""After so long without a word the server ends the session: the relay may have lost its machine, and holds the lock.

It may have lost it between two words of one statement: then the session counts as active, and only
`transaction_timeout` ends it.
"""
_LOCK = 7_201_001
_SENT = "DELETE FROM outbox WHERE position = ANY($1::bigint[])"
_NEXT = """WITH sent AS (DELETE FROM outbox WHERE position = ANY($2::bigint[]))
SELECT position, event_id, type, key, recorded_at, correlation_id, causation_id, sequence, traceparent, data
FROM outbox WHERE position <> ALL($2::bigint[]) ORDER BY position LIMIT $1"""
"""Forgets what was sent and reads what is next, in one round trip. A statement still sees what it deletes."""
FEW = 16
"""Sent rows that are forgotten in the same statement; each is compared with every row that is read."""


class RefillFirst(Exception):
    """A refill was asked for while new events were on their way; they come after it."""


class Relay:
    """Publishes what a service has recorded. `wake()` after a commit; without it the poll finds the rows."""

    def __init__(self, dsn: str, broker: Broker, *, service: str, topic: str) -> None:
        self.dsn, self.broker, self.service, self.topic = dsn, broker, service, topic
        self.work = asyncio.Event()
        self.failing_since: float | None = None
        self.sending_since: float | None = None
        self.holds_lock = False
        self.refilling = Refilling(dsn, service)
        self.refilling.on_ask = self._stop_publishing_new
        self._publishing_new: asyncio.Task[None] | None = None
        self._pause = 0.1

    def wake(self) -> None:
        self.work.set()

    async def run(self) -> None:
        """For as long as the service runs. Every failure is waited out; nothing leaves the outbox unacknowledged."""
        while True:
            try:
                await self._hold_lock_and_publish()
            except asyncio.CancelledError:
                raise
            except RefillFirst:
                continue
            except (*database.AWAY, asyncpg.PostgresError, KafkaError) as error:
                if self.failing_since is None:
                    self.failing_since = time.monotonic()
                    log.warning("relay_failing", service=self.service, error=type(error).__name__)
                telemetry.RETRIES.labels("relay").inc()
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, 3.0)

    async def _hold_lock_and_publish(self) -> None:
        # A forgotten delete only means a duplicate: the relay need not wait for the disk.
        session = dict.fromkeys(("idle_session_timeout", "transaction_timeout"), f"{SILENT_SECONDS}s")
        connection = await database.connect(self.dsn, name=f"{self.service}-relay", synchronous_commit="off", **session)
        producer: AIOKafkaProducer | None = None
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                self.failing_since = None
                await asyncio.sleep(0.5)
            self.holds_lock = self.refilling.asked = True
            producer = self.broker.producer()
            async with asyncio.timeout(SEND_SECONDS):
                await producer.start()
            partitions = sorted(await producer.partitions_for(self.topic))
            log.info("relay_started", service=self.service, topic=self.topic)
            await self._publish_for_ever(connection, producer, partitions)
        finally:
            self.holds_lock, self.sending_since = False, None
            await waiting.let_go(connection.close(), 2)
            if producer is not None:
                await waiting.let_go(_stop_without_sending(producer), 3)

    async def _publish_for_ever(
        self, connection: Connection, producer: AIOKafkaProducer, partitions: list[int]
    ) -> None:
        """What is in the outbox, chunk by chunk; what the broker has acknowledged is forgotten with the next look."""
        sent: list[int] = []
        while True:
            await pace.breathe_after(len(sent))
            self.work.clear()
            if self.refilling.asked:
                await self.refilling.work(connection, partial(self._publish, producer, partitions))
            if len(sent) > FEW:
                await connection.execute(_SENT, sent)
                sent = []
                failpoints.reached("forget.after")
            rows = await connection.fetch(_NEXT, CHUNK, sent)
            if sent:
                failpoints.reached("forget.after")
            sent = []
            telemetry.OUTBOX_ROWS.set(len(rows))
            if not rows:
                self._works()
                await waiting.until_set(self.work, POLL_SECONDS)
                continue
            started = time.perf_counter()
            failpoints.reached("publish.before")
            await self._publish_new(producer, partitions, rows)
            failpoints.reached("publish.after")
            sent = [r["position"] for r in rows]
            telemetry.PUBLISH_SECONDS.observe(time.perf_counter() - started)
            telemetry.PUBLISHED.inc(len(rows))

    def _works(self) -> None:
        self._pause = 0.1
        if self.failing_since is not None:
            log.info("relay_works_again", service=self.service, seconds=round(time.monotonic() - self.failing_since, 1))
            self.failing_since = None

    async def _publish_new(self, producer: AIOKafkaProducer, partitions: list[int], rows: Sequence[Any]) -> None:
        """Raises RefillFirst: what waits for a topic that was lost must not be the first in the new one."""
        self._publishing_new = asyncio.create_task(self._publish(producer, partitions, rows))
        try:
            await self._publishing_new
        except asyncio.CancelledError:
            relay = asyncio.current_task()
            if self.refilling.asked and relay is not None and not relay.cancelling():
                raise RefillFirst from None
            raise
        finally:
            self._publishing_new = None

    def _stop_publishing_new(self) -> None:
        if self._publishing_new is not None:
            self._publishing_new.cancel()

    async def _publish(self, producer: AIOKafkaProducer, partitions: list[int], rows: Sequence[Any]) -> None:
        self.sending_since = time.monotonic()
        async with asyncio.timeout(SEND_SECONDS):
            await self._send(producer, partitions, rows)
        self.sending_since = None
        self._works()

    async def _send(self, producer: AIOKafkaProducer, partitions: list[int], rows: Sequence[Any]) -> None:
        """Record batches, one at a time for each partition, so that a retry cannot change the order of a key."""
        count = len(partitions)
        by_partition: dict[int, list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = {}
        for row in rows:
            key, value, headers = to_kafka(_envelope(row), row["data"])
            by_partition.setdefault(partitions[crc32(key) % count], []).append((key, value, headers))
        await asyncio.gather(*(self._send_partition(producer, p, records) for p, records in by_partition.items()))

    async def _send_partition(
        self, producer: AIOKafkaProducer, partition: int, records: list[tuple[bytes, bytes, list[tuple[str, bytes]]]]
    ) -> None:
        batch = producer.create_batch()
        for key, value, headers in records:
            if batch.append(key=key, value=value, headers=headers, timestamp=None) is None:
                await (await producer.send_batch(batch, self.topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, headers=headers, timestamp=None)
        await (await producer.send_batch(batch, self.topic, partition=partition))


async def _stop_without_sending(producer: AIOKafkaProducer) -> None:
    """What it still holds is in the outbox, and it is not for this producer any more."""
    await producer._sender.close()  # noqa: SLF001
    await producer.stop()


def _envelope(row: Any) -> Envelope:
    _, id_, kind, key, at, correlation_id, causation_id, sequence, traceparent, _ = row
    by, schema = _names(kind)
    return Envelope(id_, kind, by, key, at, schema, correlation_id, causation_id, sequence, traceparent)


@cache
def _names(kind: str) -> tuple[str, str]:
    """Source and schema of a type of event; a service tells a handful of types."""
    return source(kind.split(".")[1]), dataschema(kind)
