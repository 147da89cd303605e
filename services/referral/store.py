"""The tables of the referral service, what each rule is given of them, and the reads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from attune_contracts.screening import ScreeningCompleted
from chassis.database import Connection
from chassis.inputs import AtOnce
from chassis.needs import State
from chassis.tables import Table
from services.referral.domain.allocation import ASKED, ENDED, KIN, LEAVING, WAITING, PoolAtWork
from services.referral.domain.consultation import Consultation, concern_id
from services.referral.domain.hand_over import CaseInPool
from services.referral.domain.offer import Offer, Refusal
from services.referral.domain.policy import STANDARD
from services.referral.domain.pool import Pool
from services.referral.domain.team_policy import PolicySet
from services.referral.domain.whole_caseload import LIMIT, Caseloads

consultations = Table(Consultation, "consultations", key="consultation_id")

# Teams with a case that the pool has not looked at, found one by one along the index however many cases each has.
pools = Table(
    Pool,
    "pools",
    key="team_id",
    due_sql="""
WITH RECURSIVE told AS (
  (SELECT team_id FROM consultations WHERE unsettled ORDER BY team_id LIMIT 1)
  UNION ALL
  SELECT (SELECT c.team_id FROM consultations c WHERE c.unsettled AND c.team_id > told.team_id
          ORDER BY c.team_id LIMIT 1)
  FROM told WHERE told.team_id IS NOT NULL
)
SELECT team_id, max(since) FROM (
  SELECT team_id, NULL::timestamptz AS since FROM told WHERE team_id IS NOT NULL
  UNION ALL
  SELECT team_id, next_due_at FROM pools WHERE next_due_at <= $1) AS due
GROUP BY team_id LIMIT $2""",
)

policies = Table(PolicySet, "policies", key="policy_id", immutable=True)
offers = Table(Offer, "offers", key="consultation_id", due="accept_by")
refusals = Table(Refusal, "refusals", key="refusal_id")

pool_of_event = pools.by("team_id")
pool_named = pools.by("team_id")
offered = consultations.by("key")
consultation = consultations.by("consultation_id")
consultation_of_screening = consultations.by(lambda event: concern_id(event.screening_id))
earlier_of_child = consultations.many(
    "child_id", column="child_id", where="family_id IS NOT NULL", order="requested_at DESC", limit=1
)
caseloads = State(
    Caseloads,
    pool=pools.by("team_id"),
    cases=consultations.many(
        "team_id",
        column="team_id",
        where="status = 'accepted' AND assigned_to IS NOT NULL",
        order="assigned_at, consultation_id",
        limit=LIMIT,
    ),
)
case_in_pool = State(CaseInPool, case=consultation, pool=pools.by("team_id"))

_ORDER = "place, consultation_id"
_HAS_FREE_POINTS = "EXISTS (SELECT FROM pools WHERE pools.team_id = k AND free_points > 0)"
_ASSIGNED = "status = 'accepted' AND waiting_since IS NULL"

# `ANY (ARRAY(...))` is looked up in the index, where `IN (...)` may read every open case of the team.
_WHO_HANDS_OVER = """ANY (ARRAY(
  SELECT (m->>'practitioner_id')::uuid FROM pools p, jsonb_array_elements(p.members) m
  WHERE p.team_id = k AND p.hands_over AND m->>'must_hand_over' IS NOT NULL))"""
_FAMILIES_IN_LINE = f"""ANY (ARRAY(
  (SELECT family_id FROM consultations w WHERE w.team_id = k AND w.unsettled AND w.place IS NOT NULL
   AND w.family_id IS NOT NULL ORDER BY w.place LIMIT {ASKED})
  UNION ALL
  (SELECT family_id FROM consultations w WHERE w.team_id = k AND NOT w.unsettled AND w.place IS NOT NULL
   AND w.family_id IS NOT NULL ORDER BY w.place LIMIT {WAITING})))"""

pool_at_work = State(
    PoolAtWork,
    pool=pools.by("key"),
    asked=consultations.many(
        "key", column="team_id", where="unsettled AND place IS NOT NULL", order=_ORDER, limit=ASKED
    ),
    waiting=consultations.many(
        "key",
        column="team_id",
        where=f"NOT unsettled AND place IS NOT NULL AND {_HAS_FREE_POINTS}",
        order=_ORDER,
        limit=WAITING,
    ),
    leaving=consultations.many(
        "key",
        column="team_id",
        where="status = 'accepted' AND EXISTS (SELECT FROM pools WHERE pools.team_id = k AND hands_over) "
        f"AND assigned_to = {_WHO_HANDS_OVER}",
        order="assigned_at DESC, consultation_id",
        limit=LEAVING,
    ),
    ended=consultations.many(
        "key", column="team_id", where="unsettled AND place IS NULL", order="ended_at", limit=ENDED
    ),
    siblings=consultations.many(
        "key",
        column="team_id",
        where=f"{_ASSIGNED} AND {_HAS_FREE_POINTS} AND family_id = {_FAMILIES_IN_LINE}",
        order="assigned_at",
        limit=ASKED + WAITING,
    ),
    asking=consultations.in_hand("key", column="team_id", where=lambda case: case.unsettled and case.place is not None),
    kin=consultations.in_hand(
        "key", column="team_id", where=lambda case: case.status == "accepted" and case.assigned_to is not None
    ),
)


def _team_asked(event: ScreeningCompleted) -> UUID | None:
    """The pool that a screening will ask for a place, where it is plain before the rule has looked."""
    return event.team_id if event.follows in ("consultation_routine", "consultation_urgent") else None


pool_asked_by_screening = AtOnce(
    pools,
    _team_asked,
    also=(
        consultations.many("pregnancy_id", column="family_id", where=_ASSIGNED, order="assigned_at DESC", limit=KIN),
    ),
)

PRIORITY = "CASE band WHEN 0 THEN 'urgent' ELSE 'routine' END AS priority"
_VIEW = f"""consultation_id, child_id, screening_id, team_id, kind, {PRIORITY}, points, language,
  requested_by, requested_at, consent, consent_reason, question, status, waiting_since, assigned_to, assigned_at,
  because, candidates, rule, acknowledged_by, acknowledged_at, end_reason, ended_by, ended_at"""


async def consultation_view(connection: Connection, consultation_id: UUID) -> dict[str, Any] | None:
    """One consultation with its case."""
    row = await connection.fetchrow(
        f"SELECT {_VIEW} FROM consultations WHERE consultation_id = $1",
        consultation_id,
    )
    return dict(row) if row else None


async def consultations_of_child(connection: Connection, child_id: UUID) -> list[dict[str, Any]]:
    """All consultations about a child, the oldest first."""
    rows = await connection.fetch(
        f"SELECT {_VIEW} FROM consultations WHERE child_id = $1 ORDER BY requested_at",
        child_id,
    )
    return [dict(row) for row in rows]


async def pool_view(connection: Connection, team_id: UUID) -> dict[str, Any] | None:
    """The members of a pool with their points, and how many cases wait."""
    record = await connection.fetchrow(pools.select, [team_id])
    if record is None:
        return None
    _, pool = pools.row(record)
    waiting = await connection.fetchval(
        "SELECT count(*) FROM consultations WHERE team_id = $1 AND waiting_since IS NOT NULL", team_id
    )
    return {"team_id": team_id, "members": pool.members, "policy": pool.policy or STANDARD, "waiting": waiting}


STUCK = """SELECT 'unsettled' AS what, consultation_id AS about, child_id, requested_at AS since,
  'its pool has not looked at it' AS detail, true AS wrong
FROM consultations
WHERE unsettled AND coalesce(ended_at, assigned_at, requested_at) < $1::timestamptz - interval '30 seconds'
UNION ALL SELECT 'waits', consultation_id, child_id, waiting_since,
  CASE WHEN band = 0 THEN 'urgent, ' ELSE '' END || 'on the waiting list', false
FROM consultations WHERE waiting_since IS NOT NULL AND NOT unsettled
UNION ALL SELECT 'not_triaged', consultation_id, child_id, requested_at, 'to be triaged', false
FROM consultations WHERE status = 'requested'
UNION ALL SELECT CASE kind WHEN 'overdue_clock' THEN 'breached'
                           WHEN 'concern_without_consultation' THEN 'no_consultation' ELSE 'task_overdue' END,
  about_id, child_id, CASE WHEN due_at < $1 THEN due_at ELSE raised_at END, replace(kind, '_', ' '), true
FROM tasks WHERE done_at IS NULL AND (kind IN ('overdue_clock', 'concern_without_consultation') OR due_at < $1)"""
"""Cases that wait for somebody: for their pool, for a place, for triage, or past their time."""
