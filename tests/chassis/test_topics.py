"""What the broker says about itself: only an answer counts as a sign of life (P10)."""

from __future__ import annotations

import asyncio

import pytest

from chassis import topics
from chassis.topics import Probe
from tests.chassis.streaming import broker_at, lose_topic, make_topic, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(topics, "ANSWER_SECONDS", 0.5)


async def test_p10_a_broker_that_answers_is_heard_again_and_again(kafka: str) -> None:
    probe = Probe(broker_at(kafka))
    task = asyncio.create_task(probe.run())
    await until(lambda: probe.answered_at is not None)
    first = probe.answered_at
    await until(lambda: probe.answered_at != first)
    task.cancel()


async def test_p10_a_topic_that_is_lost_is_missed_until_it_is_there_again(kafka: str, unique: str) -> None:
    await make_topic(kafka, unique)
    probe = Probe(broker_at(kafka), [unique])
    task = asyncio.create_task(probe.run())
    await until(lambda: probe.answered_at is not None)
    await asyncio.sleep(0.3)
    assert not probe.missing
    await lose_topic(kafka, unique)
    await until(lambda: probe.missing == {unique})
    await make_topic(kafka, unique)
    await until(lambda: not probe.missing)
    task.cancel()


async def test_p10_a_connection_without_answers_is_no_sign_of_life() -> None:
    connected = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    probe = Probe(broker_at(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    task = asyncio.create_task(probe.run())
    await until(lambda: connected > 2)
    assert probe.answered_at is None
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
