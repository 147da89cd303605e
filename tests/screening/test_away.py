"""A child that moved out of the area: born here after all it is back; a corrected birth holds when it comes back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.screening import BirthCorrected, BirthRecorded, ChildMoved, ScreeningDue
from chassis.working_days import local_date, start_of
from services.screening.domain import birth, correcting, moving, screening
from services.screening.domain.birth import AtBirth
from services.screening.domain.child import Child
from services.screening.domain.commands import CorrectBirth, MoveChild
from services.screening.domain.correcting import AtCorrection
from services.screening.domain.screening import Screening
from tests.screening import examples
from tests.screening.test_cohort import BABY, MOTHER, OTHER_BABY, TODAY, born, child_of, unborn
from tests.screening.test_window import COHORT_NOW, begun, rung
from tests.support.given import NOON, given, some_id

NEW_TEAM = some_id("new team")
AWAY: dict[str, Any] = {"ended": "moved_out", "ended_at": NOON - timedelta(days=20)}


def moved_in(child: Child) -> ChildMoved:
    return ChildMoved(
        child_id=child.child_id, pregnancy_id=child.pregnancy_id, team_id=None, to_team_id=NEW_TEAM, moved_at=NOON
    )


@pytest.mark.parametrize(
    ("found_by", "names"),
    [
        ("child", {"child_id": some_id("child")}),
        ("family", {"pregnancy_id": some_id("pregnancy")}),
        ("of_mother", {"mother_nhs_number": MOTHER}),
    ],
)
def test_who_moved_out_before_it_was_born_in_a_team_here_is_back(found_by: str, names: dict[str, Any]) -> None:
    away = unborn(**AWAY)
    state = AtBirth(**{found_by: away if found_by == "child" else (away,)}, cohort=COHORT_NOW)
    command = born(**names, team_id=NEW_TEAM, nhs_number=BABY)
    then = given(state).when(birth.record, command)
    row, (moved, told) = child_of(then), then.events
    assert moved == moved_in(away)
    assert isinstance(told, BirthRecorded)
    assert told.team_id == NEW_TEAM
    assert then.then_decided().reply["team_id"] == NEW_TEAM
    assert (row.team_id, row.ended, row.ended_at, row.moved_at) == (NEW_TEAM, None, None, NOON)
    assert (row.window_state, row.next_due_at) == ("before", start_of(TODAY + timedelta(days=29)))
    _, (due,) = rung(row, NOON + timedelta(days=29))
    assert isinstance(due, ScreeningDue)
    assert due.team_id == NEW_TEAM
    again = given(AtBirth(child=row, same_number=(row,))).when(birth.record, command)
    again.then(rows=(), reply=then.then_decided().reply)


def test_a_birth_alone_does_not_say_where_who_moved_out_lives_now() -> None:
    away = unborn(**AWAY)
    given(AtBirth(child=away)).when(birth.record, born(child_id=away.child_id)).then_refused(
        birth.TeamNeeded, "team_id"
    )


@pytest.mark.parametrize(("days_before_leaving", "comes_back"), [(1, False), (0, True)])
def test_a_birth_of_before_it_left_brings_nobody_back(days_before_leaving: int, comes_back: bool) -> None:
    away = unborn(**AWAY)
    left = local_date(AWAY["ended_at"])
    command = born(child_id=away.child_id, team_id=NEW_TEAM, born_on=left - timedelta(days=days_before_leaving))
    then = given(AtBirth(child=away, cohort=COHORT_NOW)).when(birth.record, command)
    assert (child_of(then).ended is None) is comes_back


def test_who_lives_here_has_not_come_back() -> None:
    here = unborn()
    state = AtBirth(child=here, cohort=COHORT_NOW)
    then = given(state).when(birth.record, born(child_id=here.child_id, team_id=NEW_TEAM))
    assert [type(e) for e in then.events] == [BirthRecorded]
    assert child_of(then).team_id == here.team_id


@pytest.mark.parametrize(("team_id", "told"), [(None, [BirthRecorded]), (NEW_TEAM, [ChildMoved, BirthRecorded])])
def test_that_a_child_was_not_born_alive_is_taken_wherever_it_was(team_id: Any, told: list[type]) -> None:
    away = unborn(**AWAY)
    command = born(child_id=away.child_id, birth="still", team_id=team_id)
    then = given(AtBirth(child=away, cohort=COHORT_NOW)).when(birth.record, command)
    row = child_of(then)
    assert [type(e) for e in then.events] == told
    assert (row.birth, row.window_state, row.next_due_at) == ("still", None, None)
    assert row.team_here == team_id


@pytest.mark.parametrize(("age", "state"), [(70, "before"), (71, "too_late")])
def test_a_birth_that_becomes_known_late_with_the_return_is_not_missed(age: int, state: str) -> None:
    away = unborn(ended="moved_out", ended_at=NOON - timedelta(days=age))
    command = born(child_id=away.child_id, team_id=NEW_TEAM, born_on=TODAY - timedelta(days=age))
    then = given(AtBirth(child=away, cohort=COHORT_NOW)).when(birth.record, command)
    row = child_of(then)
    assert [type(e) for e in then.events] == [ChildMoved, BirthRecorded]
    assert (row.window_state, row.arrived_too_late) == (state, state == "too_late")


def test_each_twin_that_moved_out_and_is_born_is_back() -> None:
    one, two = unborn("one", **AWAY), unborn("two", **AWAY)
    twin = {"pregnancy_id": one.pregnancy_id, "children_born": 2, "team_id": NEW_TEAM}
    then = given(AtBirth(family=(one, two), cohort=COHORT_NOW)).when(birth.record, born(**twin, nhs_number=BABY))
    first = child_of(then)
    assert then.events[0] == moved_in(first)
    then = given(AtBirth(family=(first, two))).when(birth.record, born(**twin, nhs_number=OTHER_BABY))
    second = child_of(then)
    assert then.events[0] == moved_in(second)
    assert {first.child_id, second.child_id} == {one.child_id, two.child_id}
    assert [c.team_here for c in (first, second)] == [NEW_TEAM, NEW_TEAM]


def test_of_unborn_twins_the_one_that_lives_here_is_born_first() -> None:
    away, here = unborn("one", **AWAY), unborn("two")
    command = born(pregnancy_id=here.pregnancy_id, children_born=2, nhs_number=BABY)
    then = given(AtBirth(family=(away, here))).when(birth.record, command)
    assert child_of(then).child_id == here.child_id


def test_a_twin_that_nobody_expected_is_not_in_the_team_of_one_that_moved_out() -> None:
    first = examples.child("one", age_days=0, children_born=2, mother_nhs_number=MOTHER, **AWAY)
    twin = {"mother_nhs_number": MOTHER, "children_born": 2, "nhs_number": OTHER_BABY}
    state = given(AtBirth(of_mother=(first,)))
    state.when(birth.record, born(**twin)).then_refused(birth.TeamNeeded, "team_id")
    row = child_of(state.when(birth.record, born(**twin, team_id=NEW_TEAM)))
    assert (row.pregnancy_id, row.team_id) == (first.pregnancy_id, NEW_TEAM)


# --- corrected while it is away ---------------------------------------------------------------------------------------


def moves(child: Child, to: Any, at: Any) -> Child:
    command = MoveChild(child_id=child.child_id, to_team_id=to, moved_at=at)
    row: Child = given(child).when(moving.move, command, at=at).row
    return row


def corrected(child: Child, age: int, at: Any = NOON, screenings: tuple[Screening, ...] = ()) -> Child:
    """Of that age at NOON, and nothing but the corrected birth is told."""
    command = CorrectBirth(child_id=child.child_id, born_on=TODAY - timedelta(days=age))
    then = given(AtCorrection(child, screenings)).when(correcting.correct_birth, command, at=at)
    assert [type(e) for e in then.events] == [BirthCorrected]
    row: Child = then.row
    assert row.next_due_at is None
    return row


@pytest.mark.parametrize(
    ("age", "covered", "state"),
    [(44, None, "before"), (45, 29, "met"), (70, 54, "met"), (86, 70, "met"), (87, None, "too_late")],
)
def test_whether_a_screening_counts_follows_the_corrected_birth_also_while_it_is_away(
    age: int, covered: int | None, state: str
) -> None:
    """Screened 16 days ago at 45 days of age, as was thought; moved out at NOON."""
    seen = examples.screening(screened_at=(NOON - timedelta(days=16)).isoformat())
    first = given(examples.at_screening(begun(TODAY - timedelta(days=61)))).when(screening.record, seen).then_decided()
    assert first.rows[1].window_state == "met"
    away = corrected(moves(first.rows[1], None, NOON), age, screenings=(first.rows[0],))
    assert (away.covered_at_days, away.window_state, away.ended) == (covered, state, "moved_out")
    back = moves(away, NEW_TEAM, NOON)
    assert [type(e) for e in rung(back, NOON)[1]] == ([ScreeningDue] if state == "before" else [])


@pytest.mark.parametrize(("age", "state"), [(70, "before"), (71, "too_late")])
def test_a_window_that_closed_before_it_left_did_not_close_while_it_was_away(age: int, state: str) -> None:
    """Of that age when it left, by the date that was corrected ten days later."""
    later = NOON + timedelta(days=10)
    away = corrected(moves(begun(TODAY - timedelta(days=45)), None, NOON), age, later)
    assert (away.window_state, away.arrived_too_late) == (state, False)
    back = moves(away, NEW_TEAM, later)
    assert (back.window_state, back.arrived_too_late) == ("too_late", state == "before")
    assert rung(back, later)[1] == ()


def test_a_child_that_was_missed_before_it_left_and_is_younger_is_due_when_it_comes_back() -> None:
    missed, _ = rung(begun(TODAY - timedelta(days=71)), NOON)
    away = corrected(moves(missed, None, NOON), 60)
    assert (missed.window_state, away.window_state) == ("missed", "before")
    _, (due,) = rung(moves(away, NEW_TEAM, NOON), NOON)
    assert isinstance(due, ScreeningDue)
