"""Rows written in sets, in exactly the shape in which the services write them: children to be screened, and old cases.

Children go in as if their pregnancies and births had been registered and told long ago: rows, inbox, streams, journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from uuid import UUID

import asyncpg

from bench.people import People

_CHILDREN = """
WITH given AS MATERIALIZED (
  SELECT child_id, ($2::uuid[])[1 + n % cardinality($2::uuid[])] AS team_id, n,
    overlay(child_id::text placing 'aaaa' from 20 for 4)::uuid AS pregnancy_id,
    (now() AT TIME ZONE 'Europe/London')::date - 40 - (n % 20)::int AS born_on, now() - interval '40 days' AS at
  FROM unnest($1::uuid[]) WITH ORDINALITY AS g(child_id, n)),
p AS (INSERT INTO pregnancies (version, pregnancy_id, team_id, expected_on, child_ids, registered_at)
  SELECT 1, pregnancy_id, team_id, born_on, jsonb_build_array(child_id), at FROM given),
c AS (INSERT INTO children (version, child_id, pregnancy_id, team_id, expected_on, born_on, birth, children_born,
    registered_at, window_state, window_of, opens_day, due_day, closes_day, next_due_at)
  SELECT 2, child_id, pregnancy_id, team_id, born_on, born_on, 'live', 1, at, 'open', 'early-attachment-pathway/1',
    29, 56, 70, (born_on + 71)::timestamp AT TIME ZONE 'Europe/London' FROM given),
s AS (INSERT INTO streams (key, last) SELECT child_id, 2 FROM given),
i AS (INSERT INTO inbox (id, handled_at, fingerprint, status, reply)
  SELECT overlay(child_id::text placing part from 20 for 4)::uuid, at, decode(md5(child_id::text), 'hex'), 201,
    convert_to(json_build_object('child_id', child_id, 'pregnancy_id', pregnancy_id)::text, 'UTF8')
  FROM given, unnest(ARRAY['bbb1', 'bbb2']) AS part)
INSERT INTO journal (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, data)
SELECT at, overlay(child_id::text placing part from 20 for 4)::uuid, child_id, sequence,
  'attune.screening.' || type || '.v1', pregnancy_id, pregnancy_id,
  convert_to(json_build_object('child_id', child_id, 'pregnancy_id', pregnancy_id, 'team_id', team_id,
    'registered_at', at, 'born_on', born_on)::text, 'UTF8')
FROM given, (VALUES ('bbb3', 1, 'pregnancy-registered'), ('bbb4', 2, 'birth-recorded'))
  AS told(part, sequence, type)
"""
_CHUNK = 20_000


async def store_cases(
    connections: Mapping[str, asyncpg.Connection], people: People, first: int, last: int, told: Callable[[str], None]
) -> None:
    """Cases number `first` to `last`, each as it stands when its messages have been sent, then closed or still open.

    The services must not run meanwhile."""
    teams, screeners = list(people.teams), list(people.screeners)
    specialists = [who for team in people.specialists for who in team]
    given = {"screening": (teams, screeners)}
    for service in ("screening", "referral", "notification"):
        connection = connections[service]
        await connection.execute(files("bench").joinpath("sql", "identity.sql").read_text())
        statement = files("bench").joinpath("sql", f"{service}.sql").read_text()
        for start in range(first, last, _CHUNK):
            end = min(start + _CHUNK, last)
            await connection.execute(statement, start, end - 1, *given.get(service, (teams, specialists, screeners)))
            if end % 500_000 == 0 or end == last:
                told(f"  {service}: {end:,}")
        if service == "referral":
            await connection.execute(_POINTS)
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")


_POINTS = """
UPDATE pools SET version = version + 1, members = (
  SELECT jsonb_agg(jsonb_set(m, '{used_points}', to_jsonb(coalesce((
    SELECT sum(points) FROM consultations
    WHERE status = 'accepted' AND assigned_to = (m->>'practitioner_id')::uuid), 0))) ORDER BY n)
  FROM jsonb_array_elements(members) WITH ORDINALITY AS e(m, n))"""
"""The ledger of the pools, in step with the open cases."""


async def register_children(connection: asyncpg.Connection, ids: Sequence[UUID], teams: Sequence[UUID]) -> None:
    """Children born alive about seven weeks ago, spread over the teams."""
    for first in range(0, len(ids), _CHUNK):
        await connection.execute(_CHILDREN, ids[first : first + _CHUNK], list(teams))
    for table in ("children", "pregnancies", "streams", "inbox", "journal"):
        await connection.execute(f"ANALYZE {table}")
