"""Courses, cohorts of ten at most, attendance, and what completing a course certifies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.workforce import CompetenceAwarded, TrainingCompleted
from services.workforce.domain import practitioner, training
from services.workforce.domain.commands import (
    CompleteTraining,
    DefineCourse,
    JoinCohort,
    LeaveCohort,
    OpenCohort,
    RecordAttendance,
    RecordLeaving,
)
from services.workforce.domain.practitioner import RENEWED_BEFORE, PractitionerHasLeft, UnknownPractitioner
from services.workforce.domain.training import AtOpening, Cohort, Course, InCohort, Member
from tests.support.given import NOON, given, some_id
from tests.workforce.examples import ANNA, TEAM, anna

COHORT = some_id("cohort")
COURSE: dict[str, Any] = {
    "course": "observing",
    "course_version": 1,
    "sessions": 4,
    "attend_at_least": 3,
    "competence": "eao_administration",
    "valid_days": 730,
}
OPEN = OpenCohort(cohort_id=COHORT, course="observing", course_version=1)
JOIN, LEAVE = JoinCohort(cohort_id=COHORT, practitioner_id=ANNA), LeaveCohort(cohort_id=COHORT, practitioner_id=ANNA)
DONE = CompleteTraining(cohort_id=COHORT, practitioner_id=ANNA)


def course(**changes: Any) -> Course:
    row = given().by(ANNA).when(training.define, DefineCourse(**COURSE | changes)).row
    assert isinstance(row, Course)
    return row


def cohort(*members: Member, **changes: Any) -> Cohort:
    row = given(AtOpening(None, course(**changes))).when(training.open_cohort, OPEN).row
    assert isinstance(row, Cohort)
    return replace(row, members=members)


def attendance(session: int, *present: Any) -> RecordAttendance:
    return RecordAttendance(cohort_id=COHORT, session=session, present=present, held_at=NOON)


def test_a_version_of_a_course_never_changes() -> None:
    row = course()
    assert (row.reference, row.cohort_size, row.defined_by) == ("observing/1", 10, str(ANNA))
    given(row).when(training.define, DefineCourse(**COURSE)).then(rows=())
    changed = DefineCourse(**COURSE | {"sessions": 5})
    given(row).when(training.define, changed).then_refused(training.CourseVersionChanged)


@pytest.mark.parametrize(
    "changes", [{"attend_at_least": 5}, {"competence": None}, {"valid_days": None}], ids=lambda c: next(iter(c))
)
def test_a_course_fits_together(changes: dict[str, Any]) -> None:
    given().when(training.define, DefineCourse(**COURSE | changes)).then_refused(training.CourseInconsistent)


@pytest.mark.parametrize("size", [0, 11])
def test_no_cohort_is_larger_than_ten(size: int) -> None:
    with pytest.raises(ValueError, match="cohort_size"):
        DefineCourse(**COURSE | {"cohort_size": size})


def test_a_cohort_takes_as_many_as_its_course_says_and_not_one_more() -> None:
    others = [Member(some_id(f"member {n}")) for n in range(10)]
    nine = InCohort(cohort(*others[:9]), anna())
    then = given(nine).when(training.join, JOIN)
    assert then.then_decided().reply == {"cohort_id": COHORT, "places_free": 0}
    given(InCohort(cohort(*others), anna())).when(training.join, JOIN).then_refused(training.CohortFull)
    given(InCohort(then.row, anna())).when(training.join, JOIN).then(rows=())
    small = InCohort(cohort(others[0], cohort_size=1), anna())
    given(small).when(training.join, JOIN).then_refused(training.CohortFull)


def test_a_place_that_is_given_up_is_free_again() -> None:
    now = given(InCohort(cohort(Member(ANNA)), anna())).when(training.give_up, LEAVE)
    assert now.then_decided().reply == {"cohort_id": COHORT, "places_free": 10}
    done = Member(ANNA, (1, 2, 3), NOON)
    given(InCohort(cohort(done), anna())).when(training.give_up, LEAVE).then_refused(training.AlreadyCompleted)


def test_only_who_works_here_is_trained() -> None:
    gone = given(anna()).when(practitioner.leave, RecordLeaving(practitioner_id=ANNA, reason="retired")).row
    given(InCohort(cohort(), gone)).when(training.join, JOIN).then_refused(PractitionerHasLeft)
    given(InCohort(cohort(), None)).when(training.join, JOIN).then_refused(UnknownPractitioner)
    given(InCohort(None, anna())).when(training.join, JOIN).then_refused(training.UnknownCohort)


def test_opening_a_cohort_again_changes_nothing_and_never_its_course() -> None:
    given(AtOpening(cohort(), course())).when(training.open_cohort, OPEN).then(rows=())
    other = OPEN.model_copy(update={"course_version": 2})
    given(AtOpening(cohort(), course())).when(training.open_cohort, other).then_refused(
        training.CohortOpenedDifferently
    )
    given(AtOpening(None, None)).when(training.open_cohort, OPEN).then_refused(training.UnknownCourse)


def test_attendance_is_recorded_for_a_session_as_a_whole_and_can_be_corrected() -> None:
    bea = some_id("bea")
    both = cohort(Member(ANNA), Member(bea))
    now = given(both).when(training.attend, attendance(2, ANNA, bea)).row
    now = given(now).when(training.attend, attendance(1, ANNA)).row
    assert [m.attended for m in now.members] == [(1, 2), (2,)]
    now = given(now).when(training.attend, attendance(2, bea)).row
    assert [m.attended for m in now.members] == [(1,), (2,)]


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (attendance(5, ANNA), training.NoSuchSession),
        (attendance(1, some_id("stranger")), training.NotInTheCohort),
        (attendance(1).model_copy(update={"held_at": NOON + timedelta(seconds=1)}), training.HeldInTheFuture),
    ],
)
def test_attendance_that_cannot_be_is_refused(command: RecordAttendance, refusal: Any) -> None:
    given(cohort(Member(ANNA))).when(training.attend, command).then_refused(refusal)


def test_who_attended_enough_completes_and_is_certified_from_now_on() -> None:
    state = InCohort(cohort(Member(ANNA, (1, 2, 4))), anna())
    then = given(state).when(training.complete, DONE)
    completed, awarded = then.events
    assert isinstance(completed, TrainingCompleted)
    assert (completed.course, completed.course_version, completed.sessions_attended) == ("observing", 1, 3)
    until = NOON + timedelta(days=730)
    assert awarded == CompetenceAwarded(
        practitioner_id=ANNA,
        team_id=TEAM,
        competence="eao_administration",
        valid_from=NOON,
        valid_until=until,
        awarded_at=NOON,
    )
    group, person = then.then_decided().rows
    assert person.next_due_at == until - RENEWED_BEFORE
    again = given(InCohort(group, person)).when(training.complete, DONE, at=NOON + timedelta(days=1))
    again.then(rows=(), reply=then.then_decided().reply)


def test_who_attended_too_little_is_not_certified() -> None:
    state = InCohort(cohort(Member(ANNA, (1, 4))), anna())
    given(state).when(training.complete, DONE).then_refused(training.AttendedTooLittle)


def test_a_course_that_certifies_nothing_is_completed_all_the_same() -> None:
    plain = cohort(Member(ANNA, (1, 2, 3)), competence=None, valid_days=None)
    (event,) = given(InCohort(plain, anna())).when(training.complete, DONE).events
    assert isinstance(event, TrainingCompleted)
    assert event.competence is None
