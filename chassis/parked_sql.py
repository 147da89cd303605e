"""The statements of parking: each finds what it needs along an index, however much is parked."""

from __future__ import annotations

from chassis.writing import OPEN

COLUMNS = """id, key, intake, state, reason, detail, attempts, type, topic, partition, "offset",
  parked_at, resolved_at, resolved_by"""
WAITING = "('queued', 'retry')"
HEADS = 500
"""Of so many keys the first is taken in one pass."""
LOOK = f"""SELECT EXISTS (SELECT FROM parked WHERE state IN {OPEN}) AS any_open,
  ARRAY(SELECT DISTINCT key FROM parked WHERE state IN {OPEN} AND key = ANY($1::text[])) AS closed,
  ARRAY(SELECT id FROM parked WHERE id = ANY($2::uuid[]) AND state IN {OPEN}) AS parked"""
# Only keys in which something waits are looked at, one by one along the index, however much else is parked.
READY = f"""WITH RECURSIVE waiting AS (
  (SELECT key FROM parked WHERE state IN {WAITING} AND key IS NOT NULL ORDER BY key LIMIT 1)
  UNION ALL
  SELECT (SELECT p.key FROM parked p WHERE p.state IN {WAITING} AND p.key > w.key ORDER BY p.key LIMIT 1)
  FROM waiting w WHERE w.key IS NOT NULL
)
SELECT h.id FROM waiting w CROSS JOIN LATERAL (
  SELECT id, state FROM parked p WHERE p.key = w.key AND p.state IN {OPEN} ORDER BY p.ordinal LIMIT 1) h
WHERE h.state IN {WAITING}
UNION ALL (SELECT id FROM parked WHERE key IS NULL AND state IN {WAITING} ORDER BY ordinal)
LIMIT {HEADS}"""
GROUPS = f"""SELECT intake, type, state, reason, detail, count(*) AS count, min(parked_at) AS since
FROM parked WHERE state IN {OPEN} GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 3, 4, 5 LIMIT 200"""
# What failed is always the first of its key: those behind it are not tried.
ALL_OF_REASON = """SELECT id FROM parked WHERE state = 'failed' AND reason = $1 AND ($2::text IS NULL OR intake = $2)
  AND NOT ($4 AND intake LIKE 'due:%')
  ORDER BY ordinal LIMIT $3 FOR UPDATE SKIP LOCKED"""
RESOLVE = """UPDATE parked SET state = $2, resolved_at = now(),
  resolved_by = coalesce($3, resolved_by, 'order of the key') WHERE id = $1"""
FAILED_AGAIN = """UPDATE parked SET state = 'failed', reason = 'constraint', detail = $2, attempts = attempts + 1
  WHERE id = $1"""
FAILED_CLOCKS = "SELECT key FROM parked WHERE intake = $1 AND state = 'failed'"
"""The rows of these clocks stay due, and are not asked again before somebody has retried or discarded them."""
