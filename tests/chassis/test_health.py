"""P10: a service says that it is ready only while each of its parts works, and ends when one of them has died."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chassis import database
from chassis.health import STALE_SECONDS, Health
from chassis.relay import Relay
from chassis.running import Running
from chassis.settings import ServiceSettings
from chassis.topics import Probe
from services.screening.main import SERVICE
from tests.chassis.streaming import Reader, broker_at, make_topic, until

LONG_AGO = STALE_SECONDS + 1


@dataclass(slots=True)
class Parts:
    """A service at work, as far as its health looks at it; relay and probe are as if they had just worked."""

    health: Health
    reader: Reader
    relay: Relay
    probe: Probe

    def said_no(self) -> set[str]:
        """Parts that are not well."""
        ready, detail = self.health.ready()
        no = {name for name, well in detail.get("parts", {}).items() if not well}
        assert ready == (not no and "parts" in detail)
        return no

    @property
    def consumer(self) -> Any:
        return self.reader.subscription._subscriber.consumer


@pytest.fixture
async def parts(toy_database: str, kafka: str, unique: str) -> AsyncIterator[Parts]:
    topic = await make_topic(kafka, f"{unique}.events")
    pool = await database.connect_pool(toy_database, size=4, name="test")
    reader = Reader(pool, kafka, unique, topic)
    relay = Relay(toy_database, broker_at(kafka), service="toy", topic=topic)
    made = Parts(Health(), reader, relay, Probe(broker_at(kafka)))
    async with reader.at_work():
        made.health.watch(reader.processor, relay, reader.subscription, made.probe, pool, details={})
        looking = asyncio.create_task(made.health.run())
        made.probe.answered_at = time.monotonic() + 60
        await until(lambda: made.health._database_at is not None and bool(made.consumer.assignment()))
        await until(lambda: made.health.ready()[0])
        yield made
        looking.cancel()
        await asyncio.wait([looking])
    pool.terminate()


def test_p10_a_service_that_has_only_started_is_not_ready() -> None:
    assert Health().ready()[0] is False


def _database_silent(p: Parts) -> None:
    p.health._database_at = time.monotonic() - LONG_AGO


def _broker_silent(p: Parts) -> None:
    p.probe.answered_at = time.monotonic() - LONG_AGO


def _batches_fail(p: Parts) -> None:
    p.reader.processor.failing_since = time.monotonic() - LONG_AGO


def _relay_fails(p: Parts) -> None:
    p.relay.failing_since = time.monotonic() - LONG_AGO


def _send_hangs(p: Parts) -> None:
    p.relay.sending_since = time.monotonic() - LONG_AGO


def _polls_fail(p: Parts) -> None:
    p.reader.subscription.errors_since = time.monotonic() - LONG_AGO


def _fetches_unanswered(p: Parts) -> None:
    p.consumer.last_poll_timestamp = lambda _: (time.time() - LONG_AGO) * 1000


def _group_left(p: Parts) -> None:
    p.consumer._coordinator.coordinator_id = None


def _stops(p: Parts) -> None:
    p.health.stopping = True


@pytest.mark.parametrize(
    ("befalls", "part"),
    [
        (_database_silent, "database"),
        (_broker_silent, "broker"),
        (_batches_fail, "processor"),
        (_relay_fails, "relay"),
        (_send_hangs, "relay"),
        (_polls_fail, "consumer"),
        (_fetches_unanswered, "consumer"),
        (_group_left, "group"),
        (_stops, "accepting"),
    ],
)
async def test_p10_a_part_that_does_not_work_makes_the_service_not_ready(
    parts: Parts, befalls: Callable[[Parts], None], part: str
) -> None:
    befalls(parts)
    assert parts.said_no() == {part}


async def test_p10_what_lasts_only_a_moment_leaves_it_ready(parts: Parts) -> None:
    parts.relay.failing_since = parts.reader.processor.failing_since = time.monotonic() - STALE_SECONDS / 2
    assert parts.said_no() == set()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Running:
    settings = ServiceSettings.model_construct(
        kafka_bootstrap=("127.0.0.1:1",),
        kafka_security_protocol="PLAINTEXT",
        kafka_sasl_mechanism=None,
        kafka_sasl_username=None,
        kafka_sasl_password=None,
        time_can_be_set=False,
    )
    return Running(SERVICE, settings)


async def _raises() -> None:
    raise ValueError("a bug")


async def _ends() -> None:
    return


async def _is_cancelled_within() -> None:
    inner = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(inner.cancel)
    await inner


@pytest.mark.parametrize("part", [_raises, _ends, _is_cancelled_within])
async def test_p10_a_part_that_dies_ends_the_service(running: Running, part: Callable[[], Any]) -> None:
    running._spawn(part(), "part")
    await asyncio.wait_for(running.ended.wait(), 5)
    assert running.failed


async def test_p10_a_part_that_is_told_to_stop_does_not(running: Running) -> None:
    task = running._spawn(asyncio.sleep(60), "part")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert not running.ended.is_set()
