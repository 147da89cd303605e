"""What we assume of FastStream; docs/decisions/0003 says what of it is replaced and why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from chassis.parked import Record
from chassis.stream import Subscription
from tests.chassis.streaming import broker_at, everything_in, make_topic, put, until

THREE = [Record("", 0, 0, b"k", b"%d" % n, (), 0) for n in (1, 2, 3)]
Handle = Callable[[Any], Awaitable[Any]]


@asynccontextmanager
async def subscribed(kafka: str, topic: str, handle: Handle, **options: Any) -> AsyncIterator[Any]:
    """A subscriber as the options say, at work until the end of the block."""
    broker = KafkaBroker(kafka, apply_types=False, logger=None, graceful_timeout=1)
    made: Any = broker.subscriber(topic, group_id=topic, auto_offset_reset="earliest", **options)
    made(handle)
    await broker.start()
    try:
        yield made
    finally:
        await asyncio.wait_for(broker.stop(), 20)


async def committed(kafka: str, topic: str) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        found = (await admin.list_consumer_group_offsets(topic)).get(TopicPartition(topic, 0))
        return found.offset if found else 0
    finally:
        await admin.close()


def failing(seen: list[Any]) -> Handle:
    async def handle(body: Any) -> None:
        seen.append(body)
        await asyncio.sleep(0.05)
        if b"2" in str(body).encode():
            raise ValueError

    return handle


async def test_by_default_a_message_whose_handler_failed_is_lost(kafka: str, unique: str) -> None:
    """Why the default is never used. When this fails, the replaced acknowledgement may go."""
    topic = await make_topic(kafka, unique, 1)
    await put(kafka, topic, THREE)
    seen: list[Any] = []
    async with subscribed(kafka, topic, failing(seen), batch=True, max_records=500):
        await until(lambda: seen)
        await asyncio.sleep(1.0)
    assert await committed(kafka, topic) == 3


async def test_refused_batches_come_again_at_once_and_nothing_is_committed(kafka: str, unique: str) -> None:
    """chassis/stream.py: NACK_ON_ERROR with a pause of our own before the error."""
    topic = await make_topic(kafka, unique, 1)
    await put(kafka, topic, THREE)
    seen: list[Any] = []
    options = {"batch": True, "max_records": 500, "ack_policy": AckPolicy.NACK_ON_ERROR, "no_reply": True}
    async with subscribed(kafka, topic, failing(seen), **options):
        await until(lambda: len(seen) > 3)
    assert await committed(kafka, topic) == 0


async def test_what_a_good_handler_was_given_is_committed(kafka: str, unique: str) -> None:
    topic = await make_topic(kafka, unique, 1)
    await put(kafka, topic, THREE)
    seen: list[Any] = []

    async def handle(body: Any) -> None:
        seen.extend(body)

    async with subscribed(kafka, topic, handle, batch=True, ack_policy=AckPolicy.NACK_ON_ERROR, no_reply=True):
        await until(lambda: len(seen) == 3)
        await asyncio.sleep(0.3)
    assert await committed(kafka, topic) == 3


async def test_the_default_parser_stops_at_a_header_that_is_no_text(kafka: str, unique: str) -> None:
    """Why chassis/stream.py has a parser that looks at nothing: one bad header costs a whole batch."""
    topic = await make_topic(kafka, unique, 1)
    bad = Record("", 0, 0, b"k", b"2", (("x", b"\xff\xfe"),), 0)
    await put(kafka, topic, [THREE[0], bad, THREE[2]])
    seen: list[Any] = []

    async def handle(body: Any) -> None:
        seen.extend(body)

    async with subscribed(kafka, topic, handle, batch=True, max_records=500, ack_policy=AckPolicy.NACK_ON_ERROR):
        await asyncio.sleep(1.5)
    assert seen == []


async def test_a_parser_of_our_own_is_given_the_raw_records_and_no_reply_is_sent(kafka: str, unique: str) -> None:
    """chassis/stream.py: `reply_to` of a stranger makes FastStream publish, unless `no_reply`."""
    topic, answers = await make_topic(kafka, unique, 1), await make_topic(kafka, f"{unique}-answers")
    asking = Record("", 0, 0, b"k", b"\xff", (("reply_to", answers.encode()), ("x", b"\xff")), 0)
    await put(kafka, topic, [asking])
    seen: list[Any] = []
    held: list[Any] = []

    async def parse(records: Any, _default: Any) -> KafkaAckableMessage:
        return KafkaAckableMessage(body=b"", raw_message=records, consumer=held[0].consumer)

    async def decode(message: KafkaAckableMessage) -> Any:
        return message.raw_message

    async def handle(records: Any) -> str:
        seen.extend(records)
        return "an answer"

    options = {"batch": True, "no_reply": True, "ack_policy": AckPolicy.NACK_ON_ERROR}
    broker = KafkaBroker(kafka, apply_types=False, logger=None, graceful_timeout=1)
    made: Any = broker.subscriber(
        topic, group_id=topic, auto_offset_reset="earliest", parser=parse, decoder=decode, **options
    )
    held.append(made)
    made(handle)
    await broker.start()
    await until(lambda: seen)
    await asyncio.sleep(0.3)
    await broker.stop()
    assert seen[0].value == b"\xff"
    assert await everything_in(kafka, answers) == []


async def test_the_names_that_it_does_not_document_are_there(kafka: str, unique: str) -> None:
    """chassis/stream.py uses the subscriber's lock and consumer, and wraps the consumer's poll."""
    topic = await make_topic(kafka, unique, 1)
    held = asyncio.Event()

    async def handle(_records: Any, _give_up: Any) -> None:
        held.set()
        await asyncio.sleep(0.4)

    subscription = Subscription(broker_at(kafka), group=unique, topics=[topic], handle=handle, client_id="probe")
    await subscription.start()
    try:
        subscriber: Any = subscription._subscriber
        assert callable(subscriber.consumer.getmany)
        await put(kafka, topic, THREE)
        await asyncio.wait_for(held.wait(), 10)
        started = asyncio.get_running_loop().time()
        await subscriber.lock.wait_release(10)
        assert asyncio.get_running_loop().time() - started > 0.2
    finally:
        await subscription.stop()
    assert {"ack", "nack", "committed"} <= {*dir(KafkaAckableMessage), *KafkaAckableMessage.__init__.__code__.co_names}
