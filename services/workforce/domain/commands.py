"""What people may ask of the workforce service, checked for form."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import Code, Instant, Language, Points, Version
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


LARGEST_COHORT = 10
"""More cannot be taught well together (ours); a course may ask for fewer."""


class DefineCourse(Command):
    """Define a version of a course, as data; a version never changes."""

    course: Code
    course_version: Version
    sessions: Annotated[int, Field(ge=1, le=50)]
    attend_at_least: Annotated[int, Field(ge=1, le=50)]
    """Sessions that are enough to complete it."""
    cohort_size: Annotated[int, Field(ge=1, le=LARGEST_COHORT)] = LARGEST_COHORT
    competence: Code | None = None
    """What it certifies; then `valid_days` says for how long."""
    valid_days: Annotated[int, Field(ge=1, le=3660)] | None = None


class OpenCohort(Command):
    """Open a cohort that attends a version of a course."""

    cohort_id: UUID | None = None
    course: Code
    course_version: Version


class JoinCohort(Command):
    """Take a practitioner into a cohort."""

    cohort_id: UUID
    practitioner_id: UUID


class LeaveCohort(Command):
    """Give up a practitioner's place in a cohort."""

    cohort_id: UUID
    practitioner_id: UUID


class RecordAttendance(Command):
    """Record who was there at one session, as a whole."""

    cohort_id: UUID
    session: Annotated[int, Field(ge=1, le=50)]
    present: Annotated[tuple[UUID, ...], Field(max_length=LARGEST_COHORT)]
    held_at: Instant


class CompleteTraining(Command):
    """Confirm that a practitioner has completed the course; certifies them where the course does."""

    cohort_id: UUID
    practitioner_id: UUID


class DefineNorm(Command):
    """Define a version of a norm of supervision, as data; a version never changes."""

    norm: Code
    norm_version: Version
    every_days: Annotated[int, Field(ge=1, le=366)]
    minutes_at_least: Annotated[int, Field(ge=0, le=480)] = 0
    """A shorter supervision is logged and does not count."""


class SetNorm(Command):
    """Say by which norm of supervision a practitioner is measured."""

    practitioner_id: UUID
    norm: Code
    norm_version: Version


class RecordSupervision(Command):
    """Record a supervision that took place; not what was said in it."""

    practitioner_id: UUID
    supervision_id: UUID | None = None
    supervisor_id: UUID
    kind: Literal["individual", "group"] = "individual"
    minutes: Annotated[int, Field(ge=1, le=480)]
    held_at: Instant
