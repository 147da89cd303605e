"""Competences: awarded for a time, renewed, suspended, run out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.workforce import CompetenceAwarded, CompetenceExpired, CompetenceSuspended, RecertificationDue
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace
from services.workforce.domain.commands import AwardCompetence, SuspendCompetence
from services.workforce.domain.practitioner import Award, Practitioner, decided, here, timed

LONGEST = timedelta(days=3660)
"""Longest validity that can be awarded (ours)."""


class ValidityNotPositive(Refused):
    """The validity ends before it begins."""

    status = 422
    field = "valid_until"


class ValidityTooLong(Refused):
    """No certificate is valid for more than ten years."""

    status = 422
    field = "valid_until"


class CompetenceNotHeld(Refused):
    """The practitioner holds no such certificate that could be suspended."""

    field = "competence"


class Certified(Reply):
    """The certificate that is recorded."""

    practitioner_id: UUID
    competence: str
    valid_until: datetime


class Suspended(Reply):
    """The competence whose certificates count no longer."""

    practitioner_id: UUID
    competence: str


def award(state: Practitioner | None, command: AwardCompetence, cause: Cause) -> Decision[Certified]:
    """A certificate, told at once; one whose time is already over is told as run out too."""
    practitioner = here(state)
    valid_from, valid_until = command.valid_from.astimezone(UTC), command.valid_until.astimezone(UTC)
    if valid_until <= valid_from:
        raise ValidityNotPositive
    if valid_until - valid_from > LONGEST:
        raise ValidityTooLong
    held = practitioner.competences
    reply: Certified = {
        "practitioner_id": practitioner.practitioner_id,
        "competence": command.competence,
        "valid_until": valid_until,
    }
    same = (command.competence, valid_from, valid_until)
    if any((a.competence, a.valid_from, a.valid_until) == same and a.suspended_at is None for a in held):
        return Decision(reply=reply)
    changed, events = awarded(practitioner, command.competence, valid_from, valid_until, cause)
    return Decision(rows=(changed,), events=events, reply=reply)


def awarded(
    practitioner: Practitioner, competence: str, valid_from: datetime, valid_until: datetime, cause: Cause
) -> tuple[Practitioner, tuple[Event, ...]]:
    """The practitioner with one more certificate, and what is told of it."""
    held = practitioner.competences
    made = Award(competence, valid_from, valid_until, _after_suspensions(held, competence, cause.at))
    event = CompetenceAwarded(
        practitioner_id=practitioner.practitioner_id,
        team_id=practitioner.team_id,
        competence=made.competence,
        valid_from=valid_from,
        valid_until=valid_until,
        awarded_at=made.awarded_at,
    )
    changed, expired = run_out(replace(practitioner, competences=(*held, made)), cause.at)
    return timed(changed), (event, *expired)


def _after_suspensions(held: tuple[Award, ...], competence: str, at: datetime) -> datetime:
    """An award is later than every suspension that it is not meant by, even within one instant."""
    suspended = [a.suspended_at for a in held if a.competence == competence and a.suspended_at is not None]
    return max(at, max(suspended) + timedelta(microseconds=1)) if suspended else at


def suspend(state: Practitioner | None, command: SuspendCompetence, cause: Cause) -> Decision[Suspended]:
    """All certificates of this competence stop to count; suspending again changes nothing."""
    practitioner = here(state)
    reply: Suspended = {"practitioner_id": practitioner.practitioner_id, "competence": command.competence}
    of_it = [a for a in practitioner.competences if a.competence == command.competence]
    if not any(a.counts for a in of_it):
        if any(a.suspended_at is not None for a in of_it):
            return Decision(reply=reply)
        raise CompetenceNotHeld
    # Not before the awards that it is to stop: one may have been put behind an earlier suspension of the same instant.
    at = max(cause.at, *(a.awarded_at for a in of_it))
    competences = tuple(
        replace(a, suspended_at=at) if a.competence == command.competence and a.suspended_at is None else a
        for a in practitioner.competences
    )
    event = CompetenceSuspended(
        practitioner_id=practitioner.practitioner_id,
        team_id=practitioner.team_id,
        competence=command.competence,
        reason=command.reason,
        suspended_at=at,
    )
    return decided(replace(practitioner, competences=competences), (event,), reply)


def run_out(practitioner: Practitioner, at: datetime) -> tuple[Practitioner, list[Event]]:
    """Certificates whose time is over by `at`: told, unless another carries on, then or now."""
    over = [a for a in practitioner.competences if a.counts and a.valid_until <= at]
    if not over:
        return practitioner, []
    events: list[Event] = [
        CompetenceExpired(
            practitioner_id=practitioner.practitioner_id,
            team_id=practitioner.team_id,
            competence=a.competence,
            valid_until=a.valid_until,
            expired_at=at,
        )
        for a in sorted(over, key=lambda a: a.valid_until)
        if not _carried_on(practitioner, a, at)
    ]
    competences = tuple(replace(a, run_out=True) if a in over else a for a in practitioner.competences)
    return replace(practitioner, competences=competences), events


def renewal_due(practitioner: Practitioner, at: datetime) -> tuple[Practitioner, list[Event]]:
    """Certificates whose end is near by `at`: told once each, unless a later one carries on."""
    near = [a for a in practitioner.competences if a.counts and not a.end_noticed and a.renewal_due_at <= at]
    if not near:
        return practitioner, []
    events: list[Event] = [
        RecertificationDue(
            practitioner_id=practitioner.practitioner_id,
            team_id=practitioner.team_id,
            competence=a.competence,
            valid_until=a.valid_until,
            noticed_at=at,
        )
        for a in sorted(near, key=lambda a: a.valid_until)
        if not _carried_on(practitioner, a, a.valid_until)
    ]
    competences = tuple(replace(a, end_noticed=True) if a in near else a for a in practitioner.competences)
    return replace(practitioner, competences=competences), events


def _carried_on(practitioner: Practitioner, ended: Award, at: datetime) -> bool:
    others = [a for a in practitioner.competences if a.competence == ended.competence and a.suspended_at is None]
    return any(a.valid_from <= instant < a.valid_until for a in others for instant in (ended.valid_until, at))
