"""A fresh database for each test, with the tables of the chassis and of notification."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis.database import Pool
from chassis.service import migration_sets
from services.notification.main import SERVICE
from tests.support import databases


@pytest.fixture(scope="session")
async def template(postgres: str) -> AsyncIterator[str]:
    """Name of a database that is only cloned."""
    async with databases.migrated(postgres, [folder for _, folder in migration_sets(SERVICE)]) as name:
        yield name


@pytest.fixture
async def pool(postgres: str, template: str) -> AsyncIterator[Pool]:
    async with databases.pooled(postgres, template) as pool:
        yield pool
