"""Absences: planned, begun and ended, by people or by the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.workforce import AbsenceEnded, AbsenceStarted, SupervisionOverdue
from chassis.decision import NOTHING, Cause, Decision, Due, Refused, Reply
from chassis.value import replace
from services.workforce.domain.commands import EndAbsence, PlanAbsence
from services.workforce.domain.competence import renewal_due, run_out
from services.workforce.domain.practitioner import Absence, Practitioner, decided, here


class AbsenceEndsBeforeItStarts(Refused):
    """The absence ends before it starts."""

    status = 422
    field = "until"


class AbsenceAlreadyOver(Refused):
    """The absence is over already; only present and coming absences are planned."""

    status = 422
    field = "until"


class AbsencePlannedDifferently(Refused):
    """This absence is planned with other particulars."""

    field = "absence_id"


class UnknownAbsence(Refused):
    """The practitioner has no absence with this id."""

    status = 404
    field = "absence_id"


class Away(Reply):
    """The absence that was planned or ended."""

    practitioner_id: UUID
    absence_id: UUID


def plan(state: Practitioner | None, command: PlanAbsence, cause: Cause) -> Decision[Away]:
    """An absence; told at once when it has begun, otherwise when it begins."""
    practitioner = here(state)
    starts_at = command.starts_at.astimezone(UTC)
    until = command.until.astimezone(UTC) if command.until else None
    absence = Absence(command.absence_id or cause.derive("absence"), command.kind, starts_at, until, command.hand_over)
    known = next((a for a in practitioner.absences if a.absence_id == absence.absence_id), None)
    if known is not None:
        if replace(known, started=False, ended=False) != absence:
            raise AbsencePlannedDifferently
        return Decision(reply=_reply(practitioner, known))
    if until is not None and until <= starts_at:
        raise AbsenceEndsBeforeItStarts
    if until is not None and until <= cause.at:
        raise AbsenceAlreadyOver
    planned = replace(practitioner, absences=(*practitioner.absences, absence))
    changed, events = _turned(planned, cause.at)
    return decided(changed, tuple(events), _reply(practitioner, absence))


def end(state: Practitioner | None, command: EndAbsence, cause: Cause) -> Decision[Away]:
    """Back at work now; an absence that never began is dropped without an event."""
    practitioner = here(state)
    absence = next((a for a in practitioner.absences if a.absence_id == command.absence_id), None)
    if absence is None:
        raise UnknownAbsence
    reply = _reply(practitioner, absence)
    if absence.ended:
        return Decision(reply=reply)
    absences = tuple(replace(a, ended=True) if a == absence else a for a in practitioner.absences)
    events = (_ended(practitioner, absence, cause.at),) if absence.started else ()
    return decided(replace(practitioner, absences=absences), events, reply)


def clock(state: Practitioner | None, due: Due, cause: Cause) -> Decision:  # noqa: ARG001
    """What time has brought: certificates near their end or past it, absences, supervision that is overdue."""
    if state is None or state.next_due_at is None or state.next_due_at > cause.at:
        return NOTHING
    changed, expired = run_out(state, cause.at)
    changed, near = renewal_due(changed, cause.at)
    changed, turned = _turned(changed, cause.at)
    changed, overdue = _supervision(changed, cause.at)
    return decided(changed, (*expired, *near, *turned, *overdue))


def _supervision(practitioner: Practitioner, at: datetime) -> tuple[Practitioner, list[Event]]:
    """Less supervision than the norm asks for is told once, and not of somebody who is away."""
    norm = practitioner.norm
    if norm is None or norm.told or norm.due_by > at or practitioner.is_away:
        return practitioner, []
    event = SupervisionOverdue(
        practitioner_id=practitioner.practitioner_id,
        team_id=practitioner.team_id,
        norm=norm.norm,
        norm_version=norm.norm_version,
        last_at=norm.last_at,
        due_by=norm.due_by,
        noticed_at=at,
    )
    return replace(practitioner, norm=replace(norm, told=True)), [event]


def _turned(practitioner: Practitioner, at: datetime) -> tuple[Practitioner, list[Event]]:
    """Absences that have begun or ended by `at`, each told once and in its own order."""
    absences: list[Absence] = []
    events: list[Event] = []
    for absence in practitioner.absences:
        now = absence
        if not now.ended and not now.started and now.starts_at <= at:
            now = replace(now, started=True)
            events.append(_started(practitioner, now))
        until = now.until
        if now.started and not now.ended and until is not None and until <= at:
            now = replace(now, ended=True)
            events.append(_ended(practitioner, now, until))
        absences.append(now)
    return replace(practitioner, absences=tuple(absences)), events


def _started(practitioner: Practitioner, absence: Absence) -> AbsenceStarted:
    return AbsenceStarted(
        practitioner_id=practitioner.practitioner_id,
        team_id=practitioner.team_id,
        absence_id=absence.absence_id,
        kind=absence.kind,
        until=absence.until,
        hand_over=absence.hand_over,
        started_at=absence.starts_at,
    )


def _ended(practitioner: Practitioner, absence: Absence, at: datetime) -> AbsenceEnded:
    return AbsenceEnded(
        practitioner_id=practitioner.practitioner_id,
        team_id=practitioner.team_id,
        absence_id=absence.absence_id,
        ended_at=at,
    )


def _reply(practitioner: Practitioner, absence: Absence) -> Away:
    return {"practitioner_id": practitioner.practitioner_id, "absence_id": absence.absence_id}
