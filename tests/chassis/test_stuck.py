"""What the machinery holds up is named with its family, since when and why; what moves is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from chassis import database
from chassis.processor import Processor
from chassis.stuck import SOON, stuck
from tests.chassis import toy
from tests.chassis.toy import adding, heard, record


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=4, name="test")
    yield pool
    pool.terminate()


async def found(pool: database.Pool, now: datetime, own: str | None = None) -> list[dict[str, Any]]:
    async with pool.acquire() as connection:
        return await stuck(connection, now, [toy.RING], own)


async def test_events_that_wait_for_kafka_are_named_by_their_family_after_half_a_minute(pool: database.Pool) -> None:
    now = datetime.now(UTC)
    processor = Processor(pool, now=lambda: now, service="toy")
    key = uuid7()
    for _ in range(3):
        await processor.process([adding(key, 1)])
    assert await found(pool, now + SOON) == []
    (row,) = await found(pool, now + SOON + timedelta(microseconds=1))
    assert (row["what"], row["child_id"], row["since"], row["wrong"]) == ("unpublished", key, now, True)
    assert row["detail"] == "3 events wait for Kafka"


async def test_a_parked_input_is_shown_once_with_what_waits_behind_it(pool: database.Pool) -> None:
    processor = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    key = uuid7()
    bad = record(key, 1, reason="inpatient")
    for r in (bad, record(key, 2), record(key, 3)):
        await processor.process([heard(r)])
    (row,) = await found(pool, datetime.now(UTC))
    assert (row["what"], row["about"], row["child_id"]) == ("parked", heard(bad).id, key)
    assert row["detail"] == "rule_raised ArithmeticError, 2 behind it"


async def test_a_clock_that_nobody_looked_at_in_time_is_named(pool: database.Pool) -> None:
    due, key = datetime.now(UTC), uuid7()
    await pool.execute("INSERT INTO counters VALUES ($1, 1, 0, '[]', $2, 0)", key, due)
    assert await found(pool, due + SOON - timedelta(microseconds=1)) == []
    (row,) = await found(pool, due + SOON)
    assert (row["what"], row["about"], row["since"], row["detail"]) == ("clock_late", key, due, "due:counters")


async def test_what_a_service_says_itself_comes_in_order_what_must_not_be_first(pool: database.Pool) -> None:
    a, b = uuid7(), uuid7()
    own = f"""SELECT 'waits' AS what, '{a}'::uuid AS about, NULL::uuid AS child_id,
      $1::timestamptz - interval '9 days' AS since, 'on the list' AS detail, false AS wrong
      UNION ALL SELECT 'breached', '{b}', NULL, $1::timestamptz, 'held', true"""
    assert [row["about"] for row in await found(pool, datetime.now(UTC), own)] == [b, a]
