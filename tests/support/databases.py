"""A fresh database for each test, cloned in milliseconds from a template that was filled once."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from chassis import database


def at(dsn: str, database: str, user: str | None = None) -> str:
    """The same server, another database (and, on a server that trusts its clients, another user)."""
    server = re.sub(r"//[^@/]*@", f"//{user}@", dsn) if user else dsn
    return re.sub(r"(//[^/?]+)(/[^?]*)?", rf"\1/{database}", server, count=1)


@asynccontextmanager
async def created(admin_dsn: str, template: str | None = None) -> AsyncIterator[str]:
    """DSN of a new database, dropped at the end."""
    name = f"test_{uuid4().hex[:16]}"
    admin = await asyncpg.connect(admin_dsn)
    try:
        await admin.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        try:
            yield at(admin_dsn, name)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@asynccontextmanager
async def template(admin_dsn: str, fill: Callable[[str], Awaitable[None]]) -> AsyncIterator[str]:
    """Name of a database to clone from; `fill` is given its DSN once and must leave no connection open."""
    async with created(admin_dsn) as dsn:
        await fill(dsn)
        yield dsn.rsplit("/", 1)[1]


@asynccontextmanager
async def migrated(admin_dsn: str, folders: Iterable[Path]) -> AsyncIterator[str]:
    """Name of a template with the migrations in these folders applied."""

    async def fill(dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        for folder in folders:
            for path in sorted(folder.glob("*.sql")):
                await connection.execute(path.read_text())
        await connection.close()

    async with template(admin_dsn, fill) as name:
        yield name


@asynccontextmanager
async def pooled(admin_dsn: str, template: str) -> AsyncIterator[database.Pool]:
    """Connections to a new database, set up as in a running service."""
    async with created(admin_dsn, template) as dsn:
        pool = await database.connect_pool(dsn, size=6, name="test")
        yield pool
        pool.terminate()
