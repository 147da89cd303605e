"""What we assume of asyncpg; the classifier of errors in chassis/database.py and the pool rest on it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import asyncpg.protocol.protocol as asyncpg_protocol
import pytest
from uuid_utils.compat import uuid7

from chassis import database
from tests.support import databases


@pytest.fixture(scope="session")
async def empty(postgres: str) -> AsyncIterator[str]:
    async with databases.created(postgres) as dsn:
        yield dsn


@pytest.fixture
async def pool(empty: str) -> AsyncIterator[Any]:
    made = await asyncpg.create_pool(empty, min_size=1, max_size=1)
    yield made
    made.terminate()


async def test_a_pool_waits_for_ever_unless_it_is_told_not_to(pool: Any) -> None:
    """Why every acquire in the chassis has a timeout."""
    assert inspect.signature(asyncpg.Pool.acquire).parameters["timeout"].default is None
    async with pool.acquire():
        with pytest.raises(TimeoutError):
            await pool.acquire(timeout=0.1)


async def test_a_command_has_no_limit_unless_it_is_given_one(empty: str) -> None:
    assert inspect.signature(asyncpg.connect).parameters["command_timeout"].default is None
    connection = await asyncpg.connect(empty, command_timeout=0.2)
    with pytest.raises(TimeoutError):
        await connection.execute("SELECT pg_sleep(5)")
    assert await connection.fetchval("SELECT 1") == 1  # it was cancelled, the connection can be used again
    await connection.close()


async def test_a_statement_is_prepared_once_and_survives_a_new_column(empty: str) -> None:
    """Migrations of a newer version run while the older one works."""
    connection = await asyncpg.connect(empty, statement_cache_size=200)
    await connection.execute("CREATE TABLE IF NOT EXISTS cached (id int)")
    query = "SELECT * FROM cached"
    await connection.fetch(query)
    await connection.fetch(query)
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement = $1"
    assert await connection.fetchval(prepared, query) == 1
    await connection.execute("ALTER TABLE cached ADD COLUMN more int")
    assert await connection.fetch(query) == []
    await connection.close()


async def test_within_a_transaction_a_changed_table_is_an_error_that_is_worth_another_try(empty: str) -> None:
    connection = await asyncpg.connect(empty)
    await connection.execute("CREATE TABLE IF NOT EXISTS changed (id int)")
    query = "SELECT * FROM changed"
    await connection.fetch(query)
    await connection.execute("ALTER TABLE changed ADD COLUMN more int")
    transaction = connection.transaction()
    await transaction.start()
    with pytest.raises(asyncpg.InvalidCachedStatementError) as failed:
        await connection.fetch(query)
    assert not database.is_impossible(failed.value)
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize("how", ["terminated", "cut", "closed"])
async def test_a_lost_connection_is_known_as_one(empty: str, how: str) -> None:
    """chassis/database.py: whatever is raised, it is worth another try and parks nothing."""
    killer = await asyncpg.connect(empty)
    connection = await asyncpg.connect(empty)
    pending = asyncio.create_task(connection.execute("SELECT pg_sleep(5)")) if how != "closed" else None
    await asyncio.sleep(0.1)
    if how == "terminated":
        await killer.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    elif how == "cut":
        connection._transport.abort()
    else:
        connection.terminate()
    for work in (pending, connection.execute("SELECT 1")):
        if work is None:
            continue
        with pytest.raises(Exception) as failed:  # noqa: PT011 - which one is what the test is about
            await work
        assert database.is_away(failed.value), repr(failed.value)
        assert not database.is_impossible(failed.value)
    await killer.close()


async def test_a_server_that_is_not_there_is_known_as_one(tmp_path: Any) -> None:
    for address in ({"host": str(tmp_path)}, {"host": "127.0.0.1", "port": 9}):
        with pytest.raises(Exception) as failed:  # noqa: PT011
            await asyncpg.connect(user="nobody", database="none", timeout=2, **address)
        assert database.is_away(failed.value), repr(failed.value)


async def test_ids_are_of_its_own_class_which_equals_the_standard_one(empty: str) -> None:
    """docs/decisions/0010: why rows get standard ids."""
    connection = await asyncpg.connect(empty)
    id_ = uuid7()
    found = await connection.fetchval("SELECT $1::uuid", id_)
    assert (found, hash(found)) == (UUID(str(id_)), hash(UUID(str(id_))))
    assert type(found) is not UUID
    await connection.close()


def test_the_names_that_tell_it_what_an_array_is_are_still_there() -> None:
    """chassis/database.py replaces them; without them the replacement would do nothing, silently."""
    for name in ("IterableABC", "SizedABC"):
        assert hasattr(asyncpg_protocol, name)


async def test_a_connection_that_was_cancelled_is_not_given_out_with_its_transaction_open(pool: Any) -> None:
    """chassis/database.py leaves out the pool's reset; an open transaction must be rolled back all the same."""

    async def half() -> None:
        async with pool.acquire() as connection:
            await connection.execute("BEGIN")
            await connection.execute("CREATE TABLE half (id int)")
            await asyncio.sleep(5)

    task = asyncio.create_task(half())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with pool.acquire(timeout=5) as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SELECT to_regclass('half')") is None
