"""The one writing statement of a batch: inbox, rows, journal, outbox and parked inputs, all or nothing, in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.rows import Rows
from chassis.tables import Table


class StartAgain(Exception):
    """An input of the batch turned out to be impossible; the others are decided again without it."""


OPEN = "('failed', 'queued', 'retry')"
_INT = attrgetter("int")
"""UUIDs in the order of PostgreSQL, compared as numbers: UUIDs themselves are compared by a Python function."""

_INBOX = """INSERT INTO inbox (id, handled_at, fingerprint, status, reply)
SELECT * FROM unnest({0}::uuid[], {1}::timestamptz[], {2}::bytea[], {3}::smallint[], {4}::bytea[])"""

# The stream row is locked before a position is drawn from the outbox's sequence: so positions of one key follow
# its sequence numbers even when two processes write the same key.
_EVENTS = """e AS MATERIALIZED (
  SELECT * FROM unnest({2}::uuid[], {3}::uuid[], {4}::bigint[], {5}::text[], {6}::uuid[], {7}::uuid[], {8}::text[],
  {9}::bytea[]) WITH ORDINALITY AS e(event_id, key, behind, type, correlation_id, causation_id, traceparent, data, n)),
s AS (INSERT INTO streams AS t (key, last) SELECT * FROM unnest({0}::uuid[], {1}::bigint[])
  ON CONFLICT (key) DO UPDATE SET last = t.last + EXCLUDED.last RETURNING key, last),
j AS (INSERT INTO journal (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, traceparent, data)
  SELECT {10}::timestamptz, event_id, key, last - behind, type, correlation_id, causation_id, traceparent, data
  FROM e JOIN s USING (key) ORDER BY n),
o AS (INSERT INTO outbox (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, traceparent, data)
  SELECT {10}::timestamptz, event_id, key, last - behind, type, correlation_id, causation_id, traceparent, data
  FROM e JOIN s USING (key) ORDER BY n)"""

_PARK = """INSERT INTO parked AS p (id, key, intake, state, reason, detail, type, topic, partition, "offset",
  record_key, record_value, record_headers)
SELECT id, key, intake, state, reason, detail, type, topic, partition, "offset",
  record_key, record_value, headers::jsonb
FROM unnest({0}::uuid[], {1}::text[], {2}::text[], {3}::text[], {4}::text[], {5}::text[], {6}::text[], {7}::text[],
  {8}::int[], {9}::bigint[], {10}::bytea[], {11}::bytea[], {12}::text[]) WITH ORDINALITY
  AS u(id, key, intake, state, reason, detail, type, topic, partition, "offset", record_key, record_value, headers, n)
ORDER BY n
ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, reason = EXCLUDED.reason, detail = EXCLUDED.detail,
  attempts = p.attempts + 1, parked_at = now(), resolved_at = NULL, resolved_by = NULL
  WHERE p.state IN ('retry', 'queued') OR (p.intake LIKE 'due:%' AND p.state IN ('done', 'discarded'))"""


@dataclass(slots=True)
class Told:
    """One event to be recorded: its identity, what caused it, and its encoded data."""

    id: UUID
    key: UUID
    type: str
    correlation_id: UUID
    causation_id: UUID
    traceparent: str | None
    data: bytes


@dataclass(slots=True)
class Writing:
    """Everything that a batch wants written."""

    at: datetime
    inbox: list[tuple[UUID, datetime, bytes | None, int | None, bytes | None]] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    parked: list[tuple[Any, ...]] = field(default_factory=list)
    come_to_again: list[UUID] = field(default_factory=list)
    """Events told before the database was set back, which are true here again."""
    unless_parked: bool = False
    """Give up when any input of this service is parked: the batch must then look which keys may go on."""

    async def write(self, connection: Connection, rows: Rows) -> None:
        """Writes all or nothing. Raises DivisionByZeroError when a row had changed since it was read."""
        tables = tuple(sorted((t for t, changed in rows.changed.items() if changed), key=lambda t: t.name))
        if not (tables or self.inbox or self.events or self.parked or self.come_to_again):
            return
        arguments: list[Any] = []
        if self.inbox:
            arguments += [list(column) for column in zip(*self.inbox, strict=True)]
        if self.events:
            arguments += self._event_parameters()
        if self.parked:
            arguments += [list(column) for column in zip(*self.parked, strict=True)]
        if self.come_to_again:
            arguments.append(self.come_to_again)
        for table in tables:
            versions = rows.next_versions(table)
            arguments += table.parameters(versions)
            arguments.append(len(versions))
        parts = (bool(self.inbox), bool(self.events), bool(self.parked), bool(self.come_to_again))
        shape = (*parts, self.unless_parked, tables)
        await connection.fetchval(_statement(*shape), *arguments)

    def _event_parameters(self) -> list[Any]:
        behind: list[int] = []
        counts: dict[UUID, int] = {}
        for event in reversed(self.events):
            n = counts.get(event.key, 0)
            behind.append(n)
            counts[event.key] = n + 1
        behind.reverse()
        keys = sorted(counts, key=_INT)
        events = self.events
        return [
            keys,
            [counts[k] for k in keys],
            [e.id for e in events],
            [e.key for e in events],
            behind,
            [e.type for e in events],
            [e.correlation_id for e in events],
            [e.causation_id for e in events],
            [e.traceparent for e in events],
            [e.data for e in events],
            self.at,
        ]


@lru_cache(maxsize=512)
def _statement(  # noqa: PLR0917
    inbox: bool, events: bool, parked: bool, again: bool, unless_parked: bool, tables: tuple[Table, ...]
) -> str:
    parts: list[str] = []
    checks = ["true"]
    n = 0

    def numbered(template: str, count: int) -> str:
        nonlocal n
        text = template.format(*(f"${n + i}" for i in range(1, count + 1)))
        n += count
        return text

    if inbox:
        parts.append(f"i AS ({numbered(_INBOX, 5)})")
    if events:
        parts.append(numbered(_EVENTS, 11))
    if parked:
        parts.append(f"p AS ({numbered(_PARK, 13)})")
    if again:
        parts.append(numbered("r AS (DELETE FROM recalled WHERE event_id = ANY({0}::uuid[]))", 1))
    for at, table in enumerate(tables):
        parts.append(f"t{at} AS ({table.write_sql(n + 1)})")
        n += 1 + len(table.columns) + 1
        checks.append(f"(SELECT count(*) FROM t{at}) = ${n}::bigint")
    if unless_parked:
        checks.append(f"NOT EXISTS (SELECT FROM parked WHERE state IN {OPEN})")
    return f"WITH {', '.join(parts)} SELECT 1 / ({' AND '.join(checks)})::int"
