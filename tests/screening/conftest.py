"""A fresh database for each test, with the tables of the chassis and of screening."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis.database import Pool
from chassis.service import migration_sets
from services.screening import store
from services.screening.main import SERVICE
from tests.screening.instance import Instance
from tests.support import databases


@pytest.fixture(scope="session")
async def screening_template(postgres: str) -> AsyncIterator[str]:
    """Name of a database that is only cloned."""
    async with databases.migrated(postgres, [folder for _, folder in migration_sets(SERVICE)]) as name:
        yield name


@pytest.fixture
async def database_pool(postgres: str, screening_template: str) -> AsyncIterator[Pool]:
    async with databases.pooled(postgres, screening_template) as pool:
        yield pool


@pytest.fixture
async def service(database_pool: Pool) -> Instance:
    """The service on its database, with the demonstration's definitions loaded."""
    for table in (store.instruments, store.pathways):
        table.known.clear()  # what another test's database held
    made = Instance(database_pool)
    await made.load_definitions()
    return made
