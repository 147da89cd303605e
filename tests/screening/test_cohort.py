"""Pregnancies and births: one id for each child, linked, recorded once."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from attune_contracts.screening import BirthRecorded, PregnancyRegistered
from chassis.commands import parse
from chassis.decision import Refused
from services.screening.domain import birth, pregnancy
from services.screening.domain.birth import AtBirth
from services.screening.domain.child import Child, Mother
from services.screening.domain.commands import RecordBirth, RegisterPregnancy
from services.screening.domain.pregnancy import AtRegistration
from tests.screening import examples
from tests.support.given import NOON, Then, given, some_id

TODAY = NOON.date()
MOTHER, BABY, OTHER_BABY = "9434765919", "9350128438", "9412945515"


def registration(**changes: Any) -> RegisterPregnancy:
    body = {"team_id": str(examples.TEAM), "expected_on": str(TODAY + timedelta(days=100)), "expected_children": 1}
    return parse(RegisterPregnancy, json.dumps(body | changes, default=str).encode())


def born(**changes: Any) -> RecordBirth:
    return parse(RecordBirth, json.dumps({"born_on": str(TODAY)} | changes, default=str).encode())


def child_of(then: Then) -> Child:
    """The only child changed; beside it there may be the row of its mother."""
    (row,) = (row for row in then.then_decided().rows if isinstance(row, Child))
    return row


def test_each_expected_child_gets_an_id_and_an_event() -> None:
    when = given(AtRegistration()).when(pregnancy.register, registration(expected_children=2, mother_nhs_number=MOTHER))
    decision = when.then_decided()
    row, first, second, mother = decision.rows
    assert mother == Mother(MOTHER, 1)
    assert row.child_ids == (first.child_id, second.child_id)
    assert first.child_id != second.child_id
    assert first.pregnancy_id == second.pregnancy_id == row.pregnancy_id
    assert decision.events == tuple(
        PregnancyRegistered(
            child_id=c.child_id,
            pregnancy_id=row.pregnancy_id,
            team_id=examples.TEAM,
            expected_in_days=100,
            registered_at=NOON,
        )
        for c in (first, second)
    )
    assert all(MOTHER not in e.model_dump_json() for e in decision.events)


def test_ids_may_be_the_callers_own() -> None:
    ids = [some_id("a"), some_id("b")]
    command = registration(expected_children=2, child_ids=ids, pregnancy_id=some_id("p"))
    decision = given(AtRegistration()).when(pregnancy.register, command).then_decided()
    assert decision.reply == {"pregnancy_id": some_id("p"), "child_ids": ids}


def test_registering_again_changes_nothing_and_differently_is_refused() -> None:
    command = registration(pregnancy_id=some_id("p"))
    first = given(AtRegistration()).when(pregnancy.register, command).then_decided()
    known = AtRegistration(pregnancy=first.rows[0])
    given(known).when(pregnancy.register, command).then(rows=(), reply=first.reply)
    for other in ({"expected_children": 2}, {"team_id": some_id("t")}, {"mother_nhs_number": MOTHER}):
        given(known).when(pregnancy.register, registration(pregnancy_id=some_id("p"), **other)).then_refused(
            pregnancy.PregnancyRegisteredDifferently, "pregnancy_id"
        )


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"child_ids": [some_id("a"), some_id("b")]}, pregnancy.ChildIdsDoNotMatch),
        ({"expected_children": 2, "child_ids": [some_id("a"), some_id("a")]}, pregnancy.ChildIdsDoNotMatch),
        ({"expected_on": TODAY + timedelta(days=311)}, pregnancy.ExpectedDateImplausible),
        ({"expected_on": TODAY - timedelta(days=46)}, pregnancy.ExpectedDateImplausible),
    ],
)
def test_registrations_refused(changes: dict[str, Any], rule: type[Refused]) -> None:
    given(AtRegistration()).when(pregnancy.register, registration(**changes)).then_refused(rule)


@pytest.mark.parametrize("days", [-45, 0, 310])
def test_expected_dates_at_the_boundary(days: int) -> None:
    command = registration(expected_on=TODAY + timedelta(days=days))
    given(AtRegistration()).when(pregnancy.register, command).then_decided()


def test_an_id_of_another_child_is_refused() -> None:
    state = AtRegistration(second=examples.child("b"))
    command = registration(expected_children=2, child_ids=[some_id("a"), some_id("b")])
    given(state).when(pregnancy.register, command).then_refused(pregnancy.ChildAlreadyKnown, "child_ids")


def unborn(name: str = "child", **changes: Any) -> Any:
    return examples.child(name, age_days=None, expected_on=TODAY, mother_nhs_number=MOTHER, **changes)


def test_a_birth_is_linked_to_the_child_of_the_pregnancy() -> None:
    child = unborn()
    command = born(
        child_id=child.child_id, pregnancy_id=child.pregnancy_id, born_on=TODAY - timedelta(days=3), nhs_number=BABY
    )
    decision = (
        given(AtBirth(child=child))
        .when(birth.record, command)
        .then(
            BirthRecorded(
                child_id=child.child_id,
                pregnancy_id=child.pregnancy_id,
                team_id=examples.TEAM,
                birth="live",
                children_born=1,
                age_days=3,
                recorded_at=NOON,
            )
        )
    )
    (row,) = decision.rows
    assert (row.born_on, row.nhs_number, row.mother_nhs_number) == (TODAY - timedelta(days=3), BABY, MOTHER)
    again = given(AtBirth(child=row)).when(birth.record, command)
    again.then(rows=(), reply=decision.reply)


def test_a_birth_without_pregnancy_makes_a_child() -> None:
    row = child_of(given(AtBirth()).when(birth.record, born(team_id=examples.TEAM, child_id=some_id("own"))))
    assert (row.child_id, row.team_id, row.birth) == (some_id("own"), examples.TEAM, "live")
    given(AtBirth()).when(birth.record, born()).then_refused(birth.TeamNeeded, "team_id")


def test_a_birth_is_linked_by_the_mothers_number() -> None:
    child = unborn()
    row = child_of(given(AtBirth(of_mother=(child,))).when(birth.record, born(mother_nhs_number=MOTHER)))
    assert row.child_id == child.child_id
    again = given(AtBirth(of_mother=(row,))).when(birth.record, born(mother_nhs_number=MOTHER))
    again.then(rows=(), reply={"child_id": row.child_id, "pregnancy_id": row.pregnancy_id, "team_id": row.team_id})


@pytest.mark.parametrize(("days", "linked"), [(-141, False), (-140, True), (30, True), (31, False)])
def test_only_near_the_expected_date(days: int, linked: bool) -> None:
    child = unborn(registered_at=examples.LONG_AGO)
    command = born(mother_nhs_number=MOTHER, team_id=examples.TEAM, born_on=TODAY)
    state = AtBirth(of_mother=(unborn_expected(child, TODAY - timedelta(days=days)),))
    row = child_of(given(state).when(birth.record, command))
    assert (row.child_id == child.child_id) is linked


def unborn_expected(child: Any, expected_on: date) -> Any:
    return examples.child(age_days=None, expected_on=expected_on, mother_nhs_number=child.mother_nhs_number)


def test_an_older_sibling_is_not_meant() -> None:
    sibling = examples.child("sibling", age_days=400, mother_nhs_number=MOTHER)
    command = born(mother_nhs_number=MOTHER, team_id=examples.TEAM)
    row = child_of(given(AtBirth(of_mother=(sibling,))).when(birth.record, command))
    assert row.child_id != sibling.child_id
    assert row.pregnancy_id != sibling.pregnancy_id


def test_twins_share_their_pregnancy_and_are_told_apart() -> None:
    one, two = unborn("one"), unborn("two")
    twin = {"pregnancy_id": one.pregnancy_id, "children_born": 2}
    given(AtBirth(family=(one, two))).when(birth.record, born(**twin)).then_refused(birth.ChildMustBeNamed, "child_id")
    first = child_of(given(AtBirth(family=(one, two))).when(birth.record, born(**twin, nhs_number=BABY)))
    second = child_of(given(AtBirth(family=(first, two))).when(birth.record, born(**twin, nhs_number=OTHER_BABY)))
    assert {first.child_id, second.child_id} == {one.child_id, two.child_id}
    again = given(AtBirth(family=(first, second), same_number=(first,)))
    again.when(birth.record, born(**twin, nhs_number=BABY)).then(rows=())


def test_a_twin_that_nobody_expected_joins_the_pregnancy() -> None:
    first = examples.child("one", age_days=0, children_born=2, mother_nhs_number=MOTHER, nhs_number=BABY)
    command = born(mother_nhs_number=MOTHER, children_born=2, nhs_number=OTHER_BABY)
    row = child_of(given(AtBirth(of_mother=(first,))).when(birth.record, command))
    assert row.child_id != first.child_id
    assert (row.pregnancy_id, row.team_id) == (first.pregnancy_id, first.team_id)


def test_a_still_birth_is_recorded() -> None:
    child = unborn()
    (event,) = given(AtBirth(child=child)).when(birth.record, born(child_id=child.child_id, birth="still")).events
    assert isinstance(event, BirthRecorded)
    assert event.birth == "still"


@pytest.mark.parametrize(
    ("state", "changes", "rule"),
    [
        ({}, {"born_on": TODAY + timedelta(days=1)}, birth.BirthInFuture),
        ({}, {"born_on": TODAY - timedelta(days=1101)}, birth.ChildTooOld),
        ({}, {"pregnancy_id": some_id("another")}, birth.PregnancyDoesNotMatch),
        ({"same_number": (examples.child("other"),)}, {"nhs_number": BABY}, birth.NhsNumberInUse),
        ({"child": examples.child(age_days=3)}, {}, birth.BirthRecordedDifferently),
        ({"child": examples.child(age_days=0)}, {"birth": "still"}, birth.BirthRecordedDifferently),
        ({"child": examples.child(age_days=0)}, {"nhs_number": BABY}, birth.BirthRecordedDifferently),
    ],
)
def test_births_refused(state: dict[str, Any], changes: dict[str, Any], rule: type[Refused]) -> None:
    at_birth = AtBirth(**({"child": unborn()} | state))
    given(at_birth).when(birth.record, born(child_id=some_id("child"), **changes)).then_refused(rule)
