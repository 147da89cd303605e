"""Loss, death, adoption, moves, corrected dates and merged records: what stops, what goes on, what is refused."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from attune_contracts.screening import (
    BirthCorrected,
    BirthRecorded,
    ChildAdopted,
    ChildDied,
    ChildMoved,
    PregnancyEnded,
    RecordsMerged,
)
from chassis.commands import Command, parse
from chassis.decision import Due, Refused
from chassis.working_days import start_of
from services.screening.domain import birth, child, correcting, eligibility, ending, moving, screening, window
from services.screening.domain.birth import AtBirth
from services.screening.domain.child import Child, RecordEnded
from services.screening.domain.commands import (
    CorrectBirth,
    EndPregnancy,
    MergeRecords,
    MoveChild,
    RecordAdoption,
    RecordArrival,
    RecordDeath,
)
from services.screening.domain.correcting import AtCorrection, AtMerge
from services.screening.domain.ending import AtPregnancyEnd
from services.screening.domain.pregnancy import Pregnancy
from tests.screening import examples
from tests.screening.test_cohort import born
from tests.screening.test_window import COHORT_NOW, begun, rung
from tests.support.given import NOON, given, some_id

TODAY = NOON.date()
OTHER_TEAM = some_id("other team")


def made(model: type[Command], body: dict[str, Any]) -> Any:
    return parse(model, json.dumps(body, default=str).encode())


def unborn(name: str, **changes: Any) -> Child:
    return examples.child(name, age_days=None, **changes)


PREGNANCY = Pregnancy(some_id("pregnancy"), examples.TEAM, date(2026, 6, 1), (), None, NOON)


def over(reason: str = "loss", **changes: Any) -> EndPregnancy:
    body = {"pregnancy_id": some_id("pregnancy"), "reason": reason, "ended_at": NOON}
    ended: EndPregnancy = made(EndPregnancy, body | changes)
    return ended


def test_a_loss_before_birth_is_told_for_every_child_and_once() -> None:
    one, two = unborn("one"), unborn("two")
    decision = given(AtPregnancyEnd(PREGNANCY, (one, two))).when(ending.end_pregnancy, over()).then_decided()
    assert [(type(e), e.child_id, e.reason) for e in decision.told] == [  # type: ignore[attr-defined]
        (PregnancyEnded, c.child_id, "loss") for c in (one, two)
    ]
    assert all((row.ended, row.ended_at, row.next_due_at) == ("loss", NOON, None) for row in decision.rows)
    again = given(AtPregnancyEnd(PREGNANCY, decision.rows)).when(ending.end_pregnancy, over())
    again.then(rows=(), reply=decision.reply)


def test_one_twin_is_lost_and_the_other_is_born_alone() -> None:
    one, two = unborn("one"), unborn("two")
    state = AtPregnancyEnd(PREGNANCY, (one, two))
    lost = given(state).when(ending.end_pregnancy, over(child_ids=[one.child_id])).row
    alone = born(pregnancy_id=one.pregnancy_id, children_born=1)
    row = given(AtBirth(family=(lost, two))).when(birth.record, alone).row
    assert row.child_id == two.child_id
    given(AtBirth(child=lost)).when(birth.record, born(child_id=lost.child_id)).then_refused(RecordEnded, "child_id")


@pytest.mark.parametrize(
    ("state", "command", "rule"),
    [
        (AtPregnancyEnd(), over(), ending.UnknownPregnancy),
        (AtPregnancyEnd(PREGNANCY, (examples.child(),)), over(), ending.BirthIsRecorded),
        (AtPregnancyEnd(PREGNANCY, (examples.child(birth="still"),)), over(), ending.BirthIsRecorded),
        (AtPregnancyEnd(PREGNANCY, (unborn("one"),)), over(child_ids=[some_id("x")]), ending.NotOfThisPregnancy),
        (AtPregnancyEnd(PREGNANCY, (unborn("one", ended="loss"),)), over("termination"), ending.EndedDifferently),
        (AtPregnancyEnd(PREGNANCY, (unborn("one"),)), over(ended_at=NOON + timedelta(seconds=61)), ending.InFuture),
    ],
)
def test_ends_refused(state: AtPregnancyEnd, command: EndPregnancy, rule: type[Refused]) -> None:
    given(state).when(ending.end_pregnancy, command).then_refused(rule)


def test_after_a_stillbirth_nothing_is_due() -> None:
    command = born(child_id=some_id("child"), birth="still")
    decision = given(AtBirth(child=unborn("child"), cohort=COHORT_NOW)).when(birth.record, command).then_decided()
    (row,) = decision.rows
    assert (row.window_state, row.next_due_at) == (None, None)
    assert [type(e) for e in decision.told] == [BirthRecorded]


def died(day: date = TODAY) -> RecordDeath:
    return RecordDeath(child_id=some_id("child"), died_on=day)


@pytest.mark.parametrize(("day", "age"), [(TODAY - timedelta(days=45), 0), (TODAY, 45)])
def test_a_death_stops_every_clock(day: date, age: int) -> None:
    alive, _ = rung(begun(TODAY - timedelta(days=45)), NOON)
    decision = given(alive).when(ending.record_death, died(day)).then_decided()
    (row,), (event,) = decision.rows, decision.told
    assert isinstance(event, ChildDied)
    assert (event.age_days, row.ended, row.next_due_at) == (age, "died", None)
    assert rung(row, NOON + timedelta(days=60))[1] == ()
    given(row).when(ending.record_death, died()).then(rows=(), reply=decision.reply)
    at = given(examples.at_screening(row)).when(screening.record, examples.screening())
    at.then_refused(RecordEnded, "child_id")


def test_a_death_is_told_however_old_the_child_was() -> None:
    """What is said to the mother about another child hangs on it."""
    of_four = examples.child(born_on=TODAY - timedelta(days=4 * 365))
    (event,) = given(of_four).when(ending.record_death, died()).events
    assert isinstance(event, ChildDied)
    assert event.age_days == 1100


@pytest.mark.parametrize(
    ("whose", "day", "rule"),
    [
        (None, TODAY, child.UnknownChild),
        (unborn("child"), TODAY, child.NoLiveBirth),
        (examples.child(birth="still"), TODAY, child.NoLiveBirth),
        (examples.child(), TODAY - timedelta(days=46), ending.DiedBeforeBirth),
        (examples.child(), TODAY + timedelta(days=1), ending.DeathInFuture),
        (examples.child(ended="adopted"), TODAY, RecordEnded),
    ],
)
def test_deaths_refused(whose: Child | None, day: date, rule: type[Refused]) -> None:
    given(whose).when(ending.record_death, died(day)).then_refused(rule)


def test_an_adoption_seals_the_record_and_leads_nowhere() -> None:
    alive, _ = rung(begun(TODAY - timedelta(days=45)), NOON)
    command = RecordAdoption(child_id=alive.child_id)
    decision = given(alive).when(ending.record_adoption, command).then_decided()
    (row,), (event,) = decision.rows, decision.told
    assert isinstance(event, ChildAdopted)
    assert {name for name in type(event).model_fields if name.endswith("_id")} == {
        "child_id",
        "pregnancy_id",
        "team_id",
    }
    assert (row.ended, row.next_due_at) == ("adopted", None)
    given(row).when(ending.record_adoption, command).then(rows=(), reply=decision.reply)
    new = given(AtBirth(cohort=COHORT_NOW)).when(moving.arrive, arrival(born_on=alive.born_on)).then_decided()
    known = {row.child_id, row.pregnancy_id}
    assert not known & {new.rows[0].child_id, new.rows[0].pregnancy_id}


def test_an_arrival_is_not_put_into_the_family_of_birth_of_an_adopted_child() -> None:
    adopted = examples.child(ended="adopted", ended_at=NOON)
    command = arrival(pregnancy_id=adopted.pregnancy_id)
    state = AtBirth(family=(adopted, examples.child("twin")), cohort=COHORT_NOW)
    given(state).when(moving.arrive, command).then_refused(birth.PregnancyDoesNotMatch)
    given(AtBirth(family=(examples.child("twin"),), cohort=COHORT_NOW)).when(moving.arrive, command).then_decided()


def test_a_sibling_born_later_does_not_find_the_adopted_child() -> None:
    adopted = examples.child("adopted", age_days=1, ended="adopted", mother_nhs_number="9434765919")
    command = born(mother_nhs_number="9434765919", team_id=examples.TEAM, children_born=2, nhs_number="9350128438")
    decision = given(AtBirth(of_mother=(adopted,))).when(birth.record, command).then_decided()
    (row,) = (row for row in decision.rows if isinstance(row, Child))
    assert row.pregnancy_id != adopted.pregnancy_id


# --- moving -----------------------------------------------------------------------------------------------------------


def moves(to: Any, at: datetime = NOON) -> MoveChild:
    return MoveChild(child_id=some_id("child"), to_team_id=to, moved_at=at)


def arrival(**changes: Any) -> RecordArrival:
    body = {"team_id": OTHER_TEAM, "born_on": TODAY - timedelta(days=45), "arrived_at": NOON}
    command: RecordArrival = made(RecordArrival, body | changes)
    return command


def test_to_another_team_the_clocks_go_along() -> None:
    alive = begun(TODAY - timedelta(days=10))
    decision = given(alive).when(moving.move, moves(OTHER_TEAM)).then_decided()
    (row,), (event,) = decision.rows, decision.told
    assert event == ChildMoved(
        child_id=alive.child_id,
        pregnancy_id=alive.pregnancy_id,
        team_id=examples.TEAM,
        to_team_id=OTHER_TEAM,
        moved_at=NOON,
    )
    assert (row.team_id, row.next_due_at) == (OTHER_TEAM, alive.next_due_at)
    given(row).when(moving.move, moves(OTHER_TEAM)).then_nothing()
    given(row).when(moving.move, moves(examples.TEAM, NOON - timedelta(seconds=1))).then_refused(moving.MovedSince)


@pytest.mark.parametrize("to", [None, OTHER_TEAM], ids=["out of the area", "to another team"])
def test_who_was_not_born_alive_does_not_move(to: Any) -> None:
    given(examples.child(birth="still")).when(moving.move, moves(to)).then_refused(child.NoLiveBirth)
    away = examples.child(birth="still", ended="moved_out", ended_at=NOON)
    given(away).when(moving.move, moves(to)).then_refused(child.NoLiveBirth)


def test_out_of_the_area_the_clocks_rest_and_go_on_when_it_comes_back() -> None:
    alive = begun(TODAY - timedelta(days=10))
    away = given(alive).when(moving.move, moves(None)).row
    assert (away.ended, away.next_due_at) == ("moved_out", None)
    given(away).when(moving.move, moves(None)).then_nothing()
    later = NOON + timedelta(days=30)
    back = given(away).when(moving.move, moves(OTHER_TEAM, later), at=later)
    (event,) = back.events
    assert isinstance(event, ChildMoved)
    assert (event.team_id, event.to_team_id) == (None, OTHER_TEAM)
    _, told = rung(back.row, later)
    assert [type(e).__name__ for e in told] == ["ScreeningDue"]


@pytest.mark.parametrize(("days", "state"), [(60, "before"), (61, "too_late")])
def test_a_window_that_closed_while_it_was_away_is_not_missed(days: int, state: str) -> None:
    away = given(begun(TODAY - timedelta(days=10))).when(moving.move, moves(None)).row
    later = NOON + timedelta(days=days)
    row = given(away).when(moving.move, moves(OTHER_TEAM, later), at=later).row
    assert row.window_state == state
    assert row.arrived_too_late is (state == "too_late")


def test_who_lived_here_all_along_is_missed_whatever_team_it_came_to() -> None:
    """A team takes over in the moment in which the window closes, before the clock has told of it."""
    later = NOON + timedelta(days=61)
    row = given(begun(TODAY - timedelta(days=10))).when(moving.move, moves(OTHER_TEAM, later), at=later).row
    assert (row.window_state, row.arrived_too_late) == ("before", False)
    missed, told = rung(row, later)
    assert (missed.window_state, missed.arrived_too_late) == ("missed", False)
    assert "ScreeningMissed" in {type(e).__name__ for e in told}


def test_nobody_arrives_before_the_day_of_birth() -> None:
    begins = start_of(TODAY)
    on_the_day = arrival(born_on=TODAY, arrived_at=begins)
    given(AtBirth(cohort=COHORT_NOW)).when(moving.arrive, on_the_day).then_decided()
    the_day_before = arrival(born_on=TODAY, arrived_at=begins - timedelta(microseconds=1))
    given(AtBirth(cohort=COHORT_NOW)).when(moving.arrive, the_day_before).then_refused(eligibility.BeforeBirth)


def test_who_arrives_is_told_as_born_and_as_moved_in() -> None:
    decision = given(AtBirth(cohort=COHORT_NOW)).when(moving.arrive, arrival()).then_decided()
    assert [type(e) for e in decision.told] == [BirthRecorded, ChildMoved]
    (row,) = decision.rows
    assert (row.team_id, row.birth, row.window_state, row.moved_at) == (OTHER_TEAM, "live", "before", NOON)
    same = AtBirth(same_number=(row,))
    given(same).when(moving.arrive, arrival(nhs_number="9350128438")).then_nothing()
    away = given(row).when(moving.move, moves(None)).row
    back = given(AtBirth(same_number=(away,))).when(moving.arrive, arrival(nhs_number="9350128438")).row
    assert (back.child_id, back.ended) == (row.child_id, None)


@pytest.mark.parametrize("age", [70, 71])
def test_who_arrives_after_the_window_is_not_missed(age: int) -> None:
    command = arrival(born_on=TODAY - timedelta(days=age))
    decision = given(AtBirth(cohort=COHORT_NOW)).when(moving.arrive, command).then_decided()
    assert decision.rows[0].window_state == ("too_late" if age == 71 else "before")
    assert [type(e) for e in decision.told] == [BirthRecorded, ChildMoved]


# --- correcting -------------------------------------------------------------------------------------------------------


def corrected(born_on: date) -> CorrectBirth:
    return CorrectBirth(child_id=some_id("child"), born_on=born_on)


@pytest.mark.parametrize(
    ("was", "now", "state", "told"),
    [
        pytest.param(45, 28, "before", [], id="too young after all"),
        pytest.param(28, 29, "before", ["ScreeningDue"], id="old enough after all"),
        pytest.param(45, 50, "before", ["ScreeningDue"], id="due by another day"),
        pytest.param(71, 70, "before", ["ScreeningDue"], id="missed, and open again"),
        pytest.param(45, 71, "too_late", [], id="closed already"),
    ],
)
def test_a_corrected_date_sets_every_clock_anew(was: int, now: int, state: str, told: list[str]) -> None:
    before, _ = rung(begun(TODAY - timedelta(days=was)), NOON)
    command = corrected(TODAY - timedelta(days=now))
    decision = given(AtCorrection(before)).when(correcting.correct_birth, command).then_decided()
    (row,), (event, *more) = decision.rows, decision.told
    assert isinstance(event, BirthCorrected)
    assert event.age_days == now
    assert row.window_state == state
    assert [type(e).__name__ for e in more] == (["ScreeningMissed"] if state == "too_late" else [])
    assert [type(e).__name__ for e in rung(row, NOON)[1]] == told


@pytest.mark.parametrize(("now", "covered"), [(44, None), (45, 29), (60, 44), (86, 70), (87, None)])
def test_coverage_is_counted_by_the_corrected_age(now: int, covered: int | None) -> None:
    """Screened 16 days ago."""
    before, _ = rung(begun(TODAY - timedelta(days=61)), NOON)
    command = examples.screening(screened_at=(NOON - timedelta(days=16)).isoformat())
    first = given(examples.at_screening(before)).when(screening.record, command).then_decided().rows
    state = AtCorrection(first[1], (first[0],))
    row = given(state).when(correcting.correct_birth, corrected(TODAY - timedelta(days=now))).row
    assert row.covered_at_days == covered
    assert (row.window_state == "met") is (covered is not None)


def test_corrections_refused() -> None:
    alive = begun(TODAY - timedelta(days=45))
    given(AtCorrection(alive)).when(correcting.correct_birth, corrected(alive.born_on or TODAY)).then_nothing()
    when = given(AtCorrection(alive))
    when.when(correcting.correct_birth, corrected(TODAY + timedelta(days=1))).then_refused(birth.BirthInFuture)
    when.when(correcting.correct_birth, corrected(TODAY - timedelta(days=1101))).then_refused(birth.ChildTooOld)
    seen = given(examples.at_screening(alive)).when(screening.record, examples.screening()).then_decided().rows
    state = given(AtCorrection(seen[1], (seen[0],)))
    at = state.when(correcting.correct_birth, corrected(TODAY), at=NOON + timedelta(hours=1))
    at.then_decided()
    at = state.when(correcting.correct_birth, corrected(TODAY + timedelta(days=1)), at=NOON + timedelta(days=1))
    at.then_refused(correcting.ScreenedBeforeThen)
    given(AtCorrection(unborn("child"))).when(correcting.correct_birth, corrected(TODAY)).then_refused(
        child.NoLiveBirth
    )


def merging(into: str = "into") -> MergeRecords:
    return MergeRecords(child_id=some_id("child"), into_child_id=some_id(into))


def test_a_merge_keeps_the_later_result_and_the_earlier_cover() -> None:
    one = begun(TODAY - timedelta(days=45))
    other = examples.child("into", born_on=one.born_on, screened_at=NOON - timedelta(days=9), last_outcome="no_concern")
    seen = given(examples.at_screening(one)).when(screening.record, examples.screening()).then_decided().rows
    decision = given(AtMerge(seen[1], other, (seen[0],))).when(correcting.merge, merging()).then_decided()
    ended, joined, moved = decision.rows
    assert (ended.ended, ended.merged_into, ended.next_due_at) == ("merged", other.child_id, None)
    assert (joined.last_screening_id, joined.screened_at, joined.covered_at_days) == (seen[0].screening_id, NOON, 45)
    assert moved.child_id == other.child_id
    given(AtMerge(ended, joined)).when(correcting.merge, merging()).then(rows=(), reply=decision.reply)
    given(AtMerge(ended, examples.child("x"))).when(correcting.merge, merging("x")).then_refused(
        correcting.MergedElsewhere
    )


def test_an_unborn_record_takes_over_the_birth() -> None:
    one, other = begun(TODAY), unborn("into")
    then = given(AtMerge(one, other)).when(correcting.merge, merging())
    _, joined = then.then_decided().rows
    assert (joined.born_on, joined.window_state, joined.next_due_at) == (TODAY, "before", one.next_due_at)
    merged, told = then.events
    assert isinstance(merged, RecordsMerged)
    assert isinstance(told, BirthRecorded)
    assert (told.child_id, told.birth, told.age_days) == (other.child_id, "live", 0)


def test_that_a_child_was_not_born_alive_is_told_of_the_record_that_goes_on() -> None:
    then = given(AtMerge(examples.child(birth="still"), unborn("into"))).when(correcting.merge, merging())
    assert [(e.child_id, e.birth) for e in then.events if isinstance(e, BirthRecorded)] == [(some_id("into"), "still")]
    both = given(AtMerge(examples.child(), examples.child("into"))).when(correcting.merge, merging())
    assert [type(e) for e in both.events] == [RecordsMerged]


@pytest.mark.parametrize(
    ("ending_", "into", "rule"),
    [
        (None, examples.child("into"), child.UnknownChild),
        (examples.child(), None, child.UnknownChild),
        (examples.child(), examples.child(), correcting.MergedIntoItself),
        (examples.child(), examples.child("into", age_days=44), correcting.NotOneChild),
        (examples.child(), examples.child("into", birth="still"), correcting.NotOneChild),
        (examples.child(ended="died"), examples.child("into"), RecordEnded),
        (examples.child(), examples.child("into", ended="adopted"), RecordEnded),
        (examples.child(), examples.child("into", ended="moved_out"), RecordEnded),
    ],
)
def test_merges_refused(ending_: Child | None, into: Child | None, rule: type[Refused]) -> None:
    given(AtMerge(ending_, into)).when(correcting.merge, merging()).then_refused(rule)


def test_a_clock_that_rings_for_who_is_gone_tells_nothing() -> None:
    gone = examples.child(ended="died", ended_at=NOON, next_due_at=NOON)
    row = given(gone).when(window.ring, Due(gone.child_id)).row
    assert row.next_due_at is None
