"""The rows of the workforce service: what each rule is given, and what people may read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.tables import Table
from services.workforce.domain.practitioner import Practitioner

practitioners = Table(Practitioner, "practitioners", key="practitioner_id", due="next_due_at")
practitioner = practitioners.by("practitioner_id")

_COLUMNS = ", ".join(c.name for c in practitioners.columns)


async def practitioner_view(connection: Connection, practitioner_id: UUID) -> dict[str, Any] | None:
    """A practitioner with certificates and absences; None where unknown."""
    record = await connection.fetchrow(
        f"SELECT version, {_COLUMNS} FROM practitioners WHERE practitioner_id = $1",
        practitioner_id,
    )
    return asdict(practitioners.row(tuple(record))[1]) if record else None


async def practitioner_views(connection: Connection, team_id: UUID | None, after: UUID | None) -> list[dict[str, Any]]:
    """Practitioners, of one team or of all, at most 200 in the order of their ids, those behind `after`."""
    records = await connection.fetch(
        f"SELECT version, {_COLUMNS} FROM practitioners "
        "WHERE ($1::uuid IS NULL OR team_id = $1) AND ($2::uuid IS NULL OR practitioner_id > $2) "
        "ORDER BY practitioner_id LIMIT 200",
        team_id,
        after,
    )
    return [asdict(practitioners.row(tuple(record))[1]) for record in records]
