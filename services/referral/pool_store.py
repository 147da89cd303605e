"""What team leads read of a pool: the list with its outlook, how work is spread, what a hand-over would come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.rows import Rows
from services.referral.domain.assignment import Seats
from services.referral.domain.fairness import Count, Fairness, fairness
from services.referral.domain.forecast import Forecast, Outlook, forecast, looks_back
from services.referral.domain.pool import Pool
from services.referral.domain.whole_caseload import Caseloads
from services.referral.store import PRIORITY, caseloads, pools

# Everybody who wants points, in order; direct work that waits for more of them is ahead of others, but has no position.
_LINE = f"""
SELECT consultation_id, child_id, {PRIORITY}, points, language, waiting_since,
  count(waiting_since) OVER line AS position,
  (sum(CASE WHEN waiting_since IS NOT NULL THEN points
       ELSE greatest((terms ->> 'points_wanted')::bigint - points, 0) END) OVER line)::bigint AS points_ahead
FROM consultations WHERE team_id = $1 AND place IS NOT NULL
WINDOW line AS (ORDER BY place, consultation_id ROWS UNBOUNDED PRECEDING)"""


async def pool_of(connection: Connection, team_id: UUID) -> Pool | None:
    record = await connection.fetchrow(pools.select, [team_id])
    return pools.row(record)[1] if record is not None else None


async def waiting_list(connection: Connection, team_id: UUID, limit: int, at: datetime) -> list[dict[str, Any]]:
    """The first places in the order in which they will be taken; position 1 is next."""
    rows = await connection.fetch(
        f"SELECT * FROM ({_LINE}) l WHERE waiting_since IS NOT NULL ORDER BY position LIMIT $2", team_id, limit
    )
    return await _with_outlook(connection, team_id, rows, at)


async def place_of(connection: Connection, team_id: UUID, consultation_id: UUID, at: datetime) -> dict[str, Any] | None:
    """The place of one case; nothing where it does not wait."""
    rows = await connection.fetch(
        f"SELECT * FROM ({_LINE}) l WHERE waiting_since IS NOT NULL AND consultation_id = $2", team_id, consultation_id
    )
    found = await _with_outlook(connection, team_id, rows, at)
    return found[0] if found else None


async def _with_outlook(
    connection: Connection, team_id: UUID, rows: Sequence[Any], at: datetime
) -> list[dict[str, Any]]:
    if not rows:
        return []
    pool = await pool_of(connection, team_id)
    seats = Seats(pool.members, at) if pool is not None else None
    free = sum(max(0, s.capacity - s.used) for s in seats.takers) if seats is not None else 0
    freed = await connection.fetchval(
        "SELECT coalesce(sum(points), 0)::bigint FROM consultations"
        " WHERE team_id = $1 AND ended_at > $2 AND assigned_to IS NOT NULL",
        team_id,
        looks_back(at),
    )
    return [_place(row, forecast(Outlook(row["points_ahead"], free, freed), at)) for row in rows]


def _place(row: Any, expected: Forecast) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name not in ("points_ahead", "child_id")}
    return kept | {"forecast": expected}


async def spread(connection: Connection, team_id: UUID, since: datetime, at: datetime) -> Fairness | None:
    """Shares of the contracted capacity, and what was given and refused since then."""
    pool = await pool_of(connection, team_id)
    if pool is None:
        return None
    rows = await connection.fetch(
        """SELECT practitioner_id, sum(open)::bigint AS open, sum(given)::bigint AS given,
             sum(declined)::bigint AS declined, sum(lapsed)::bigint AS lapsed FROM (
           SELECT assigned_to AS practitioner_id, (status = 'accepted')::int AS open, (assigned_at > $2)::int AS given,
             0 AS declined, 0 AS lapsed
           FROM consultations WHERE team_id = $1 AND assigned_to IS NOT NULL AND (status = 'accepted' OR ended_at > $2)
           UNION ALL
           SELECT practitioner_id, 0, 0, (kind = 'offer_declined')::int, (kind = 'offer_lapsed')::int
           FROM refusals WHERE team_id = $1 AND refused_at > $2) AS counted
           GROUP BY practitioner_id""",
        team_id,
        since,
    )
    counts = {r["practitioner_id"]: Count(*r) for r in rows}
    return fairness(pool, counts, since, at)


async def teams(connection: Connection) -> list[dict[str, Any]]:
    """Every team with its capacity, what of it is in use, and how many wait since when."""
    rows = await connection.fetch(
        """SELECT p.team_id, m.capacity_points, m.used_points, w.waiting, w.waiting_points, w.longest_waiting_since
           FROM pools p,
           LATERAL (SELECT coalesce(sum((e ->> 'capacity_points')::bigint), 0)::bigint AS capacity_points,
                      coalesce(sum((e ->> 'used_points')::bigint), 0)::bigint AS used_points
                    FROM jsonb_array_elements(p.members) e WHERE e ->> 'left_at' IS NULL) m,
           LATERAL (SELECT count(*) AS waiting, coalesce(sum(points), 0)::bigint AS waiting_points,
                      min(waiting_since) AS longest_waiting_since
                    FROM consultations c WHERE c.team_id = p.team_id AND c.waiting_since IS NOT NULL) w
           ORDER BY p.team_id LIMIT 1000"""
    )
    return [dict(row) for row in rows]


async def caseloads_of(connection: Connection, team: Any) -> Caseloads:
    """What the rule of a hand-over is given; `team` names it by `team_id`."""
    rows = Rows()
    await rows.load(connection, [(caseloads, team)])
    found: Caseloads = caseloads.give(rows, team)
    return found
