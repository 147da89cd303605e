"""Supervision: the norm as data, what counts, when it is overdue, and not of whoever is away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.workforce import SupervisionOverdue
from chassis.decision import Due
from services.workforce.domain import absence, supervision
from services.workforce.domain.commands import DefineNorm, EndAbsence, RecordSupervision, SetNorm
from services.workforce.domain.practitioner import Practitioner
from services.workforce.domain.supervision import AtLog, AtNorm
from tests.support.given import NOON, given, some_id
from tests.workforce.examples import ANNA, TEAM, anna
from tests.workforce.examples import absence as absence_from

DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
NORM = DefineNorm(norm="clinical", norm_version=1, every_days=28, minutes_at_least=60)
DEFINED = given().when(supervision.define, NORM).row
SET = SetNorm(practitioner_id=ANNA, norm="clinical", norm_version=1)
BOSS = some_id("supervisor")


def under_norm() -> Practitioner:
    row = given(AtNorm(anna(), DEFINED)).when(supervision.set_norm, SET).row
    assert isinstance(row, Practitioner)
    return row


def took_place(at: Any = NOON, minutes: int = 60, **changes: Any) -> RecordSupervision:
    facts: dict[str, Any] = {"practitioner_id": ANNA, "supervisor_id": BOSS, "minutes": minutes, "held_at": at}
    return RecordSupervision(**facts | changes)


def test_a_version_of_a_norm_never_changes() -> None:
    given(DEFINED).when(supervision.define, NORM).then(rows=())
    other = NORM.model_copy(update={"every_days": 14})
    given(DEFINED).when(supervision.define, other).then_refused(supervision.NormVersionChanged)
    given(AtNorm(anna(), None)).when(supervision.set_norm, SET).then_refused(supervision.UnknownNorm)


def test_it_is_overdue_at_the_last_instant_and_told_once() -> None:
    state = under_norm()
    due_by = NOON + 28 * DAY
    assert state.next_due_at == due_by
    given(state).when(absence.clock, Due(ANNA), at=due_by - INSTANT).then_nothing()
    then = given(state).when(absence.clock, Due(ANNA), at=due_by)
    then.then(
        SupervisionOverdue(
            practitioner_id=ANNA,
            team_id=TEAM,
            norm="clinical",
            norm_version=1,
            last_at=None,
            due_by=due_by,
            noticed_at=due_by,
        )
    )
    assert then.row.next_due_at is None
    given(then.row).when(absence.clock, Due(ANNA), at=due_by + DAY).then_nothing()


def test_what_took_place_counts_from_its_own_day() -> None:
    state = under_norm()
    later = NOON + 10 * DAY
    person, entry = given(AtLog(state, None)).when(supervision.record, took_place(later), at=later + DAY).then().rows
    assert (person.norm.last_at, person.next_due_at) == (later, later + 28 * DAY)
    assert (entry.supervisor_id, entry.minutes, entry.kind) == (BOSS, 60, "individual")
    (earlier,) = given(AtLog(person, None)).when(supervision.record, took_place(NOON + DAY), at=later + DAY).then().rows
    assert earlier.held_at == NOON + DAY


def test_after_it_was_overdue_the_next_one_begins_anew() -> None:
    overdue = given(under_norm()).when(absence.clock, Due(ANNA), at=NOON + 28 * DAY).row
    later = NOON + 30 * DAY
    person = given(AtLog(overdue, None)).when(supervision.record, took_place(later), at=later).then().rows[0]
    assert (person.norm.told, person.next_due_at) == (False, later + 28 * DAY)


def test_past_ones_entered_one_after_another_do_not_tell_it_again() -> None:
    person = given(under_norm()).when(absence.clock, Due(ANNA), at=NOON + 28 * DAY).row
    now = NOON + 150 * DAY
    for ago in (120, 90, 60):
        command = took_place(now - ago * DAY)
        person = given(AtLog(person, None)).when(supervision.record, command, at=now).then().rows[0]
        assert (person.norm.last_at, person.norm.told, person.next_due_at) == (now - ago * DAY, True, None)
        given(person).when(absence.clock, Due(ANNA), at=now).then_nothing()
    command = took_place(now - 27 * DAY)
    person = given(AtLog(person, None)).when(supervision.record, command, at=now).then().rows[0]
    assert (person.norm.told, person.next_due_at) == (False, now + DAY)
    assert [type(e) for e in given(person).when(absence.clock, Due(ANNA), at=now + DAY).events] == [SupervisionOverdue]


@pytest.mark.parametrize(("since", "told"), [(28 * DAY, True), (28 * DAY - INSTANT, False)])
def test_one_that_was_held_too_long_ago_leaves_it_overdue(since: timedelta, told: bool) -> None:
    now = NOON + 60 * DAY
    overdue = given(under_norm()).when(absence.clock, Due(ANNA), at=NOON + 28 * DAY).row
    person = given(AtLog(overdue, None)).when(supervision.record, took_place(now - since), at=now).then().rows[0]
    assert (person.norm.told, person.next_due_at) == (told, None if told else now + INSTANT)


def test_what_was_not_told_yet_is_told_after_one_that_was_held_too_long_ago() -> None:
    """It is recorded before the clock has looked."""
    now = NOON + 60 * DAY
    person = given(AtLog(under_norm(), None)).when(supervision.record, took_place(NOON + DAY), at=now).then().rows[0]
    (event,) = given(person).when(absence.clock, Due(ANNA), at=now).events
    assert isinstance(event, SupervisionOverdue)
    assert (event.last_at, event.due_by) == (NOON + DAY, NOON + 29 * DAY)


@pytest.mark.parametrize(("minutes", "counts"), [(59, False), (60, True)])
def test_one_that_is_too_short_is_logged_and_does_not_count(minutes: int, counts: bool) -> None:
    rows = given(AtLog(under_norm(), None)).when(supervision.record, took_place(minutes=minutes)).then().rows
    assert len(rows) == (2 if counts else 1)


def test_without_a_norm_it_is_logged_only() -> None:
    assert len(given(AtLog(anna(), None)).when(supervision.record, took_place()).then().rows) == 1


def test_who_is_away_is_not_overdue_until_they_are_back() -> None:
    away = given(under_norm()).when(absence.plan, absence_from(NOON)).row
    assert away.next_due_at is None
    given(away).when(absence.clock, Due(ANNA), at=NOON + 40 * DAY).then_nothing()
    back = given(away).when(
        absence.end, EndAbsence(practitioner_id=ANNA, absence_id=some_id("absence")), at=NOON + 40 * DAY
    )
    assert back.row.next_due_at == NOON + 28 * DAY
    (event,) = given(back.row).when(absence.clock, Due(ANNA), at=NOON + 40 * DAY).events
    assert isinstance(event, SupervisionOverdue)


def test_setting_the_norm_again_does_not_begin_anew() -> None:
    given(AtNorm(under_norm(), DEFINED)).when(supervision.set_norm, SET, at=NOON + DAY).then(rows=())


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (took_place(supervisor_id=ANNA), supervision.SupervisedByThemselves),
        (took_place(NOON + INSTANT), supervision.SupervisionInTheFuture),
    ],
)
def test_refused(command: RecordSupervision, refusal: Any) -> None:
    given(AtLog(under_norm(), None)).when(supervision.record, command).then_refused(refusal)


def test_the_same_again_changes_nothing_and_another_is_refused() -> None:
    command = took_place(supervision_id=some_id("supervision"))
    person, entry = given(AtLog(under_norm(), None)).when(supervision.record, command).then().rows
    state = AtLog(person, entry)
    given(state).when(supervision.record, command, at=NOON + DAY).then(rows=())
    other = command.model_copy(update={"minutes": 90})
    given(state).when(supervision.record, other).then_refused(supervision.SupervisionRecordedDifferently)
