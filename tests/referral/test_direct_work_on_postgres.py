"""Direct work through the processor on a real database, with the catalogue that comes with the tables."""

from __future__ import annotations

from typing import Any

import pytest

from attune_contracts.workforce import CapacityChanged
from chassis.arrivals import Answer
from chassis.database import Pool
from services.referral import work_store
from services.referral.domain.commands import CloseCase, HoldConsultation
from services.referral.domain.measuring import owed
from services.referral.domain.work_commands import (
    EndDirectWork,
    LoadIntervention,
    LoadMeasure,
    PlanDirectWork,
    RecordMeasure,
    RecordSession,
)
from tests.referral.builders import TEAM, concern
from tests.referral.test_ledger_on_postgres import case_of, told
from tests.referral.test_on_postgres import Instance, joins, points_agree
from tests.support.given import NOON, some_id

CASE = case_of("a")
PLAN = PlanDirectWork(
    consultation_id=CASE, intervention="watch_wait_and_wonder", family_agrees=True, goals=["Calmer evenings."]
)
HELD = HoldConsultation(consultation_id=CASE, outcome="direct_work")
END = EndDirectWork(
    consultation_id=CASE, team_id=TEAM, reason="goals_met", goals=["met"], onward_plan="The health visitor goes on."
)


@pytest.fixture
def referral(database_pool: Pool) -> Instance:
    return Instance(database_pool)


async def stands(referral: Instance) -> tuple[Any, ...]:
    row = await referral.pool.fetchrow(
        "SELECT w.status, c.points, c.place IS NOT NULL"
        " FROM direct_works w JOIN consultations c USING (consultation_id)"
    )
    assert row is not None
    return tuple(row)


def session(attendance: Any) -> RecordSession:
    return RecordSession(consultation_id=CASE, attendance=attendance, session_at=NOON, setting="home")


def measure(point: Any, each: int) -> RecordMeasure:
    answers = dict.fromkeys(("enjoying", "understanding", "soothing", "playing"), each)
    return RecordMeasure(
        consultation_id=CASE,
        measure="attune_closeness",
        measure_version=1,
        point=point,
        measured_at=NOON,
        answers=answers,
    )


async def test_direct_work_from_its_plan_to_its_end(referral: Instance) -> None:
    await referral.hear(*joins("ann", 6))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    for command in (HELD, PLAN, measure("start", 1)):
        assert isinstance(await referral.do(command), Answer)
    await referral.come_to_rest()
    assert await stands(referral) == ("under_way", 4, False)
    for command in (session("attended"), session("missed"), measure("end", 3)):
        assert isinstance(await referral.do(command), Answer)
    async with referral.pool.acquire() as connection:
        work = (await work_store.work_of(connection, CASE)).work
        sessions = await work_store.sessions_of(connection, CASE)
        taken = await work_store.measurements_of(connection, CASE)
    assert work is not None
    assert [(s["number"], s["attendance"]) for s in sessions] == [(1, "attended"), (2, "missed")]
    assert [(m.point, m.total) for m in taken] == [("start", 4), ("end", 12)]
    assert [t.measure for t in owed(work)] == ["goal_progress/1"]
    assert isinstance(await referral.do(END), Answer)
    await referral.come_to_rest()
    assert await stands(referral) == ("ended", 2, False)
    assert await points_agree(referral.pool)
    kinds = ("direct-work-started", "session-recorded", "measure-recorded", "direct-work-ended")
    assert [await told(referral, kind) for kind in kinds] == [1, 2, 2, 1]


async def test_direct_work_waits_for_points_before_new_cases_and_begins_when_they_come(referral: Instance) -> None:
    await referral.hear(*joins("ann", 3))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    await referral.do(HELD)
    await referral.do(PLAN)
    referral.days = 1
    await referral.hear(concern("b"))
    await referral.come_to_rest()
    assert await stands(referral) == ("waits", 2, True)
    assert await referral.ledger() == (1, 1, 0)
    await referral.hear(
        CapacityChanged(practitioner_id=some_id("ann"), team_id=TEAM, capacity_points=5, changed_at=NOON)
    )
    await referral.come_to_rest()
    assert await stands(referral) == ("under_way", 4, False)
    assert await referral.ledger() == (1, 1, 0)
    assert await points_agree(referral.pool)
    await referral.do(END)
    await referral.come_to_rest()
    assert await referral.ledger() == (2, 0, 0)
    assert await points_agree(referral.pool)


async def test_a_closed_case_ends_its_direct_work_and_gives_back_what_it_weighed(referral: Instance) -> None:
    await referral.hear(*joins("ann", 4))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    await referral.do(HELD)
    await referral.do(PLAN)
    await referral.come_to_rest()
    await referral.do(CloseCase(consultation_id=CASE, reason="moved_away"))
    await referral.come_to_rest()
    assert await referral.pool.fetchval("SELECT end_reason FROM direct_works") == "moved_away"
    assert await points_agree(referral.pool)
    assert type(await referral.do(session("attended"))).__name__ == "ConsultationNotOpen"


async def test_the_catalogue_that_comes_with_the_tables_is_what_could_be_loaded(referral: Instance) -> None:
    """The same again changes nothing: each definition breaks none of the rules for loading."""
    async with referral.pool.acquire() as connection:
        interventions = await work_store.interventions_loaded(connection)
        measures = await work_store.measures_loaded(connection)
    known = {m.reference for m in measures}
    assert len(interventions) == 6
    for entry in interventions:
        name = entry.reference.partition("/")[0]
        assert set(entry.definition.measures) <= known
        same = LoadIntervention(intervention=name, intervention_version=1, definition=entry.definition)
        newer = same.model_copy(update={"intervention_version": 2})
        assert isinstance(await referral.do(same), Answer)
        assert isinstance(await referral.do(newer), Answer)
    for m in measures:
        name = m.reference.partition("/")[0]
        assert m.definition.licence != "permission_required" or not any(i.text for i in m.definition.items)
        for number in (1, 2):
            load = LoadMeasure(measure=name, measure_version=number, definition=m.definition)
            assert isinstance(await referral.do(load), Answer)


async def test_the_same_measure_at_the_same_time_is_taken_once(referral: Instance) -> None:
    await referral.hear(*joins("ann", 6))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    await referral.do(HELD)
    await referral.do(PLAN)
    assert isinstance(await referral.do(measure("start", 1)), Answer)
    assert type(await referral.do(measure("start", 2))).__name__ == "MeasureTakenBefore"
