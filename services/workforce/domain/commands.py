"""What people may ask of the workforce service, checked for form."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from attune_contracts.event import Code, Instant, Language, Points
from attune_contracts.workforce import AbsenceKind, LeavingReason, Role
from chassis.commands import Command


class RegisterPractitioner(Command):
    """A professional works in a team from now on. No name is kept: the id is the one of the token."""

    practitioner_id: UUID | None = None
    team_id: UUID
    role: Role
    capacity_points: Points
    languages: Annotated[tuple[Language, ...], Field(max_length=20)] = ("en",)


class AwardCompetence(Command):
    """The professional is certified for something: valid from the first instant, no more at the last."""

    practitioner_id: UUID
    competence: Code
    valid_from: Instant
    valid_until: Instant


class SuspendCompetence(Command):
    """The certificate shall not count from now on, until a new one is awarded."""

    practitioner_id: UUID
    competence: Code
    reason: Code


class ChangeCapacity(Command):
    """Another contracted capacity from now on."""

    practitioner_id: UUID
    capacity_points: Points


class PlanAbsence(Command):
    """The professional is away from an instant on, past or to come, until another or until further notice."""

    practitioner_id: UUID
    absence_id: UUID | None = None
    kind: AbsenceKind
    starts_at: Instant
    until: Instant | None = None
    hand_over: bool = False
    """The cases go to somebody else meanwhile."""


class EndAbsence(Command):
    """The professional is back, or does not go away after all."""

    practitioner_id: UUID
    absence_id: UUID


class RecordLeaving(Command):
    """The professional no longer works here, from now on."""

    practitioner_id: UUID
    reason: LeavingReason
