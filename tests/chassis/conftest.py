"""A fresh database for each test of the chassis, with the chassis's own tables and those of the toy service."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

import chassis
from tests.chassis import toy

MIGRATIONS = Path(chassis.__file__).parent / "sql"


@pytest.fixture(scope="session")
async def toy_template(postgres: str) -> AsyncIterator[str]:
    """A database that others are cloned from; nobody connects to it."""
    name = f"toy_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name}")
    connection = await asyncpg.connect(_at(postgres, name))
    for path in sorted(MIGRATIONS.glob("*.sql")):
        await connection.execute(path.read_text())
    await connection.execute(toy.TABLES)
    await connection.close()
    yield name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def toy_database(postgres: str, toy_template: str) -> AsyncIterator[str]:
    """DSN of a fresh database."""
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {toy_template}")
    yield _at(postgres, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def _at(dsn: str, database: str) -> str:
    return re.sub(r"/[^/?]*(\?|$)", rf"/{database}\1", dsn, count=1) if dsn.count("/") > 2 else f"{dsn}/{database}"
