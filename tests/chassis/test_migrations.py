"""Migrations on real PostgreSQL: once, whole, in order, unchanged, and one process at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from chassis import migrations
from chassis.migrations import MigrationError, check, files_of, migrate, pending, role_of
from tests.support import databases


@pytest.fixture
async def dsn(postgres: str) -> AsyncIterator[str]:
    async with databases.created(postgres) as dsn:
        yield dsn


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_begin", "CREATE TABLE things (id int); INSERT INTO things VALUES (1);")
    write(tmp_path, "0002_more", "ALTER TABLE things ADD COLUMN name text;")
    return tmp_path


def write(folder: Path, name: str, sql: str) -> None:
    (folder / f"{name}.sql").write_text(sql)


async def test_pending_files_are_applied_once_and_in_order(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path
) -> None:
    sets = [("things", folder)]
    with pytest.raises(MigrationError, match="2 migrations to apply, the first things/0001_begin"):
        await check(connection, sets)
    assert [m.name for m in await migrate(dsn, sets, None)] == ["begin", "more"]
    assert await migrate(dsn, sets, None) == []
    await check(connection, sets)
    assert await connection.fetch("SELECT * FROM things") == [(1, None)]
    write(folder, "0003_last", "DROP TABLE things;")
    assert [m.version for m in await pending(connection, sets)] == [3]


async def test_two_sets_have_their_own_numbers(
    dsn: str, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = tmp_path_factory.mktemp("own")
    write(own, "0001_begin", "CREATE TABLE inbox (id int);")
    applied = await migrate(dsn, [("chassis", own), ("things", folder)], None)
    assert [(m.set, m.version) for m in applied] == [("chassis", 1), ("things", 1), ("things", 2)]


async def test_a_failing_file_leaves_nothing_and_those_before_it_stay(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path
) -> None:
    write(folder, "0003_bad", "CREATE TABLE others (id int); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(dsn, [("things", folder)], None)
    assert await connection.fetchval("SELECT max(version) FROM schema_migrations") == 2
    assert await connection.fetchval("SELECT to_regclass('others')") is None
    write(folder, "0003_bad", "CREATE TABLE others (id int);")
    assert len(await migrate(dsn, [("things", folder)], None)) == 1


async def test_a_changed_a_renamed_and_a_lost_file_are_refused(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path
) -> None:
    sets = [("things", folder)]
    await migrate(dsn, sets, None)
    write(folder, "0002_more", "ALTER TABLE things ADD COLUMN title text;")
    for refusing in (migrate(dsn, sets, None), check(connection, sets)):
        with pytest.raises(MigrationError, match="things/0002_more: changed"):
            await refusing
    (folder / "0002_more.sql").rename(folder / "0002_most.sql")
    with pytest.raises(MigrationError, match="changed"):
        await check(connection, sets)
    (folder / "0002_most.sql").unlink()
    for refusing in (migrate(dsn, sets, None), check(connection, sets)):
        with pytest.raises(MigrationError, match="newer than this code"):
            await refusing


@pytest.mark.parametrize("name", ["1_begin", "0003_Big", "0003-x", "begin", "0004_gap", "0002_twice", "0000_zero"])
def test_file_names_are_numbers_without_gaps(folder: Path, name: str) -> None:
    write(folder, name, "SELECT 1")
    with pytest.raises(MigrationError):
        files_of("things", folder)


@pytest.mark.parametrize("statement", ["COMMIT;", "begin;", "  ROLLBACK ;", "START TRANSACTION;", "COMMIT WORK;"])
def test_a_file_must_not_end_its_transaction(folder: Path, statement: str) -> None:
    write(folder, "0003_bad", f"CREATE TABLE x (id int);\n{statement}\nDROP TABLE x;")
    with pytest.raises(MigrationError, match="one transaction"):
        files_of("things", folder)


def test_a_function_body_may_begin_and_end(folder: Path) -> None:
    write(folder, "0003_function", "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN;\nEND $$;")
    assert len(files_of("things", folder)) == 3


async def test_several_at_once_apply_each_file_once(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path
) -> None:
    write(folder, "0003_slow", "SELECT pg_sleep(0.3); INSERT INTO things VALUES (2);")
    applied = await asyncio.gather(*(migrate(dsn, [("things", folder)], None) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, 3]
    assert await connection.fetchval("SELECT count(*) FROM things") == 2


async def test_waiting_for_another_migration_has_an_end(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_WAIT_SECONDS", 0.5)
    await connection.execute("SELECT pg_advisory_lock($1)", migrations._LOCK)
    with pytest.raises(MigrationError, match="another migration"):
        await migrate(dsn, [("things", folder)], None)


async def test_a_table_in_use_is_not_waited_for_without_end(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(dsn, [("things", folder)], None)
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MS", 200)
    write(folder, "0003_last", "ALTER TABLE things ADD COLUMN x int;")
    async with connection.transaction():
        await connection.execute("SELECT * FROM things")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await migrate(dsn, [("things", folder)], None)
    await migrate(dsn, [("things", folder)], None)


async def test_the_running_service_gets_rows_and_not_the_schema(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path, unique: str
) -> None:
    role = f'app {unique} "x"'
    quoted = '"' + role.replace('"', '""') + '"'
    await connection.execute(f"CREATE ROLE {quoted}")
    try:
        write(folder, "0003_numbers", "CREATE TABLE numbers (id bigint GENERATED ALWAYS AS IDENTITY, x int);")
        await migrate(dsn, [("things", folder)], role)
        await connection.execute(f"SET ROLE {quoted}")
        await connection.execute("INSERT INTO numbers (x) VALUES (1); UPDATE numbers SET x = 2; DELETE FROM numbers")
        await check(connection, [("things", folder)])
        for forbidden in (
            "CREATE TABLE mine (id int)",
            "DROP TABLE things",
            "TRUNCATE things",
            "DELETE FROM schema_migrations",
            "UPDATE schema_migrations SET sha256 = ''",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
    finally:
        await connection.execute(f"RESET ROLE; DROP OWNED BY {quoted}; DROP ROLE {quoted}")


async def test_a_table_made_later_is_granted_too(
    dsn: str, connection: asyncpg.Connection[asyncpg.Record], folder: Path, unique: str
) -> None:
    await connection.execute(f"CREATE ROLE {unique}")
    try:
        await migrate(dsn, [("things", folder)], unique)
        await connection.execute("CREATE TABLE later (id int)")
        assert await connection.fetchval(f"SELECT has_table_privilege('{unique}', 'later', 'INSERT')")
    finally:
        await connection.execute(f"DROP OWNED BY {unique}; DROP ROLE {unique}")


def test_the_role_is_read_from_the_url() -> None:
    assert role_of("postgresql://screening_app:secret@localhost/screening") == "screening_app"
    assert role_of("postgresql://a%20b@/x?host=/tmp") == "a b"
    with pytest.raises(MigrationError):
        role_of("postgresql://localhost/x")
