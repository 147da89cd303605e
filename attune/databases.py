"""A service's database, where no service answers what is asked: one connection, and a clear word when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from attune.addresses import NotReachable

if TYPE_CHECKING:
    from chassis.database import Connection


@asynccontextmanager
async def connected(dsn: str, otherwise: str, *, name: str, **session: str) -> AsyncIterator[Connection]:
    """Open while it is used. Raises NotReachable with `otherwise` and the kind of error."""
    from chassis import database

    try:
        connection = await database.connect(dsn, name=name, **session)
    except Exception as error:
        raise NotReachable(f"{otherwise} ({type(error).__name__})") from None
    try:
        yield connection
    finally:
        await connection.close()
