"""Reads: a connection that cannot write, a record of who read about whom, an answer while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chassis import database, http
from chassis.access import Access, Caller
from chassis.http import Reads, Unavailable
from chassis.key_set import KeySet
from tests.chassis.issuer import AUDIENCE, ISSUER

CHILD = UUID("018f2f6e-7c00-7000-8000-000000000002")


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=3, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
def reads(pool: database.Pool) -> Reads:
    access = Access(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), keys=KeySet("unused"))
    return Reads(pool, access, {})


async def test_a_read_cannot_write(reads: Reads) -> None:
    async with reads.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM inbox") == 0
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM inbox")


async def test_who_read_about_whom_is_recorded(reads: Reads, pool: database.Pool) -> None:
    request: Any = SimpleNamespace(scope={"attune.caller": (Caller("somebody", frozenset(), 0.0), "child.read")})
    await reads.audit(request, CHILD)
    assert await pool.fetch("SELECT subject, action, about FROM audits") == [("somebody", "child.read", str(CHILD))]


async def test_reads_leave_connections_to_the_processor(reads: Reads, pool: database.Pool) -> None:
    inside, most = 0, 0

    async def read() -> None:
        nonlocal inside, most
        async with reads.connection() as connection:
            inside, most = inside + 1, max(most, inside + 1)
            await connection.execute("SELECT pg_sleep(0.02)")
            inside -= 1

    many = asyncio.gather(*(read() for _ in range(12)))
    await asyncio.sleep(0.05)
    async with pool.acquire(timeout=0.5) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await many
    assert most == http.READERS


async def test_a_read_that_finds_no_place_is_told_to_come_again(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ACQUIRE_SECONDS", 0.1)
    async with reads.connection(), reads.connection():
        with pytest.raises(Unavailable):
            async with reads.connection():
                pass
    async with reads.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_database_that_is_away_is_unavailable_and_not_an_error(reads: Reads, pool: database.Pool) -> None:
    await pool.close()
    with pytest.raises(Unavailable):
        async with reads.connection():
            pass
    request: Any = SimpleNamespace(scope={"attune.caller": (Caller("somebody", frozenset(), 0.0), "child.read")})
    with pytest.raises(Unavailable):
        await reads.audit(request, CHILD)
