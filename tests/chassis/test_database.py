"""What we assume of the PostgreSQL client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis import database
from chassis.tables import Table
from chassis.value import value


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("uuid", [uuid7(), None, uuid7()]),
        ("text", ["", "a,b", None, '{"x": [1]}']),
        ("bytea", [b"", b"\x00\xff", None]),
        ("timestamptz", [datetime(2026, 3, 29, 1, tzinfo=UTC), None]),
        ("bigint", [0, -1, 2**62, None]),
        ("boolean", [True, False, None]),
        ("jsonb", ["{}", "[1, 2]", None]),
        ("text", []),
    ],
)
async def test_arrays_travel_as_they_are(toy_database: str, kind: str, values: list[Any]) -> None:
    connection = await database.connect(toy_database, name="test")
    try:
        assert await connection.fetchval(f"SELECT $1::{kind}[]", values) == values
        assert await connection.fetchval(f"SELECT array(SELECT * FROM unnest($1::{kind}[]))", values) == values  # noqa: S608
        assert await connection.fetchval("SELECT $1::int[]", [[1, 2], [3, 4]]) == [[1, 2], [3, 4]]
    finally:
        await connection.close()


async def test_every_wait_for_the_database_has_an_end(toy_database: str) -> None:
    pool = await database.connect_pool(toy_database, size=1, name="test")
    try:
        for name in ("statement", "lock", "idle_in_transaction_session", "transaction"):
            setting = await pool.fetchval("SELECT setting::int FROM pg_settings WHERE name = $1", f"{name}_timeout")
            assert setting > 0, name
    finally:
        pool.terminate()


@value(frozen=True, slots=True)
class _Visit:
    visit_id: UUID
    earlier_id: UUID | None
    label: str


async def test_rows_have_standard_ids(toy_database: str) -> None:
    connection = await database.connect(toy_database, name="test")
    try:
        id_ = uuid7()
        record = await connection.fetchrow("SELECT 3::bigint, $1::uuid, NULL::uuid, 'first'", id_)
        assert record is not None
        version, row = Table(_Visit, "visits", key="visit_id").row(record)
    finally:
        await connection.close()
    assert (version, row) == (3, _Visit(id_, None, "first"))
    assert type(row.visit_id) is UUID
    assert repr(row.visit_id) == repr(UUID(str(id_)))
