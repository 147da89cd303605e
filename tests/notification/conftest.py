"""A fresh database for each test, with the tables of the chassis and of notification."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis import database
from chassis.service import migration_sets
from services.notification.main import SERVICE
from tests.support import databases


@pytest.fixture(scope="session")
async def template(postgres: str) -> AsyncIterator[str]:
    """Name of a database that is only cloned."""

    async def fill(dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        for _, folder in migration_sets(SERVICE):
            for path in sorted(folder.glob("*.sql")):
                await connection.execute(path.read_text())
        await connection.close()

    async with databases.template(postgres, fill) as name:
        yield name


@pytest.fixture
async def pool(postgres: str, template: str) -> AsyncIterator[database.Pool]:
    async with databases.created(postgres, template) as dsn:
        pool = await database.connect_pool(dsn, size=6, name="test")
        yield pool
        pool.terminate()
