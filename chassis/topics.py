"""What the broker says about itself and its topics: whether it answers at all, where a topic begins and ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from chassis import waiting
from chassis.broker import Broker
from chassis.problem import Unavailable
from chassis.stream import Place

PROBE_SECONDS = 1.5
ANSWER_SECONDS = 4.0


def group_of(service: str) -> str:
    """The consumer group of a service."""
    return f"attune.{service}"


class Probe:
    """Asks the broker for its metadata again and again: who neither reads nor sends would not see it freeze.

    A frozen broker keeps its connections open, so only an answer is a sign of life.
    """

    def __init__(self, broker: Broker, topics: Sequence[str] = ()) -> None:
        self._broker, self._topics = broker, frozenset(topics)
        self.answered_at: float | None = None
        self.missing: frozenset[str] = frozenset()
        """Topics of this service that the broker did not have when it last answered."""

    async def run(self) -> None:
        """For as long as the service runs."""
        while True:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await self._ask_until_it_fails()
            await asyncio.sleep(PROBE_SECONDS)

    async def _ask_until_it_fails(self) -> None:
        client = AIOKafkaClient(**self._broker.client, request_timeout_ms=int(ANSWER_SECONDS * 1000))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await client.bootstrap()
            answers = True
            while answers:
                self.answered_at = time.monotonic()
                self.missing = self._topics - client.cluster.topics()
                await asyncio.sleep(PROBE_SECONDS)
                # Not wait_for: it forgets that it was cancelled when the answer comes in the same moment.
                async with asyncio.timeout(ANSWER_SECONDS):
                    answers = await client.force_metadata_update()
        finally:
            await waiting.let_go(client.close(), ANSWER_SECONDS)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of one partition to be read again, from one offset to before another."""

    topic: str
    partition: int
    starts: int
    ends: int


async def done_by(broker: Broker, group: str) -> dict[Place, int]:
    """Where a group stands in each partition that it ever read."""
    admin = AIOKafkaAdminClient(**broker.client, request_timeout_ms=5_000)
    try:
        await admin.start()
        done = await admin.list_consumer_group_offsets(group)
        return {(tp.topic, tp.partition): at.offset for tp, at in done.items()}
    finally:
        await admin.close()


async def stretches(
    broker: Broker,
    group: str,
    topics: Sequence[str],
    *,
    since: datetime | None = None,
    at: Mapping[Place, int] | None = None,
) -> list[Stretch]:
    """Where a group is to go back to: the beginning, or what it has read since an instant, or in `at` from an offset.

    From the beginning it is all that there is, also where the place of the group belongs to a log that was lost.
    Otherwise never ahead of where the group is. Raises Unavailable while the broker does not answer.
    """
    admin = AIOKafkaAdminClient(**broker.client, request_timeout_ms=5_000)
    consumer = AIOKafkaConsumer(**broker.client, enable_auto_commit=False)

    async def found() -> list[Stretch]:
        await admin.start()
        await consumer.start()
        described = await admin.describe_topics(topics)
        places = sorted(TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"])
        places = [tp for tp in places if at is None or tp in at]
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        if since is not None or at is not None:
            done = await admin.list_consumer_group_offsets(group)
            ends = {tp: done[tp].offset if tp in done else 0 for tp in places}
        starts = dict(begins)
        if since is not None:
            when = await consumer.offsets_for_times({tp: int(since.timestamp() * 1000) for tp in places})
            starts = {tp: o.offset if (o := when[tp]) is not None else ends[tp] for tp in places}
        if at is not None:
            starts = {tp: max(begins[tp], at[tp]) for tp in places}
        return [Stretch(tp.topic, tp.partition, starts[tp], ends[tp]) for tp in places if starts[tp] < ends[tp]]

    try:
        return await asyncio.wait_for(found(), 5 * ANSWER_SECONDS)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable("Kafka does not answer.") from error
    finally:
        for end in (consumer.stop, admin.close):
            await waiting.let_go(end(), ANSWER_SECONDS)
