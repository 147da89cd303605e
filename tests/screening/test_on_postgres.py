"""The cohort through the processor on a real database: siblings of one batch, records that merge, clocks that ring."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from attune_contracts.referral import ConsultationRequested
from attune_contracts.workforce import CompetenceAwarded
from chassis.commands import parse
from chassis.database import Pool
from chassis.working_days import Calendar
from services.screening import views_store
from services.screening.domain.commands import (
    CorrectBirth,
    DoubleRating,
    EndPregnancy,
    LoadPathway,
    MergeRecords,
    MoveChild,
    RecordAdoption,
    RecordBirth,
    RecordDeath,
    RegisterPregnancy,
)
from tests.screening import examples
from tests.screening.instance import Instance, answered, days
from tests.support.field import nhs_number
from tests.support.given import NOON, some_id

MOTHER, BABY, OTHER_BABY = "9434765919", "9350128438", "9412945515"


def twin(number: str, **changes: Any) -> RecordBirth:
    body = {"team_id": str(examples.TEAM), "born_on": "2026-03-01", "children_born": 2, "nhs_number": number}
    return parse(RecordBirth, json.dumps(body | {"mother_nhs_number": MOTHER} | changes, default=str).encode())


async def test_twins_of_one_batch_are_one_family(service: Instance) -> None:
    first, second = map(answered, await service.all(twin(BABY), twin(OTHER_BABY)))
    assert first["child_id"] != second["child_id"]
    assert first["pregnancy_id"] == second["pregnancy_id"]


async def test_a_pregnancy_and_its_birth_in_one_batch_are_one_child(service: Instance) -> None:
    body = {"team_id": str(examples.TEAM), "expected_on": "2026-03-10", "mother_nhs_number": MOTHER}
    expected = parse(RegisterPregnancy, json.dumps(body).encode())
    birth = twin(BABY, children_born=1)
    registered, born = map(answered, await service.all(expected, birth))
    assert registered["child_ids"] == [born["child_id"]]


@pytest.mark.parametrize("attempt", range(5))
async def test_twins_recorded_by_two_processes_at_once_are_one_family(database_pool: Pool, attempt: int) -> None:
    one, other = Instance(database_pool), Instance(database_pool)
    first, second = await asyncio.gather(one.do(twin(BABY)), other.do(twin(OTHER_BABY)))
    assert first["child_id"] != second["child_id"]
    assert first["pregnancy_id"] == second["pregnancy_id"]


async def test_triplets_among_other_births_are_one_family(service: Instance) -> None:
    numbers = (BABY, OTHER_BABY, nhs_number())
    commands = [twin(number, children_born=3) for number in numbers]
    stranger = twin(nhs_number(), mother_nhs_number=nhs_number(), children_born=1)
    first, other, second, third = map(answered, await service.all(commands[0], stranger, *commands[1:]))
    assert first["pregnancy_id"] == second["pregnancy_id"] == third["pregnancy_id"] != other["pregnancy_id"]
    assert len({child["child_id"] for child in (first, second, third)}) == 3


def merging(ending: dict[str, Any], into: dict[str, Any]) -> MergeRecords:
    return MergeRecords(child_id=UUID(ending["child_id"]), into_child_id=UUID(into["child_id"]))


async def test_an_nhs_number_passes_to_the_record_that_goes_on(service: Instance) -> None:
    for n in range(6):  # whichever of the two is written first
        number = nhs_number()
        ending = await service.born(nhs_number=number)
        into = await service.born()
        if n % 2:
            ending, into = await service.born(nhs_number=None), ending
        assert await service.do(merging(ending, into)) == {"child_id": into["child_id"]}
        holders = await service.rows("SELECT child_id FROM children WHERE nhs_number = $1", number)
        assert [str(r[0]) for r in holders] == [into["child_id"]]
        assert "records-merged" in await service.kinds(ending["child_id"])


async def test_screenings_go_over_to_the_record_that_goes_on(service: Instance) -> None:
    ending, into = await service.born(date(2026, 1, 16)), await service.born(date(2026, 1, 16))
    await service.come_to(NOON)
    screened = await service.do(examples.screening(child_id=ending["child_id"]))
    await service.do(merging(ending, into))
    (row,) = await service.rows("SELECT child_id FROM screenings")
    assert str(row[0]) == into["child_id"]
    await service.come_to(NOON + days(60))
    assert "screening-missed" not in await service.kinds()
    (kept,) = await service.rows(
        "SELECT last_screening_id, covered_at_days FROM children WHERE child_id = $1::uuid", into["child_id"]
    )
    assert (str(kept[0]), kept[1]) == (screened["screening_id"], 45)


async def test_the_window_opens_is_missed_and_is_told_once(service: Instance) -> None:
    child = (await service.born(date(2026, 3, 2)))["child_id"]
    await service.come_to(datetime(2026, 3, 30, 22, 59, 59, tzinfo=UTC))
    assert await service.kinds(child) == ["birth-recorded"]
    await service.come_to(datetime(2026, 3, 30, 23, 0, tzinfo=UTC))  # 31 March in summer time
    assert await service.kinds(child) == ["birth-recorded", "screening-due"]
    await service.come_to(datetime(2026, 5, 11, 22, 59, 59, tzinfo=UTC))
    assert await service.kinds(child) == ["birth-recorded", "screening-due"]
    await service.come_to(datetime(2026, 5, 11, 23, 0, tzinfo=UTC))  # the 71st day begins
    await service.come_to(datetime(2026, 7, 1, tzinfo=UTC))
    told = await service.told(child)
    assert [kind for kind, _ in told] == ["birth-recorded", "screening-due", "screening-missed"]
    assert (told[-1][1]["reason"], told[-1][1]["age_days"]) == ("no_attempt_recorded", 71)


async def test_nothing_is_due_after_a_loss(service: Instance) -> None:
    body = {"team_id": str(examples.TEAM), "expected_on": "2026-05-10", "expected_children": 2}
    registered = await service.do(parse(RegisterPregnancy, json.dumps(body).encode()))
    lost, living = registered["child_ids"]
    end = {"reason": "loss", "ended_at": NOON.isoformat(), "child_ids": [lost]}
    path = {"pregnancy_id": registered["pregnancy_id"]}
    assert (await service.do(parse(EndPregnancy, json.dumps(end).encode(), path)))["child_ids"] == [lost]
    birth = twin(BABY, pregnancy_id=registered["pregnancy_id"], children_born=1, mother_nhs_number=None, team_id=None)
    assert (await service.do(birth))["child_id"] == living
    await service.come_to(NOON + days(40))
    await service.come_to(NOON + days(100))
    assert await service.kinds(lost) == ["pregnancy-registered", "pregnancy-ended"]
    assert await service.kinds(living) == [
        "pregnancy-registered", "birth-recorded", "screening-due", "screening-missed"
    ]  # fmt: skip


async def test_a_corrected_date_moves_the_window(service: Instance) -> None:
    child = (await service.born(date(2026, 3, 2)))["child_id"]
    await service.come_to(datetime(2026, 4, 1, tzinfo=UTC))
    await service.do(CorrectBirth(child_id=UUID(child), born_on=date(2026, 3, 29)))
    await service.come_to(datetime(2026, 4, 26, tzinfo=UTC))
    assert await service.kinds(child) == ["birth-recorded", "screening-due", "birth-corrected"]
    await service.come_to(datetime(2026, 4, 27, tzinfo=UTC))
    assert (await service.kinds(child))[-1] == "screening-due"


async def test_who_is_born_after_it_moved_out_is_back_and_screened(service: Instance) -> None:
    body = {"team_id": str(examples.TEAM), "expected_on": "2026-03-10", "mother_nhs_number": MOTHER}
    registered = await service.do(parse(RegisterPregnancy, json.dumps(body).encode()))
    (child,) = registered["child_ids"]
    await service.do(MoveChild(child_id=UUID(child), to_team_id=None, moved_at=NOON - days(9)))
    team = some_id("other team")
    birth = twin(BABY, team_id=team, children_born=1)
    answer = await service.do(birth)
    assert answer == await service.do(birth)
    assert (answer["child_id"], answer["team_id"]) == (child, str(team))
    await service.come_to(NOON + days(40))
    await service.come_to(NOON + days(100))
    told = await service.told(child)
    assert [kind for kind, _ in told] == [
        "pregnancy-registered", "child-moved", "child-moved", "birth-recorded", "screening-due", "screening-missed"
    ]  # fmt: skip
    assert {data["team_id"] for _, data in told[3:]} == {str(team)}


async def test_what_was_merged_into_an_adopted_childs_record_is_sealed_with_it(service: Instance) -> None:
    one, two, three = [await service.born() for _ in range(3)]
    ids = [UUID(born["child_id"]) for born in (one, two, three)]
    await service.do(merging(one, two))
    await service.do(merging(two, three))

    async def sealed() -> list[bool]:
        async with service.pool.acquire() as connection:
            return [await views_store.is_sealed(connection, child_id) for child_id in (*ids, some_id("nobody"))]

    assert await sealed() == [False, False, False, False]
    await service.do(RecordAdoption(child_id=ids[2]))
    assert await sealed() == [True, True, True, False]


@pytest.mark.parametrize(("then", "open_"), [(None, 1), ("moved out", 1), ("adopted", 0), ("died", 0)])
async def test_nobody_is_asked_to_rate_who_is_gone(service: Instance, then: str | None, open_: int) -> None:
    await service.hear(certified())
    await service.do(rated_always())
    child_id = UUID((await service.born(date(2026, 1, 16)))["child_id"])
    await service.do(examples.screening(child_id=str(child_id)))
    if then == "moved out":
        await service.do(MoveChild(child_id=child_id, to_team_id=None, moved_at=NOON))
    elif then == "adopted":
        await service.do(RecordAdoption(child_id=child_id))
    elif then == "died":
        await service.do(RecordDeath(child_id=child_id, died_on=NOON.date()))
    async with service.pool.acquire() as connection:
        assert len(await views_store.open_ratings(connection, examples.TEAM)) == open_
        assert len(await views_store.unrated(connection, child_id)) == open_


def certified() -> CompetenceAwarded:
    return CompetenceAwarded(
        practitioner_id=examples.HEALTH_VISITOR,
        team_id=examples.TEAM,
        competence="eao_administration",
        valid_from=examples.LONG_AGO,
        valid_until=datetime(2027, 1, 1, tzinfo=UTC),
        awarded_at=examples.LONG_AGO,
    )


def rated_always() -> LoadPathway:
    """Another version of the pathway, by which every screening is rated twice."""
    command = examples.load_pathway(2)
    definition = command.definition.model_copy(update={"double_rating": DoubleRating(share_percent=100, seed="s")})
    return command.model_copy(update={"definition": definition})


def asked(screening_id: str, child_id: str) -> ConsultationRequested:
    return ConsultationRequested(
        consultation_id=some_id("consultation"),
        child_id=UUID(child_id),
        screening_id=UUID(screening_id),
        team_id=examples.TEAM,
        kind="case_consultation",
        priority="routine",
        requested_by=examples.HEALTH_VISITOR,
        requested_through="screening",
        consent="agreed",
        requested_at=NOON,
    )


CONCERN = examples.observed(turning_towards=3, answering=3, playfulness=2)


async def concern(service: Instance) -> tuple[str, str]:
    """Child and screening of a concern that was recorded on a Monday at noon."""
    child = (await service.born(date(2026, 1, 16)))["child_id"]
    answer = await service.do(examples.screening(child_id=child, observed=CONCERN))
    assert answer["outcome"] == "concern"
    return child, answer["screening_id"]


async def test_a_concern_that_led_nowhere_is_told_when_the_working_day_is_over(service: Instance) -> None:
    child, screening = await concern(service)
    await service.come_to(datetime(2026, 3, 3, 23, 59, 59, tzinfo=UTC))
    assert "consultation-overdue-for-concern" not in await service.kinds()
    await service.come_to(datetime(2026, 3, 4, tzinfo=UTC))
    await service.come_to(datetime(2026, 3, 20, tzinfo=UTC))
    told = [data for kind, data in await service.told(child) if kind == "consultation-overdue-for-concern"]
    assert [(t["screening_id"], t["due_at"]) for t in told] == [(screening, "2026-03-04T00:00:00Z")]


async def test_a_concern_that_led_to_a_consultation_is_not(service: Instance) -> None:
    child, screening = await concern(service)
    await service.hear(*(asked(screening, child) for _ in range(2)))
    await service.come_to(datetime(2026, 3, 20, tzinfo=UTC))
    assert "consultation-overdue-for-concern" not in await service.kinds()
    assert len(await service.rows("SELECT FROM screenings WHERE consultation_due_at IS NOT NULL")) == 0


async def test_a_bank_holiday_announced_meanwhile_gives_another_day(database_pool: Pool, service: Instance) -> None:
    await concern(service)
    announced = Instance(database_pool, calendar=Calendar(added=frozenset({date(2026, 3, 3)})))
    await announced.come_to(datetime(2026, 3, 4, 12, tzinfo=UTC))
    assert "consultation-overdue-for-concern" not in await announced.kinds()
    await announced.come_to(datetime(2026, 3, 5, tzinfo=UTC))
    assert "consultation-overdue-for-concern" in await announced.kinds()
