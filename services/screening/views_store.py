"""What people may read of the screening service: children, screenings, definitions, who is due, who was covered."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.screening.store import instruments, screenings

_SEALED = """WITH RECURSIVE goes_on AS (
  SELECT child_id, ended, merged_into FROM children WHERE child_id = $1
  UNION SELECT c.child_id, c.ended, c.merged_into FROM goes_on AS g JOIN children AS c ON c.child_id = g.merged_into)
SELECT EXISTS (SELECT FROM goes_on WHERE ended = 'adopted')"""
_RATABLE = """second_ratings AS r JOIN screenings AS s USING (screening_id) JOIN children AS c USING (child_id)
WHERE r.rater_id IS NULL AND (c.ended IS NULL OR c.ended = 'moved_out')"""
_OPEN_RATING = f"SELECT screening_id, r.first_rater_id FROM {_RATABLE} AND child_id = $1"
_DUE = """WITH near AS (
  SELECT child_id, born_on, ($2 - born_on) AS age_days, not_completed_reason, follow_up_on, window_state,
    born_on + opens_day::int AS opens_on, born_on + due_day::int AS due_on, born_on + closes_day::int AS closes_on
  FROM children WHERE team_id = $1 AND ended IS NULL AND birth = 'live')
SELECT child_id, 'screening' AS what, age_days, opens_on, due_on, closes_on, not_completed_reason,
  due_on < $2 AS overdue
FROM near WHERE window_state IN ('before', 'open') AND opens_on <= $2 + $3::int AND closes_on >= $2
UNION ALL
SELECT child_id, 'follow_up', age_days, follow_up_on, follow_up_on, NULL, not_completed_reason, follow_up_on < $2
FROM near WHERE follow_up_on <= $2 + $3::int AND (follow_up_on <= $2 OR NOT EXISTS (
  SELECT FROM second_ratings r JOIN screenings s USING (screening_id)
  WHERE r.rater_id IS NULL AND s.child_id = near.child_id))
ORDER BY due_on, child_id LIMIT 2000"""
_OPEN_RATINGS = f"""SELECT screening_id, child_id, r.team_id, r.first_rater_id, r.competence, s.instrument,
  s.instrument_version, s.screened_at, r.requested_at
FROM {_RATABLE} AND r.team_id = $1 ORDER BY r.requested_at LIMIT 1000"""
_COVERAGE = """SELECT team_id,
  CASE WHEN window_state = 'too_late' AND arrived_too_late THEN 'arrived'
       WHEN covered_at_days <= due THEN 'by_due_day' WHEN covered_at_days IS NOT NULL THEN 'in_window'
       ELSE coalesce(not_completed_reason, CASE window_state WHEN 'too_late' THEN 'known_too_late'
         WHEN 'missed' THEN 'no_attempt_recorded' ELSE 'not_yet' END) END AS outcome, count(*) AS children
FROM (SELECT *, coalesce(due_day, 56)::int AS due FROM children) AS c
WHERE birth = 'live' AND born_on + due <= $1 AND ($2::uuid IS NULL OR team_id = $2)
  AND (ended IS NULL
    OR ended IN ('died', 'moved_out') AND (ended_at AT TIME ZONE 'Europe/London')::date >= born_on + due)
GROUP BY 1, 2 ORDER BY 1, 2"""


async def child_view(connection: Connection, child_id: UUID) -> dict[str, Any] | None:
    """A child with its screenings, the latest first; None where it is unknown. Personal data."""
    child = await connection.fetchrow("SELECT * FROM children WHERE child_id = $1", child_id)
    if child is None:
        return None
    held = await connection.fetch(
        "SELECT screening_id, instrument, instrument_version, outcome, reason, screened_at, administered_by "
        "FROM screenings WHERE child_id = $1 ORDER BY screened_at DESC LIMIT 100",
        child_id,
    )
    view = {name: value for name, value in child.items() if name != "version"}
    return view | {"screenings": [dict(row) for row in held]}


async def screening_view(connection: Connection, screening_id: UUID) -> dict[str, Any] | None:
    """A screening with answers and decision record; None where it is unknown. Personal data."""
    record = await connection.fetchrow(
        f"SELECT version, {', '.join(c.name for c in screenings.columns)} FROM screenings WHERE screening_id = $1",
        screening_id,
    )
    if record is None:
        return None
    _, row = screenings.row(tuple(record))
    return {c.name: getattr(row, c.name) for c in screenings.columns}


async def instrument_views(connection: Connection) -> list[dict[str, Any]]:
    """All loaded instruments; item text only where the licence lets everybody read it."""
    views = []
    for record in await connection.fetch(
        "SELECT version, reference, definition, loaded_at, loaded_by FROM instruments"
    ):
        _, row = instruments.row(tuple(record))
        definition = row.definition.model_dump(mode="json")
        if definition["licence"] == "permission_required":
            for item in definition["items"]:
                item["text"] = None
        name, _, version = row.reference.rpartition("/")
        views.append({"instrument": name, "instrument_version": int(version), "definition": definition})
    return sorted(views, key=lambda view: (view["instrument"], view["instrument_version"]))


async def is_sealed(connection: Connection, child_id: UUID) -> bool:
    """Whether the child was adopted, under this record or one that it goes on in: then only few may look at it."""
    return bool(await connection.fetchval(_SEALED, child_id))


async def unrated(connection: Connection, child_id: UUID) -> dict[UUID, UUID]:
    """Screenings of a child that wait for their second rating, with the first rater."""
    return {r["screening_id"]: r["first_rater_id"] for r in await connection.fetch(_OPEN_RATING, child_id)}


async def due(connection: Connection, team_id: UUID, today: date, within_days: int) -> list[dict[str, Any]]:
    """Children of a team to be screened or looked at again from now on until then, the most urgent first."""
    return [dict(r) for r in await connection.fetch(_DUE, team_id, today, within_days)]


async def open_ratings(connection: Connection, team_id: UUID) -> list[dict[str, Any]]:
    """Screenings of a team that wait for a second rater, the oldest first; never what the first one found.

    Nobody is asked any more about a child whose record has ended.
    """
    return [dict(r) for r in await connection.fetch(_OPEN_RATINGS, team_id)]


async def coverage(connection: Connection, today: date, team_id: UUID | None) -> list[dict[str, Any]]:
    """By team: babies who reached the due day, those screened in the window and by that day, and why not the rest."""
    teams: dict[UUID, dict[str, Any]] = {}
    for r in await connection.fetch(_COVERAGE, today, team_id):
        team = teams.setdefault(
            r["team_id"],
            {
                "team_id": r["team_id"],
                "reached_due_day": 0,
                "screened": 0,
                "screened_by_due_day": 0,
                "reasons": {},
                "arrived_after_window": 0,
            },
        )
        outcome, children = r["outcome"], r["children"]
        if outcome == "arrived":
            team["arrived_after_window"] = children
            continue
        team["reached_due_day"] += children
        if outcome in ("by_due_day", "in_window"):
            team["screened"] += children
            team["screened_by_due_day"] += children if outcome == "by_due_day" else 0
        else:
            team["reasons"][outcome] = children
    return list(teams.values())
