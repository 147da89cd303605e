"""Clocks stand still for a reason, and run on: what was left of them when they were paused is left of them then."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.referral import ClockName, ClockPaused, ClockResumed
from chassis.decision import Cause, Decision, Reply
from chassis.value import replace
from services.referral.domain.clocks import Course, reckoned, running
from services.referral.domain.commands import PauseClock, ResumeClock
from services.referral.domain.consultation import Consultation, staff, still_open
from services.referral.domain.course_refusals import ClockCannotPause, ClockNotPaused, ClockNotRunning
from services.referral.domain.progress import Pause, begun
from services.referral.domain.rules import DEFAULT


class ClockStands(Reply):
    """When the clock is due; null while it stands still."""

    consultation_id: UUID
    clock: ClockName
    due_at: datetime | None


def pause(course: Course, command: PauseClock, cause: Cause) -> Decision[ClockStands]:
    """A clock that runs stands still from now on. Paused twice it keeps the first reason."""
    case, by = still_open(course.case), staff(cause)
    rules, progress = course.rules or DEFAULT, course.progress or begun(case)
    clocks = {c.term.clock: c for c in running(replace(course, progress=progress), cause.calendar)}
    clock = clocks.get(command.clock)
    if clock is None:
        raise ClockNotRunning
    if not clock.term.may_pause:
        raise ClockCannotPause
    if clock.due_at is None:
        return Decision(reply=_reply(case, command.clock, None))
    paused = Pause(command.clock, command.reason, cause.at, None, by)
    progress = replace(progress, pauses=(*progress.pauses, paused))
    event = ClockPaused(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        practitioner_id=case.assigned_to,
        clock=command.clock,
        clocks_version=rules.edition,
        reason=command.reason,
        due_at=clock.due_at,
        paused_at=cause.at,
    )
    rows = (reckoned(course, case, progress, cause),)
    return Decision(rows=rows, events=(event,), reply=_reply(case, command.clock, None))


def resume(course: Course, command: ResumeClock, cause: Cause) -> Decision[ClockStands]:
    """A clock that stands still runs on, with the days that it had left."""
    case = still_open(course.case)
    rules, progress = course.rules or DEFAULT, course.progress or begun(case)
    if not any(p.clock == command.clock and p.until is None for p in progress.pauses):
        raise ClockNotPaused
    pauses = tuple(
        replace(p, until=cause.at) if p.clock == command.clock and p.until is None else p for p in progress.pauses
    )
    progress = replace(progress, pauses=pauses)
    clock = next(
        (c for c in running(replace(course, progress=progress), cause.calendar) if c.term.clock == command.clock), None
    )
    rows = (reckoned(course, case, progress, cause),)
    if clock is None or clock.due_at is None:
        return Decision(rows=rows, reply=_reply(case, command.clock, None))
    event = ClockResumed(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        practitioner_id=case.assigned_to,
        clock=command.clock,
        clocks_version=rules.edition,
        due_at=clock.due_at,
        resumed_at=cause.at,
    )
    return Decision(rows=rows, events=(event,), reply=_reply(case, command.clock, clock.due_at))


def _reply(case: Consultation, clock: ClockName, due_at: datetime | None) -> ClockStands:
    return {"consultation_id": case.consultation_id, "clock": clock, "due_at": due_at}
