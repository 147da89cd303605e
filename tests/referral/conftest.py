"""A fresh database for each test, with the tables of the chassis and of referral."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis.database import Pool
from chassis.service import migration_sets
from services.referral.main import SERVICE
from tests.support import databases


@pytest.fixture(scope="session")
async def referral_template(postgres: str) -> AsyncIterator[str]:
    """Name of a database that is only cloned."""
    async with databases.migrated(postgres, [folder for _, folder in migration_sets(SERVICE)]) as name:
        yield name


@pytest.fixture
async def database_pool(postgres: str, referral_template: str) -> AsyncIterator[Pool]:
    async with databases.pooled(postgres, referral_template) as pool:
        yield pool
