"""One of several processes that work for the same pool: `python -m tests.referral.racer DSN SEED`."""

from __future__ import annotations

import asyncio
import random
import sys

from chassis import database
from chassis.arrivals import Answer
from services.referral.domain.commands import CloseCase, DeclineCase, HandOverCase, HoldConsultation
from services.referral.domain.work_commands import EndDirectWork, PlanDirectWork
from tests.referral.builders import TEAM, concern
from tests.referral.test_on_postgres import Instance
from tests.support.given import some_id

ROUNDS = 60


async def race(instance: Instance, chance: random.Random) -> int:
    """Concerns, refusals, direct work, hand-overs and ends in any order; how many commands were carried out."""
    done = 0
    for n in range(ROUNDS):
        await instance.hear(*[concern(f"{chance.randrange(150)}") for _ in range(2)])
        row = await instance.pool.fetchrow(
            "SELECT consultation_id, assigned_to FROM consultations"
            " WHERE status = 'accepted' AND assigned_to IS NOT NULL"
            " ORDER BY md5(consultation_id::text || $1) LIMIT 1",
            f"{n} {chance.random()}",
        )
        if row is not None:
            id_, who = row
            to = some_id(chance.choice(["ann", "ben", "cyd"]))
            command = chance.choice(
                [
                    CloseCase(consultation_id=id_, reason="completed"),
                    DeclineCase(consultation_id=id_, reason="no_time"),
                    HandOverCase(consultation_id=id_, team_id=TEAM, to_practitioner_id=chance.choice([None, to])),
                    PlanDirectWork(
                        consultation_id=id_, intervention="watch_wait_and_wonder", family_agrees=True, goals=["Rest."]
                    ),
                    EndDirectWork(consultation_id=id_, team_id=TEAM, reason="ended_by_family", goals=[]),
                ]
            )
            if isinstance(command, PlanDirectWork):
                await instance.do(HoldConsultation(consultation_id=id_, outcome="direct_work"), by=who)
            done += isinstance(await instance.do(command, by=who), Answer)
        await instance.sweep()
    return done


async def main(dsn: str, seed: str) -> None:
    pool = await database.connect_pool(dsn, size=3, name="racer")
    try:
        sys.stdout.write(f"{await race(Instance(pool), random.Random(seed))}\n")
    finally:
        pool.terminate()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
