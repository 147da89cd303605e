"""Schema changes: numbered plain SQL files, forward only, each applied once and whole, by one process at a time."""

from __future__ import annotations

import hashlib
import re
import time
from asyncio import sleep
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
import structlog

from chassis.database import Connection

log = structlog.get_logger(__name__)

Sets = Sequence[tuple[str, Path]]

LOCK_WAIT_SECONDS = 60.0
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 300_000

_LOCK = 0x617474756E65  # the same number for every migration of a database
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_OWN_TRANSACTION = re.compile(
    r"^\s*(BEGIN|COMMIT|ROLLBACK|START\s+TRANSACTION)(\s+(WORK|TRANSACTION))?\s*;", re.IGNORECASE | re.MULTILINE
)
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    set        text        NOT NULL,
    version    integer     NOT NULL,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (set, version)
)
"""


class MigrationError(RuntimeError):
    """The files and the database do not fit together; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of a set."""

    set: str
    version: int
    name: str
    sha256: str
    sql: str


def files_of(name: str, folder: Path) -> list[Migration]:
    """The migrations of a set in order. Raises MigrationError for a gap, a bad name or a file with BEGIN or COMMIT."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{name}/{path.name}: name it NNNN_what_it_does.sql")
        sql = path.read_text(encoding="utf-8")
        if _OWN_TRANSACTION.search(sql):
            raise MigrationError(f"{name}/{path.name}: each file is one transaction, it must not begin or end one")
        digest = hashlib.sha256(sql.encode()).hexdigest()
        found.append(Migration(name, int(match[1]), match[2], digest, sql))
    for expected, migration in enumerate(found, 1):
        if migration.version != expected:
            raise MigrationError(f"{name}: {expected:04d} is missing or there twice")
    return found


async def pending(connection: Connection, sets: Sets) -> list[Migration]:
    """What is still to be applied. Raises MigrationError if an applied file was changed or is not there (any more)."""
    applied = await _applied(connection)
    waiting = []
    for name, folder in sets:
        files = {migration.version: migration for migration in files_of(name, folder)}
        for version, (applied_name, sha256) in sorted(applied.get(name, {}).items()):
            file = files.pop(version, None)
            if file is None:
                raise MigrationError(
                    f"{name}/{version:04d}_{applied_name}: applied, and not among the files: the database is newer "
                    "than this code, or a file was lost"
                )
            if (file.name, file.sha256) != (applied_name, sha256):
                raise MigrationError(f"{name}/{version:04d}_{applied_name}: changed after it was applied")
        waiting += [files[version] for version in sorted(files)]
    return waiting


async def check(connection: Connection, sets: Sets) -> None:
    """For the start of a service: raises MigrationError unless the database is exactly what this code expects."""
    waiting = await pending(connection, sets)
    if waiting:
        first = waiting[0]
        raise MigrationError(
            f"{len(waiting)} migrations to apply, the first {first.set}/{first.version:04d}_{first.name}"
        )


async def migrate(dsn: str, sets: Sets, grant_to: str | None) -> list[Migration]:
    """Applies what is pending, as the role in `dsn`, and grants the tables to the role `grant_to`.

    Returns what was applied. Raises MigrationError, or what PostgreSQL raised; the file at fault has left nothing.
    """
    connection = await asyncpg.connect(
        dsn,
        timeout=10,
        server_settings={
            "application_name": "attune-migrate",
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "timezone": "UTC",
        },
    )
    try:
        await _take_lock(connection)
        await connection.execute(_TABLE)
        waiting = await pending(connection, sets)
        for migration in waiting:
            await _apply(connection, migration)
        if grant_to:
            await _grant(connection, grant_to)
        log.info("migrations_done", count=len(waiting))
        return waiting
    finally:
        await connection.close(timeout=5)


def role_of(dsn: str) -> str:
    """The role that a database URL connects as. Raises MigrationError if it names none."""
    user = urlsplit(dsn).username
    if not user:
        raise MigrationError("the database URL names no role")
    return unquote(user)


async def _applied(connection: Connection) -> dict[str, dict[int, tuple[str, str]]]:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    applied: dict[str, dict[int, tuple[str, str]]] = {}
    for row in await connection.fetch("SELECT set, version, name, sha256 FROM schema_migrations"):
        applied.setdefault(row["set"], {})[row["version"]] = (row["name"], row["sha256"])
    return applied


async def _take_lock(connection: Connection) -> None:
    """One migration at a time; held until the connection closes."""
    deadline, said = time.monotonic() + LOCK_WAIT_SECONDS, False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        if time.monotonic() > deadline:
            raise MigrationError("another migration has been running for too long")
        if not said:
            said = True
            log.info("migration_waits", waiting_for="another_migration")
        await sleep(0.2)


async def _apply(connection: Connection, migration: Migration) -> None:
    started = time.monotonic()
    file = f"{migration.version:04d}_{migration.name}"
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (set, version, name, sha256) VALUES ($1, $2, $3, $4)",
                migration.set,
                migration.version,
                migration.name,
                migration.sha256,
            )
    except Exception as error:
        log.error("migration_failed", migration_set=migration.set, file=file, error=type(error).__name__)
        raise
    seconds = round(time.monotonic() - started, 3)
    log.info("migration_applied", migration_set=migration.set, file=file, seconds=seconds)


async def _grant(connection: Connection, role: str) -> None:
    """What the running service may do: rows, never the schema, and never the record of migrations."""
    if role == await connection.fetchval("SELECT current_user"):
        return
    quoted = '"' + role.replace('"', '""') + '"'
    grants = (
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
        "REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM {role}",
    )
    async with connection.transaction():
        for grant in grants:
            await connection.execute(grant.format(role=quoted))
