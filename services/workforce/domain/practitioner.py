"""A practitioner: one row with team, capacity, certificates and absences, and the next instant that changes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.workforce import (
    AbsenceKind,
    CapacityChanged,
    LeavingReason,
    PractitionerLeft,
    PractitionerRegistered,
    Role,
)
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace, value
from services.workforce.domain.commands import ChangeCapacity, RecordLeaving, RegisterPractitioner


class UnknownPractitioner(Refused):
    """No practitioner is known under this id."""

    status = 404
    field = "practitioner_id"


class PractitionerRegisteredDifferently(Refused):
    """This practitioner is registered with other particulars."""

    field = "practitioner_id"


class PractitionerHasLeft(Refused):
    """The practitioner no longer works here."""

    field = "practitioner_id"


RENEWED_BEFORE = timedelta(days=56)
"""How long before its end a certificate without a renewal is told (ours)."""


@value(frozen=True, slots=True)
class Norm:
    """How often this practitioner has to have supervision, and how it stands."""

    norm: str
    norm_version: int
    every_days: int
    minutes_at_least: int
    since: datetime
    last_at: datetime | None = None
    """The latest that counts."""
    told: bool = False
    """That it is overdue was told."""

    @property
    def due_by(self) -> datetime:
        """Never before the whole time has passed since the norm was set."""
        counts_from = max(self.since, self.last_at) if self.last_at is not None else self.since
        return counts_from + timedelta(days=self.every_days)


@value(frozen=True, slots=True)
class Award:
    """A certificate: valid from the first instant, no more at the last, and not from its suspension on."""

    competence: str
    valid_from: datetime
    valid_until: datetime
    awarded_at: datetime
    suspended_at: datetime | None = None
    run_out: bool = False
    """Its end has passed and was told, or a renewal carries on."""
    end_noticed: bool = False
    """That its end is near was told, or a renewal carries on."""

    @property
    def counts(self) -> bool:
        """It is or will be valid, as far as is known by the last decision."""
        return self.suspended_at is None and not self.run_out

    @property
    def renewal_due_at(self) -> datetime:
        """When somebody has to begin to think of the renewal."""
        return self.valid_until - RENEWED_BEFORE


@value(frozen=True, slots=True)
class Absence:
    """A time away from work, planned, begun or ended."""

    absence_id: UUID
    kind: AbsenceKind
    starts_at: datetime
    until: datetime | None
    hand_over: bool
    started: bool = False
    ended: bool = False


@value(frozen=True, slots=True)
class Practitioner:
    """A professional, known by an id alone."""

    practitioner_id: UUID
    team_id: UUID
    role: Role
    capacity_points: int
    languages: tuple[str, ...]
    registered_at: datetime
    competences: tuple[Award, ...] = ()
    absences: tuple[Absence, ...] = ()
    left_at: datetime | None = None
    leaving_reason: LeavingReason | None = None
    next_due_at: datetime | None = None
    """Next end of a certificate or notice of it, start or end of an absence, or supervision that is due."""
    norm: Norm | None = None

    @property
    def is_away(self) -> bool:
        return any(absence.started and not absence.ended for absence in self.absences)


def here(state: Practitioner | None) -> Practitioner:
    """The practitioner, refused where unknown or no longer working here."""
    if state is None:
        raise UnknownPractitioner
    if state.left_at is not None:
        raise PractitionerHasLeft
    return state


def decided(
    state: Practitioner, events: tuple[Event, ...], reply: Any = None, *, more: tuple[Any, ...] = ()
) -> Decision:
    """The decision for a changed practitioner, with its next due instant worked out anew; `more` are further rows."""
    return Decision(rows=(timed(state), *more), events=events, reply=reply)


def timed(state: Practitioner) -> Practitioner:
    """With the next instant at which time changes something."""
    return replace(state, next_due_at=_next_due(state))


def _next_due(state: Practitioner) -> datetime | None:
    if state.left_at is not None:
        return None
    counting = [award for award in state.competences if award.counts]
    instants = [award.valid_until if award.end_noticed else award.renewal_due_at for award in counting]
    if state.norm is not None and not state.norm.told and not state.is_away:
        instants.append(state.norm.due_by)
    for absence in state.absences:
        if absence.ended:
            continue
        if not absence.started:
            instants.append(absence.starts_at)
        elif absence.until is not None:
            instants.append(absence.until)
    return min(instants, default=None)


class Employed(Reply):
    """The practitioner that is registered."""

    practitioner_id: UUID


class Contracted(Reply):
    """The capacity that is contracted now."""

    practitioner_id: UUID
    capacity_points: int


class Left(Reply):
    """When the practitioner left."""

    practitioner_id: UUID
    left_at: datetime


def register(state: Practitioner | None, command: RegisterPractitioner, cause: Cause) -> Decision[Employed]:
    """A professional works in a team, once."""
    practitioner_id = command.practitioner_id or cause.derive("practitioner")
    reply: Employed = {"practitioner_id": practitioner_id}
    if state is not None:
        # The capacity may have been changed since; registering again does not set it back.
        if (state.team_id, state.role, state.languages) != (command.team_id, command.role, command.languages):
            raise PractitionerRegisteredDifferently
        here(state)
        return Decision(reply=reply)
    made = Practitioner(
        practitioner_id=practitioner_id,
        team_id=command.team_id,
        role=command.role,
        capacity_points=command.capacity_points,
        languages=command.languages,
        registered_at=cause.at,
    )
    event = PractitionerRegistered(
        practitioner_id=practitioner_id,
        team_id=command.team_id,
        role=command.role,
        capacity_points=command.capacity_points,
        languages=command.languages,
        registered_at=cause.at,
    )
    return decided(made, (event,), reply)


def change_capacity(state: Practitioner | None, command: ChangeCapacity, cause: Cause) -> Decision[Contracted]:
    """Another contracted capacity; the same one changes nothing."""
    practitioner = here(state)
    reply: Contracted = {"practitioner_id": practitioner.practitioner_id, "capacity_points": command.capacity_points}
    if practitioner.capacity_points == command.capacity_points:
        return Decision(reply=reply)
    event = CapacityChanged(
        practitioner_id=practitioner.practitioner_id,
        team_id=practitioner.team_id,
        capacity_points=command.capacity_points,
        changed_at=cause.at,
    )
    return decided(replace(practitioner, capacity_points=command.capacity_points), (event,), reply)


def leave(state: Practitioner | None, command: RecordLeaving, cause: Cause) -> Decision[Left]:
    """The professional leaves now; certificates and absences end without further events."""
    if state is None:
        raise UnknownPractitioner
    if state.left_at is not None:
        return Decision(reply={"practitioner_id": state.practitioner_id, "left_at": state.left_at})
    event = PractitionerLeft(
        practitioner_id=state.practitioner_id, team_id=state.team_id, reason=command.reason, left_at=cause.at
    )
    reply: Left = {"practitioner_id": state.practitioner_id, "left_at": cause.at}
    return decided(replace(state, left_at=cause.at, leaving_reason=command.reason), (event,), reply)
