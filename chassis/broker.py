"""Kafka as the rest of the chassis knows it: how to reach it, producers, topics, and looking at what topics hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context

from chassis import client_mends
from chassis.parked import Record
from chassis.settings import TOPIC_KEEP_DAYS

client_mends.apply()


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach Kafka."""

    bootstrap: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def client(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap),
            "security_protocol": self.security_protocol,
        }
        if "SSL" in self.security_protocol:
            options["ssl_context"] = create_ssl_context()
        if self.sasl_mechanism:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def producer(self) -> AIOKafkaProducer:
        """Not idempotent on purpose: an idempotent one that outlives an emptied broker loses acknowledged records."""
        return AIOKafkaProducer(
            **self.client,
            acks="all",
            enable_idempotence=False,
            linger_ms=0,
            max_batch_size=512 * 1024,
            max_request_size=2 * 1024 * 1024,
            request_timeout_ms=10_000,
        )

    async def missing_topics(self, topics: Sequence[str]) -> list[str]:
        """Those of `topics` that the broker does not have; a subscriber to a missing topic would wait in silence."""
        admin = AIOKafkaAdminClient(**self.client, request_timeout_ms=5_000)
        await admin.start()
        try:
            return sorted(set(topics) - set(await admin.list_topics()))
        finally:
            await admin.close()

    async def create_topic(
        self, topic: str, *, partitions: int, replication: int, keep_days: int = TOPIC_KEEP_DAYS
    ) -> bool:
        """Makes a topic unless it is there. True when it was made."""
        admin = AIOKafkaAdminClient(**self.client, request_timeout_ms=15_000)
        await admin.start()
        try:
            # Uncompressed, however a stranger sends: our client has no decoder for most kinds of compression.
            configs = {
                "min.insync.replicas": str(max(1, replication - 1)),
                "retention.ms": str(keep_days * 24 * 3600 * 1000),
                "compression.type": "uncompressed",
            }
            answer = await admin.create_topics([NewTopic(topic, partitions, replication, topic_configs=configs)])
            for error in answer.topic_errors:
                if error[1] and for_code(error[1]) is not TopicAlreadyExistsError:
                    raise for_code(error[1])(error[0])
                return not error[1]
            return False
        finally:
            await admin.close()

    async def behind(self, groups: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """For each group, how many records of its topics it has not committed; all of them where it never did."""
        async with self.looking_behind(groups) as behind:
            return await behind()

    @asynccontextmanager
    async def looking_behind(
        self, groups: Mapping[str, Sequence[str]]
    ) -> AsyncIterator[Callable[[], Awaitable[dict[str, int]]]]:
        """The same for who asks often: a connection takes far longer than an answer. Raises KafkaError."""
        admin = AIOKafkaAdminClient(**self.client, request_timeout_ms=5_000)
        consumer = AIOKafkaConsumer(**self.client, enable_auto_commit=False)
        await admin.start()
        try:
            await consumer.start()
            topics = sorted({topic for of_group in groups.values() for topic in of_group})
            found = await admin.describe_topics(topics)
            every = [TopicPartition(t["topic"], p["partition"]) for t in found for p in t["partitions"]]
            if {tp.topic for tp in every} != set(topics):
                raise KafkaError("a topic is missing")

            async def behind() -> dict[str, int]:
                ends = await consumer.end_offsets(every)
                left = {}
                for group, of_group in groups.items():
                    done = await admin.list_consumer_group_offsets(group)
                    read = {tp: max(0, done[tp].offset) if tp in done else 0 for tp in every}
                    left[group] = sum(end - read[tp] for tp, end in ends.items() if tp.topic in of_group)
                return left

            yield behind
        finally:
            await consumer.stop()
            await admin.close()

    async def tail(self, topics: Sequence[str], *, from_start: bool) -> AsyncIterator[Record]:
        """Every record of some topics as it comes, without a group: for watching, never for working."""
        consumer = AIOKafkaConsumer(
            *topics,
            **self.client,
            enable_auto_commit=False,
            auto_offset_reset="earliest" if from_start else "latest",
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        try:
            async for record in consumer:
                yield to_record(record)
        finally:
            await consumer.stop()

    async def history(self, topics: Sequence[str]) -> list[Record]:
        """Every record that some topics hold now, partition after partition: for checking, never for working."""
        consumer = AIOKafkaConsumer(*topics, **self.client, enable_auto_commit=False, auto_offset_reset="earliest")
        await consumer.start()
        try:
            found = sorted(consumer.assignment())
            begins, ends = await consumer.beginning_offsets(found), await consumer.end_offsets(found)
            records: dict[TopicPartition, list[Record]] = {tp: [] for tp in found}
            left = {tp for tp in found if begins[tp] < ends[tp]}
            while left:
                for tp, some in (await consumer.getmany(timeout_ms=1000)).items():
                    records[tp] += [to_record(r) for r in some if r.offset < ends[tp]]
                left = {tp for tp in left if await consumer.position(tp) < ends[tp]}
            return [record for tp in found for record in records[tp]]
        finally:
            await consumer.stop()


def to_record(r: ConsumerRecord) -> Record:
    """A record as the rest of the chassis knows it."""
    return Record(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers), r.timestamp)
