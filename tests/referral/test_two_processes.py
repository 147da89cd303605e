"""P7 with processes side by side, and without the constraint that would save them: the pool's version is enough."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from chassis import database
from services.referral.domain.commands import SetPolicy
from tests.referral.builders import TEAM
from tests.referral.test_on_postgres import Instance, joins, points_agree
from tests.support import databases

ROOT = Path(__file__).parents[2]

WATCHED = """
ALTER TABLE pools DROP CONSTRAINT capacity_is_never_exceeded;
CREATE TABLE broken (what text NOT NULL, held bigint NOT NULL, used bigint NOT NULL, capacity bigint NOT NULL);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO broken
  SELECT 'pool', coalesce(sum(c.points), 0), (m ->> 'used_points')::bigint, (m ->> 'capacity_points')::bigint
  FROM pools p CROSS JOIN jsonb_array_elements(p.members) m
  LEFT JOIN consultations c ON c.assigned_to = (m ->> 'practitioner_id')::uuid
    AND (c.status = 'accepted' OR c.unsettled)
  WHERE p.team_id = NEW.team_id
  GROUP BY m
  HAVING coalesce(sum(c.points), 0) <> (m ->> 'used_points')::bigint
      OR (m ->> 'used_points')::bigint > (m ->> 'capacity_points')::bigint;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT OR UPDATE ON pools
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look();
"""
"""Looks at every pool as a transaction leaves it: what is held and what is used agree, within the capacity."""


async def run(dsn: str, seed: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.referral.racer", dsn, seed, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0
    return int(out.split()[-1])


async def test_two_processes_never_exceed_the_capacity_whatever_they_do(postgres: str, referral_template: str) -> None:
    async with databases.created(postgres, referral_template) as dsn:
        pool = await database.connect_pool(dsn, size=2, name="test")
        try:
            await pool.execute(WATCHED)
            instance = Instance(pool)
            await instance.hear(*joins("ann", 6), *joins("ben", 4), *joins("cyd", 9))
            await instance.do(SetPolicy(team_id=TEAM, version=1, offer_working_days=1))
            done = await asyncio.gather(run(dsn, "one"), run(dsn, "two"))
            assert min(done) > 10
            await instance.come_to_rest()
            assert await pool.fetch("SELECT * FROM broken") == []
            assert await points_agree(pool)
            both = await pool.fetchval(
                "SELECT count(*) FROM consultations WHERE status = 'accepted'"
                " AND (assigned_to IS NULL) = (waiting_since IS NULL)"
            )
            assert both == 0
        finally:
            pool.terminate()
