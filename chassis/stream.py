"""Kafka: the one subscriber shape that loses nothing. The only module that lets FastStream work.

Why each setting is as it is: docs/decisions/0003-kafka-client.md. FastStream's own parser, acknowledgement and waiting
are replaced, because each of them can lose a message or delay it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.helpers import create_ssl_context
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from chassis import failpoints, pace
from chassis.broker import Broker, to_record
from chassis.parked import Record
from chassis.watchdog import ConsumerDead, Watchdog

log = structlog.get_logger(__name__)

MAX_RECORDS = 250
FETCH_BYTES = 1 << 20
"""As large as the largest record may be, which is some thousand events."""
HAND_OVER_SECONDS = 15.0
COMMIT_SECONDS = 0.1
ANSWERED_SECONDS = 5.0
METADATA_MS = 5_000

_SUBSCRIBER: Mapping[str, Any] = {
    "batch": True,
    "max_records": MAX_RECORDS,
    "no_reply": True,
    "auto_offset_reset": "earliest",
    "ack_policy": AckPolicy.NACK_ON_ERROR,
    "batch_timeout_ms": 10,
    "fetch_max_wait_ms": 50,
    "session_timeout_ms": 6000,
    "heartbeat_interval_ms": 1000,
    "rebalance_timeout_ms": 30_000,
    # What was fetched and not yet handled is held in memory.
    "fetch_max_bytes": FETCH_BYTES,
    "max_partition_fetch_bytes": FETCH_BYTES,
}
_UNDECODABLE = (CorruptRecordException, UnsupportedCodecError)

Place = tuple[str, int]
"""A topic and the number of one of its partitions."""
Handle = Callable[[Sequence[Record], Callable[[], bool]], Awaitable[None]]


class _Message(KafkaAckableMessage):
    """A batch whose offsets are noted when it is done and committed soon after, not one by one while others wait."""

    done: Callable[[Sequence[ConsumerRecord]], None]

    async def ack(self) -> None:
        if not self.committed:
            self.done(self.raw_message)
            self.committed = True  # type: ignore[assignment]


class Subscription:
    """All topics that a service reads, in one consumer group, batch after batch in order."""

    def __init__(self, broker: Broker, *, group: str, topics: Sequence[str], handle: Handle, client_id: str) -> None:
        self.topics, self.group, self._handle = tuple(topics), group, handle
        self._done: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._wanted_back = False
        self._stopping = False
        self._lag = dict.fromkeys(self.topics, 0.0)
        self._in_hand_since: float | None = None
        self._again: dict[TopicPartition, int] = {}
        self._gone_back: set[TopicPartition] = set()
        self._broken: str | None = None
        self._watchdog = Watchdog()
        self.last_poll = time.monotonic()
        self.errors_since: float | None = None
        self.faststream = KafkaBroker(
            list(broker.bootstrap),
            security=_security(broker),
            apply_types=False,
            allow_auto_create_topics=False,
            logger=None,
            client_id=client_id,
            # A topic that was lost and made again is found by looking: until then it has no partitions to read.
            metadata_max_age_ms=METADATA_MS,
            graceful_timeout=HAND_OVER_SECONDS,
        )
        self._subscriber = self.faststream.subscriber(
            *self.topics, group_id=group, listener=_HandOver(self), parser=self._parse, decoder=_raw, **_SUBSCRIBER
        )
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Joins the group. Raises KafkaError when the broker refuses."""
        await self.faststream.start()
        self._wait_for_records()

    async def stop(self) -> None:
        """Lets the batch in hand finish, commits, leaves the group."""
        self._stopping = True
        await self._finish_batch()
        await asyncio.wait_for(self.faststream.stop(), HAND_OVER_SECONDS)

    async def run(self) -> None:
        """Commits what is done, and raises when the consumer is alive but dead: the process must then exit."""
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            await self._commit()
            self._check_alive()

    @property
    def assigned(self) -> int:
        """Partitions that this process reads now."""
        consumer = self._subscriber.consumer
        return len(consumer.assignment()) if consumer is not None else 0

    @property
    def in_group(self) -> bool:
        """Whether this process is a member of its group that heartbeats; a member may have no partition."""
        consumer = self._subscriber.consumer
        coordinator = getattr(consumer, "_coordinator", None)
        return coordinator is not None and coordinator.generation > 0 and coordinator.coordinator_id is not None

    def lag(self) -> dict[str, float]:
        """By topic, how old the oldest record of the last fetch is; it gets older for as long as it is in hand."""
        held = time.monotonic() - self._in_hand_since if self._in_hand_since is not None else 0.0
        return {topic: age + held for topic, age in self._lag.items()}

    @property
    def silent_seconds(self) -> float:
        """How long the broker has answered no fetch; an idle one answers twenty times a second."""
        consumer: Any = self._subscriber.consumer
        if consumer is None or not consumer.assignment():
            return 0.0
        answered = [ms for tp in consumer.assignment() if (ms := consumer.last_poll_timestamp(tp)) is not None]
        return max(0.0, time.time() - max(answered) / 1000) if answered else 0.0

    # --- reading again ------------------------------------------------------------------------------------------------

    def read_again(self, places: Mapping[Place, int]) -> None:
        """All that is to be read again, with the offset to go back to: between two batches, or when it is assigned."""
        wanted = {TopicPartition(*place): offset for place, offset in places.items()}
        self._gone_back &= wanted.keys()
        self._again = {tp: offset for tp, offset in wanted.items() if tp not in self._gone_back}

    def read_again_up_to(self, place: Place) -> int | None:
        """Up to where a place that this process went back in is handled and committed; None until it has gone back."""
        tp = TopicPartition(*place)
        return self._committed.get(tp) if tp in self._gone_back else None

    def _go_back(self, given: AbstractSet[TopicPartition]) -> None:
        """Only where no batch is in hand: what it would note as done lies ahead of where we go."""
        consumer: Any = self._subscriber.consumer
        for tp in given & self._again.keys():
            self._done[tp] = self._again.pop(tp)
            self._committed.pop(tp, None)
            consumer.seek(tp, self._done[tp])
            self._gone_back.add(tp)

    # --- FastStream's hooks ---------------------------------------------------------------------------------------

    async def _parse(self, records: Any, _default: Any) -> _Message:
        message = _Message(body=b"", raw_message=records, consumer=self._subscriber.consumer)
        message.done = self._note_done
        return message

    async def _on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        try:
            await self._handle([to_record(r) for r in records], lambda: self._wanted_back or self._stopping)
        except Exception as error:
            # The batch comes again at once after this: the pause is all that stands between a bug and a busy loop.
            log.warning("batch_not_handled", error=type(error).__name__, count=len(records))
            await asyncio.sleep(0.05 if self._wanted_back or self._stopping else 1.0)
            raise

    def _wait_for_records(self) -> None:
        """Lets each poll wait until there are records, instead of FastStream's sleep after every empty one."""
        consumer: Any = self._subscriber.consumer
        poll = consumer.getmany
        polled = 0

        async def wait_for_records(*_: Any, max_records: int | None = None, **__: Any) -> Any:
            nonlocal polled
            await pace.breathe_after(polled)
            while True:
                self.last_poll = time.monotonic()
                self._in_hand_since = None
                if self._again:
                    self._go_back(consumer.assignment())
                try:
                    records = await poll(timeout_ms=1000, max_records=max_records)
                except ConsumerStoppedError:
                    raise
                except Exception as error:
                    self.errors_since = self.errors_since or time.monotonic()
                    if not isinstance(error, KafkaError) or isinstance(error, _UNDECODABLE):
                        # What the poll had in hand of other partitions is gone: only a new start has it again.
                        self._broken = type(error).__name__
                        await asyncio.sleep(1)
                    raise
                self.errors_since = None
                polled = sum(map(len, records.values()))
                if records:
                    oldest: dict[str, int] = {}
                    for tp, found in records.items():
                        oldest[tp.topic] = min(found[0].timestamp, oldest.get(tp.topic, found[0].timestamp))
                    self._lag |= {topic: max(0.0, time.time() - since / 1000) for topic, since in oldest.items()}
                    self._in_hand_since = time.monotonic()
                    return records
                self._lag = dict.fromkeys(self.topics, 0.0)

        consumer.getmany = wait_for_records

    def _note_done(self, records: Sequence[ConsumerRecord]) -> None:
        for r in records:
            self._done[TopicPartition(r.topic, r.partition)] = r.offset + 1

    async def _commit(self) -> None:
        consumer = self._subscriber.consumer
        if consumer is None or self._broken:
            return
        mine = consumer.assignment()
        offsets = {tp: o for tp, o in self._done.items() if self._committed.get(tp) != o and tp in mine}
        if not offsets:
            return
        try:
            failpoints.reached("acknowledge.before")
            await asyncio.wait_for(consumer.commit(offsets), 5)
            failpoints.reached("acknowledge.after")
        except (TimeoutError, KafkaError) as error:
            log.warning("offset_commit_failed", error=type(error).__name__)  # costs a repetition, which the inbox knows
        else:
            self._committed |= offsets

    async def _finish_batch(self) -> None:
        lock: Any = self._subscriber.lock
        await lock.wait_release(HAND_OVER_SECONDS)
        await self._commit()

    def _check_alive(self) -> None:
        if self._stopping:
            return  # the coordination ends because it was told to
        if self._broken:
            raise ConsumerDead(self._broken)
        self._watchdog.look(
            self._subscriber.consumer,
            failing_since=self.errors_since,
            outside=self.assigned > 0 and not self.in_group,
            answered=self.silent_seconds < ANSWERED_SECONDS,
        )


class _HandOver(ConsumerRebalanceListener):  # type: ignore[misc]
    """Partitions are given up only after the batch in hand is done and its offsets are committed."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        s = self._subscription
        s._wanted_back = True  # noqa: SLF001
        await s._finish_batch()  # noqa: SLF001
        for tp in revoked:
            s._done.pop(tp, None)  # noqa: SLF001
            s._committed.pop(tp, None)  # noqa: SLF001
            s._gone_back.discard(tp)  # noqa: SLF001

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._subscription._wanted_back = False  # noqa: SLF001
        self._subscription._go_back(assigned)  # noqa: SLF001
        log.info("partitions_assigned", count=len(assigned), group=self._subscription.group)


async def _raw(message: KafkaAckableMessage) -> Any:
    return message.raw_message


def _security(broker: Broker) -> BaseSecurity | None:
    """How FastStream is to reach the broker."""
    tls = "SSL" in broker.security_protocol
    context = create_ssl_context() if tls else None
    if not broker.sasl_mechanism:
        return BaseSecurity(ssl_context=context, use_ssl=True) if tls else None
    kind = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}[broker.sasl_mechanism]
    return kind(username=broker.username or "", password=broker.password or "", ssl_context=context, use_ssl=tls)
