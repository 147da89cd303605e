"""What we assume of PostgreSQL. Where one fails after an upgrade, the place that rests on it is named in the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.support import databases


@pytest.fixture(scope="session")
async def empty(postgres: str) -> AsyncIterator[str]:
    async with databases.created(postgres) as dsn:
        yield dsn


@asynccontextmanager
async def sessions(dsn: str, count: int) -> AsyncIterator[list[Any]]:
    opened = [await asyncpg.connect(dsn) for _ in range(count)]
    yield opened
    for connection in opened:
        connection.terminate()


async def table(connection: Any, columns: str) -> None:
    await connection.execute("DROP TABLE IF EXISTS probe")
    await connection.execute(f"CREATE TABLE probe ({columns})")


async def test_parts_of_one_statement_see_the_same_snapshot(empty: str) -> None:
    """chassis/relay.py deletes and reads in one statement and must exclude what it deletes itself."""
    async with sessions(empty, 1) as (a,):
        await table(a, "id int")
        await a.execute("INSERT INTO probe VALUES (1), (2)")
        seen = await a.fetch("WITH gone AS (DELETE FROM probe WHERE id = 1) SELECT id FROM probe ORDER BY id")
        assert [r["id"] for r in seen] == [1, 2]
        assert await a.fetchval("WITH n AS (INSERT INTO probe VALUES (3)) SELECT count(*) FROM probe") == 1


async def test_a_writing_part_runs_to_its_end_though_nobody_reads_it(empty: str) -> None:
    """chassis/writing.py never reads from the parts that write inbox and outbox."""
    async with sessions(empty, 1) as (a,):
        await table(a, "id int")
        await a.fetchval("WITH n AS (INSERT INTO probe SELECT * FROM generate_series(1, 1000)) SELECT 1")
        assert await a.fetchval("SELECT count(*) FROM probe") == 1000


async def test_a_division_by_zero_undoes_the_whole_statement(empty: str) -> None:
    """chassis/writing.py: a wrong count must leave nothing behind."""
    async with sessions(empty, 1) as (a,):
        await table(a, "id int")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await a.fetchval(
                "WITH n AS (INSERT INTO probe VALUES (1) RETURNING id) SELECT 1 / ((SELECT count(*) FROM n) = 2)::int"
            )
        assert await a.fetchval("SELECT count(*) FROM probe") == 0


async def test_arrays_side_by_side_keep_their_order_and_the_shorter_is_filled_with_null(empty: str) -> None:
    """chassis/writing.py: the columns of a batch travel as arrays."""
    async with sessions(empty, 1) as (a,):
        rows = await a.fetch("SELECT * FROM unnest($1::int[], $2::text[]) WITH ORDINALITY", [3, 1, 2], ["a", "b"])
        assert [tuple(r) for r in rows] == [(3, "a", 1), (1, "b", 2), (2, None, 3)]


async def test_positions_are_drawn_in_the_order_of_an_insert(empty: str) -> None:
    """chassis/writing.py: the outbox's positions follow the order of the events."""
    async with sessions(empty, 1) as (a,):
        await table(a, "position bigint GENERATED ALWAYS AS IDENTITY, n int")
        await a.execute(
            "INSERT INTO probe (n) SELECT n FROM unnest($1::int[]) WITH ORDINALITY AS u(n, at) ORDER BY at",
            list(range(500, 0, -1)),
        )
        rows = await a.fetch("SELECT n FROM probe ORDER BY position")
        assert [r["n"] for r in rows] == list(range(500, 0, -1))


async def test_a_later_position_may_be_seen_before_an_earlier_one(empty: str) -> None:
    """Why the relay has no cursor over positions but rows that are there or not."""
    async with sessions(empty, 2) as (a, b):
        await table(a, "position bigint GENERATED ALWAYS AS IDENTITY")
        slow = a.transaction()
        await slow.start()
        await a.execute("INSERT INTO probe DEFAULT VALUES")
        await b.execute("INSERT INTO probe DEFAULT VALUES")
        assert [r["position"] for r in await b.fetch("SELECT position FROM probe")] == [2]
        await slow.commit()


async def test_on_conflict_locks_rows_in_the_order_in_which_they_are_given(empty: str) -> None:
    """chassis/writing.py sorts the keys of a batch, so that two batches cannot lock each other out."""
    async with sessions(empty, 3) as (a, b, c):
        await table(a, "id int PRIMARY KEY, n int")
        await a.execute("INSERT INTO probe SELECT i, 0 FROM generate_series(1, 3) i")
        holding = a.transaction()
        await holding.start()
        await a.execute("SELECT FROM probe WHERE id = 2 FOR UPDATE")
        upsert = "INSERT INTO probe SELECT i, 1 FROM unnest($1::int[]) i ON CONFLICT (id) DO UPDATE SET n = probe.n + 1"
        waiting = asyncio.create_task(b.execute(upsert, [1, 2, 3]))
        await asyncio.sleep(0.2)
        free = await c.fetch("SELECT id FROM probe ORDER BY id FOR UPDATE SKIP LOCKED")
        assert [r["id"] for r in free] == [3]
        await holding.rollback()
        await waiting


async def test_a_version_that_was_changed_meanwhile_is_not_updated(empty: str) -> None:
    """chassis/tables.py: `version = $n` is looked at again after waiting for the other writer."""
    async with sessions(empty, 2) as (a, b):
        await table(a, "id int, version int")
        await a.execute("INSERT INTO probe VALUES (1, 1)")
        first = a.transaction()
        await first.start()
        update = "UPDATE probe SET version = version + 1 WHERE id = 1 AND version = 1"
        assert await a.execute(update) == "UPDATE 1"
        second = asyncio.create_task(b.execute(update))
        await asyncio.sleep(0.1)
        await first.commit()
        assert await second == "UPDATE 0"


async def test_an_advisory_lock_ends_with_its_session(empty: str) -> None:
    """chassis/relay.py: a relay that died does not hold the next one up."""
    async with sessions(empty, 2) as (a, b):
        assert await a.fetchval("SELECT pg_try_advisory_lock(7)")
        assert not await b.fetchval("SELECT pg_try_advisory_lock(7)")
        await b.execute("SELECT pg_terminate_backend($1)", a.get_server_pid())
        async with asyncio.timeout(5):
            while not await b.fetchval("SELECT pg_try_advisory_lock(7)"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_an_idle_session_is_ended_where_it_is_told_to_be(empty: str) -> None:
    """chassis/relay.py: a machine that fell silent gives the lock back."""
    async with sessions(empty, 2) as (a, b):
        await a.execute("SET idle_session_timeout = '200ms'")
        await a.fetchval("SELECT pg_advisory_lock(8)")
        await asyncio.sleep(0.6)
        assert await b.fetchval("SELECT pg_try_advisory_lock(8)")


async def test_nul_is_refused_in_text_and_in_json(empty: str) -> None:
    """chassis/parked.py writes NUL out before it keeps a header name."""
    async with sessions(empty, 1) as (a,):
        with pytest.raises(asyncpg.CharacterNotInRepertoireError):
            await a.fetchval("SELECT $1::text", "a\0b")
        with pytest.raises(asyncpg.UntranslatableCharacterError):
            await a.fetchval("SELECT $1::jsonb", json.dumps("a\0b"))


async def test_a_lone_surrogate_is_refused_in_json(empty: str) -> None:
    async with sessions(empty, 1) as (a,):
        with pytest.raises(asyncpg.DataError):
            await a.fetchval("SELECT $1::jsonb", '"\\ud800"')


async def test_a_generic_plan_made_on_an_empty_table_uses_the_index(empty: str) -> None:
    """chassis/database.py: plans are made once, perhaps before there are rows."""
    async with sessions(empty, 1) as (a,):
        await table(a, "id uuid PRIMARY KEY, state text")
        await a.execute("CREATE INDEX probe_open ON probe (id) WHERE state IN ('failed', 'queued')")
        await a.execute("SET plan_cache_mode = force_generic_plan")
        await a.execute("SET enable_seqscan = off")
        for query, index in (
            ("SELECT FROM probe WHERE id = ANY($1::uuid[])", "probe_pkey"),
            ("SELECT FROM probe WHERE id = ANY($1::uuid[]) AND state IN ('failed', 'queued')", "probe_"),
        ):
            await a.execute(f"PREPARE p AS {query}")
            plan = "\n".join(r[0] for r in await a.fetch("EXPLAIN EXECUTE p('{}')"))
            await a.execute("DEALLOCATE p")
            assert index in plan


async def test_skip_locked_passes_over_what_another_session_holds(empty: str) -> None:
    """chassis/parked.py: two processes do not take up the same parked input."""
    async with sessions(empty, 2) as (a, b):
        await table(a, "id int")
        await a.execute("INSERT INTO probe VALUES (1), (2)")
        held = a.transaction()
        await held.start()
        await a.fetch("SELECT FROM probe WHERE id = 1 FOR UPDATE")
        assert [r["id"] for r in await b.fetch("SELECT id FROM probe FOR UPDATE SKIP LOCKED")] == [2]
        await held.rollback()


async def test_instants_at_both_ends_of_a_calendar_are_kept(empty: str) -> None:
    """What a caller sends as year 1 or 9999 comes back as it was."""
    async with sessions(empty, 1) as (a,):
        for text in ("0001-01-02T00:00:00+00:00", "9999-12-30T23:59:59.999999+00:00"):
            assert (await a.fetchval("SELECT $1::text::timestamptz", text)).isoformat() == text


async def test_only_the_transaction_timeout_ends_a_session_between_two_words_of_a_statement(empty: str) -> None:
    """chassis/relay.py and chassis/database.py: a client that is lost there leaves its locks in an active session."""
    limits = ("statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout")
    async with sessions(empty, 3) as (lost, ended, other):
        for one, names in ((lost, limits), (ended, ("transaction_timeout",))):
            for name in names:
                await one.execute(f"SET {name} = '200ms'")
            await one.prepare("SELECT 1")  # says Parse and Describe, and Flush rather than Sync
        ids = [c.get_server_pid() for c in (lost, ended)]
        await asyncio.sleep(1)
        left = await other.fetch("SELECT pid, state, wait_event FROM pg_stat_activity WHERE pid = ANY($1::int[])", ids)
        assert [tuple(r) for r in left] == [(ids[0], "active", "ClientRead")]
