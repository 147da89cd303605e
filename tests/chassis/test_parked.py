"""Ten thousand parked inputs: the others still flow, and an operator still finds a way through them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis import database, parked_sql
from chassis.arrivals import Done
from chassis.parked import Parking
from chassis.processor import Processor
from tests.chassis.test_processor import heard, record

MANY = 10_000
_FILL = """INSERT INTO parked (id, key, intake, state, reason, detail)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'raw:' || n END, 'unreadable', 'failed',
  CASE WHEN n % 10 = 0 THEN 'not_json' ELSE 'bad_header' END, '' FROM generate_series(1, $1) n"""


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=4, name="test")
    await pool.execute(_FILL, MANY)
    await pool.execute("ANALYZE parked")
    yield pool
    pool.terminate()


async def blocks_read(pool: database.Pool, query: str, *arguments: Any) -> int:
    """Pages that a query looks at, whether in memory or on disk."""
    explained = json.loads(await pool.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *arguments))
    plan = explained[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_looking_for_what_may_go_on_does_not_read_what_may_not(pool: database.Pool) -> None:
    assert await blocks_read(pool, parked_sql.READY) < 20
    await pool.execute("UPDATE parked SET state = 'retry' WHERE key IN ('raw:10', 'raw:5000')")
    assert len(await pool.fetch(parked_sql.READY)) == 2
    assert await blocks_read(pool, parked_sql.READY) < 60
    assert await blocks_read(pool, parked_sql.LOOK, ["raw:10", "raw:11"], [uuid7()]) < 20


async def test_the_first_of_a_key_alone_may_go_on(pool: database.Pool) -> None:
    park = "INSERT INTO parked (id, key, intake, state, reason) VALUES ($1, $2, 'unreadable', $3, 'x')"
    rows = [
        (uuid7(), "raw:2", "queued"),
        (uuid7(), "new", "queued"),
        (uuid7(), "new", "retry"),
        (uuid7(), None, "retry"),
    ]
    for row in rows:
        await pool.execute(park, *row)
    found = [r["id"] for r in await pool.fetch(parked_sql.READY)]
    assert found == [rows[1][0], rows[3][0]]


async def test_others_flow_while_very_much_is_parked(pool: database.Pool) -> None:
    processor = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    await processor.process([heard(record(uuid7(), 1))])
    started = time.perf_counter()
    for n in range(100):
        assert await processor.process([heard(record(uuid7(), 1, offset=n))]) == [Done.HANDLED]
    assert (time.perf_counter() - started) / 100 < 0.1


async def test_an_operator_finds_groups_pages_and_one_by_the_end_of_its_id(pool: database.Pool) -> None:
    parking = Parking()
    async with pool.acquire() as connection:
        await parking.count(connection)
        groups = await parking.groups(connection)
        page = await parking.listed(connection, resolved=False, limit=300)
        rest = await parking.listed(connection, resolved=False, limit=MANY, after=page[-1]["id"])
        (one,) = await parking.listed(connection, resolved=False, limit=9, ending=page[7]["id"].hex[-12:])
    assert parking.open_count == MANY
    assert [(g["reason"], g["count"]) for g in groups] == [("bad_header", MANY * 9 // 10), ("not_json", MANY // 10)]
    assert len({r["id"] for r in page + rest}) == MANY
    assert one["id"] == page[7]["id"]


async def test_all_of_one_reason_are_resolved_in_steps_and_each_is_recorded(pool: database.Pool) -> None:
    parking, done, steps = Parking(), 0, 0
    async with pool.acquire() as connection:
        while count := await parking.resolve_all(connection, "not_json", intake=None, discard=True, by="jo"):
            done, steps = done + count, steps + 1
    assert (done, steps) == (MANY // 10, MANY // 10 // parked_sql.HEADS)
    assert await pool.fetchval("SELECT count(*) FROM parked WHERE state = 'discarded' AND resolved_by = 'jo'") == done
    assert await pool.fetchval("SELECT count(*) FROM audits WHERE action = 'parked.discard'") == done
    assert await pool.fetchval("SELECT count(*) FROM inbox") == done


async def test_what_cannot_be_discarded_does_not_hold_up_the_others(pool: database.Pool) -> None:
    clock = (
        "INSERT INTO parked (id, key, intake, state, reason) VALUES ($1, $2, 'due:counters', 'failed', 'rule_raised')"
    )
    await pool.execute(clock, uuid7(), str(UUID(int=1)))
    async with pool.acquire() as connection:
        assert await Parking().resolve_all(connection, "rule_raised", intake=None, discard=True, by="jo") == 0
        assert await Parking().resolve_all(connection, "rule_raised", intake=None, discard=False, by="jo") == 1
