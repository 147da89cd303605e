"""Which families wait, where and why: what the machinery holds up, and what the service itself says of its cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from chassis.database import Connection
from chassis.inputs import DueIntake

SOON = timedelta(seconds=30)
"""What follows by itself follows within this time, or it is stuck (ours)."""
MOST = 500

_COLUMNS = "what, about, child_id, since, detail, wrong"
_UNPUBLISHED = """SELECT 'unpublished' AS what, key AS about, key AS child_id, min(recorded_at) AS since,
  count(*) || ' events wait for Kafka' AS detail, true AS wrong
FROM outbox WHERE recorded_at < $1 GROUP BY key ORDER BY 4 LIMIT $2"""
_PARKED = """SELECT 'parked' AS what, p.id AS about,
  CASE WHEN p.key ~ '^[0-9a-f-]{36}$' THEN p.key::uuid END AS child_id, p.parked_at AS since,
  p.reason || coalesce(nullif(' ' || p.detail, ' '), '') || coalesce(', ' || nullif((
    SELECT count(*) FROM parked q WHERE q.key = p.key AND q.state IN ('queued', 'retry') AND q.id <> p.id), 0)
    || ' behind it', '') AS detail, true AS wrong
FROM parked p WHERE p.state = 'failed' ORDER BY p.ordinal LIMIT $1"""


_RECALLED = """SELECT 'told_before' AS what, event_id AS about, key AS child_id, recorded_at AS since,
  type || ' was told before the restore' AS detail, true AS wrong
FROM recalled WHERE NOT EXISTS (SELECT FROM recoveries WHERE state = 'open') ORDER BY recorded_at LIMIT $1"""


def stuck_sql(query: str) -> str:
    """A service's own query (`what, about, child_id, since, detail, wrong`; $1 now) bounded and in order."""
    return f"SELECT {_COLUMNS} FROM ({query}) AS found ORDER BY wrong DESC, since LIMIT {MOST}"  # noqa: S608


async def stuck(
    connection: Connection, now: datetime, clocks: Sequence[DueIntake], own: str | None
) -> list[dict[str, Any]]:
    """Rows of what, about which id, which child, since when, why, and whether it must not be so; the oldest first."""
    rows = await connection.fetch(_UNPUBLISHED, now - SOON, MOST)
    rows += await connection.fetch(_PARKED, MOST)
    rows += await connection.fetch(_RECALLED, MOST)
    for clock in clocks:
        rows += await connection.fetch(_late(clock), now - SOON, MOST)
    if own is not None:
        rows += await connection.fetch(stuck_sql(own), now)
    return sorted((dict(r) for r in rows), key=lambda row: (not row["wrong"], row["since"]))


def _late(clock: DueIntake) -> str:
    about = "key" if clock.table.key_type == "uuid" else "NULL::uuid"
    return (
        f"SELECT 'clock_late' AS what, {about} AS about, NULL::uuid AS child_id, since, '{clock.name}' AS detail, "  # noqa: S608
        f"true AS wrong FROM ({clock.table.due_sql}) AS due (key, since) WHERE since IS NOT NULL"
    )
