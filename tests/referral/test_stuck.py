"""What `attune status` hears from referral: cases that nobody looks after are named while they are, and not after."""

from __future__ import annotations

from datetime import timedelta

from attune_contracts.screening import ConsultationOverdueForConcern
from chassis.database import Pool
from chassis.stuck import stuck
from services.referral.domain.commands import FinishTask
from services.referral.store import STUCK
from tests.referral.builders import TEAM, concern
from tests.referral.test_on_postgres import CLOCKS, Instance
from tests.support.given import NOON, some_id


async def named(referral: Instance, **later: float) -> list[tuple[str, bool]]:
    async with referral.pool.acquire() as connection:
        rows = await stuck(connection, referral.processor.now() + timedelta(**later), CLOCKS, STUCK)
    return [(row["what"], row["wrong"]) for row in rows if row["what"] != "unpublished"]


async def test_a_concern_without_consultation_is_named_until_its_task_is_done(database_pool: Pool) -> None:
    referral = Instance(database_pool)
    overdue = ConsultationOverdueForConcern(
        screening_id=some_id("a screening"),
        child_id=some_id("a child"),
        pregnancy_id=some_id("a pregnancy"),
        team_id=TEAM,
        outcome="concern",
        screened_at=NOON,
        due_at=NOON,
    )
    await referral.hear(overdue)
    assert await named(referral) == [("no_consultation", True)]
    assert ("no_consultation", True) in await named(referral, days=9)
    task_id = await database_pool.fetchval("SELECT task_id FROM tasks")
    await referral.do(FinishTask(task_id=task_id))
    assert await named(referral, days=9) == []


async def test_a_case_for_which_the_pool_has_nobody_waits_and_its_task_becomes_overdue(database_pool: Pool) -> None:
    referral = Instance(database_pool)
    await referral.hear(concern("a"))
    assert await named(referral) == [("waits", False)]
    found = await named(referral, days=4)
    assert ("task_overdue", True) in found


async def test_a_clock_of_a_consultation_that_nobody_looked_at_is_late(database_pool: Pool) -> None:
    referral = Instance(database_pool)
    await referral.hear(concern("a"))
    assert ("clock_late", True) not in await named(referral, hours=12)
    assert ("clock_late", True) in await named(referral, hours=12, minutes=1)
