"""A fresh database for each test, cloned in milliseconds from a template that was filled once."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg


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
