"""What the workforce service tells: practitioners, competences, capacity and leave."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import Code, Count, Event, Instant, Language, Points, Version

Role = Literal["health_visitor", "midwife", "specialist", "team_lead", "other"]
LeavingReason = Literal["left_service", "retired", "other"]
AbsenceKind = Literal["leave", "sickness", "other"]


class _AboutPractitioner(Event, subject=("practitioner_id",), sensitivity="staff"):
    practitioner_id: UUID
    team_id: UUID
    """Team the practitioner belongs to, and so the pool whose cases they share."""


class PractitionerRegistered(_AboutPractitioner, readers=("referral",)):
    """A professional works in a team, with a contracted capacity for cases."""

    role: Role
    capacity_points: Points
    languages: Annotated[tuple[Language, ...], Field(max_length=20)]
    registered_at: Instant


class PractitionerLeft(_AboutPractitioner, readers=("referral",)):
    """The professional no longer works here; their cases need another owner."""

    reason: LeavingReason
    left_at: Instant


class TrainingCompleted(_AboutPractitioner):
    """The professional attended as much of a course as it asks for."""

    cohort_id: UUID
    course: Code
    course_version: Version
    """Version of the course's definition that said how much is enough."""
    sessions_attended: Count
    competence: Code | None
    """What the course certifies; null where it certifies nothing."""
    completed_at: Instant


class CompetenceAwarded(_AboutPractitioner, readers=("screening", "referral")):
    """The professional is certified for something, from and until an instant."""

    competence: Code
    valid_from: Instant
    valid_until: Instant
    awarded_at: Instant


class CompetenceSuspended(_AboutPractitioner, readers=("screening", "referral")):
    """The certificate does not count from now on."""

    competence: Code
    reason: Code
    suspended_at: Instant


class CompetenceExpired(_AboutPractitioner, readers=("screening", "referral")):
    """The certificate ran out without a renewal."""

    competence: Code
    valid_until: Instant
    expired_at: Instant


class RecertificationDue(_AboutPractitioner, readers=("notification",)):
    """A certificate runs out soon and no renewal is known."""

    competence: Code
    valid_until: Instant
    noticed_at: Instant


class SupervisionOverdue(_AboutPractitioner, readers=("notification",)):
    """The professional had less supervision than the norm asks for by now."""

    norm: Code
    norm_version: Version
    last_at: Instant | None
    """The latest supervision that is known; null where there is none."""
    due_by: Instant
    noticed_at: Instant


class CapacityChanged(_AboutPractitioner, readers=("referral",)):
    """The contracted capacity of a professional is another from now on."""

    capacity_points: Points
    changed_at: Instant


class AbsenceStarted(_AboutPractitioner, readers=("referral",)):
    """The professional is away from now on; gets no new case and, if it is to be long, hands over."""

    absence_id: UUID
    kind: AbsenceKind
    until: Instant | None
    hand_over: bool
    """The team decided that the cases go to somebody else meanwhile."""
    started_at: Instant


class AbsenceEnded(_AboutPractitioner, readers=("referral",)):
    """The professional is back."""

    absence_id: UUID
    ended_at: Instant
