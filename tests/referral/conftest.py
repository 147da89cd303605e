"""A fresh database for each test, with the tables of the chassis and of referral."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis import database
from chassis.service import migration_sets
from services.referral.main import SERVICE
from tests.support import databases


@pytest.fixture(scope="session")
async def referral_template(postgres: str) -> AsyncIterator[str]:
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
async def database_pool(postgres: str, referral_template: str) -> AsyncIterator[database.Pool]:
    """Connections set up as in the running service."""
    async with databases.created(postgres, referral_template) as dsn:
        pool = await database.connect_pool(dsn, size=6, name="test")
        yield pool
        pool.terminate()
