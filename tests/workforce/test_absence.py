"""Absences: begun and ended by people or by the clock, each told once."""

from __future__ import annotations

from datetime import timedelta

from attune_contracts.workforce import AbsenceEnded, AbsenceStarted
from chassis.decision import Due
from services.workforce.domain import absence
from services.workforce.domain.commands import EndAbsence
from tests.support.given import NOON, given, some_id
from tests.workforce.examples import ANNA, TEAM, anna
from tests.workforce.examples import absence as absence_from

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ENDING = EndAbsence(practitioner_id=ANNA, absence_id=some_id("absence"))


def started(at: object = NOON, until: object = None, hand_over: bool = False) -> AbsenceStarted:
    return AbsenceStarted(
        practitioner_id=ANNA,
        team_id=TEAM,
        absence_id=some_id("absence"),
        kind="leave",
        until=until,  # type: ignore[arg-type]
        hand_over=hand_over,
        started_at=at,  # type: ignore[arg-type]
    )


def ended(at: object) -> AbsenceEnded:
    return AbsenceEnded(
        practitioner_id=ANNA,
        team_id=TEAM,
        absence_id=some_id("absence"),
        ended_at=at,  # type: ignore[arg-type]
    )


def test_an_absence_that_has_begun_is_told_at_once() -> None:
    command = absence_from(NOON - HOUR, hand_over=True)
    decision = given(anna()).when(absence.plan, command).then(started(NOON - HOUR, hand_over=True))
    (row,) = decision.rows
    assert row.next_due_at is None
    given(row).when(absence.plan, command).then(rows=(), reply=decision.reply)
    given(row).when(absence.plan, absence_from(NOON)).then_refused(absence.AbsencePlannedDifferently, "absence_id")


def test_a_planned_absence_begins_and_ends_by_the_clock() -> None:
    planned = given(anna()).when(absence.plan, absence_from(NOON + DAY, NOON + 2 * DAY))
    planned.then()
    assert planned.row.next_due_at == NOON + DAY
    given(planned.row).when(absence.clock, Due(ANNA), at=NOON + DAY - HOUR).then_nothing()
    away = given(planned.row).when(absence.clock, Due(ANNA), at=NOON + DAY)
    away.then(started(NOON + DAY, NOON + 2 * DAY))
    assert away.row.next_due_at == NOON + 2 * DAY
    back = given(away.row).when(absence.clock, Due(ANNA), at=NOON + 3 * DAY)
    back.then(ended(NOON + 2 * DAY))
    assert back.row.next_due_at is None


def test_a_late_clock_tells_start_and_end() -> None:
    planned = given(anna()).when(absence.plan, absence_from(NOON + DAY, NOON + 2 * DAY)).row
    late = given(planned).when(absence.clock, Due(ANNA), at=NOON + 9 * DAY)
    late.then(started(NOON + DAY, NOON + 2 * DAY), ended(NOON + 2 * DAY))


def test_a_person_ends_an_absence_early() -> None:
    away = given(anna()).when(absence.plan, absence_from(NOON, NOON + DAY)).row
    back = given(away).when(absence.end, ENDING, at=NOON + HOUR)
    back.then(ended(NOON + HOUR))
    given(back.row).when(absence.end, ENDING, at=NOON + 2 * HOUR).then(rows=())
    assert back.row.next_due_at is None


def test_an_absence_that_never_began_is_dropped_silently() -> None:
    planned = given(anna()).when(absence.plan, absence_from(NOON + DAY)).row
    dropped = given(planned).when(absence.end, ENDING)
    dropped.then()
    assert dropped.row.next_due_at is None


def test_refused() -> None:
    given(anna()).when(absence.plan, absence_from(NOON + DAY, NOON + DAY)).then_refused(
        absence.AbsenceEndsBeforeItStarts, "until"
    )
    given(anna()).when(absence.plan, absence_from(NOON - DAY, NOON)).then_refused(absence.AbsenceAlreadyOver, "until")
    given(anna()).when(absence.end, ENDING).then_refused(absence.UnknownAbsence, "absence_id")
