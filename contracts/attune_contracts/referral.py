"""What the referral service tells: consultations, the waiting list and the caseload."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import Code, Count, Event, Instant, Language, Points, Version

ConsultationKind = Literal["case_consultation", "reflective_discussion"]
Priority = Literal["urgent", "routine"]
RequestedThrough = Literal["screening", "professional"]
Consent = Literal["agreed", "refused", "not_sought", "overridden"]
HandOverReason = Literal["practitioner_left", "absence", "competence_lost", "capacity_reduced", "manual"]
EndReason = Literal["completed", "declined_by_family", "moved_away", "entered_in_error", "other"]
Preference = Literal["same_practitioner_for_sibling", "language", "lightest_share"]


class ConsultationRequested(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """The specialists were asked to consult, by a concerning screening or by a professional."""

    consultation_id: UUID
    child_id: UUID | None
    """Null for a reflective discussion in which the family stays anonymous."""
    screening_id: UUID | None
    """The concerning screening that asked; null for a request by a professional."""
    team_id: UUID
    """Team whose specialists are asked."""
    kind: ConsultationKind
    priority: Priority
    requested_by: UUID
    requested_through: RequestedThrough
    consent: Consent | None
    """Of the family to a consultation that names them; null where it is not known or nobody is named."""
    requested_at: Instant


class ConsultationAcknowledged(Event, subject=("child_id", "consultation_id")):
    """A specialist confirmed to have seen the request."""

    consultation_id: UUID
    child_id: UUID | None
    acknowledged_by: UUID
    acknowledged_at: Instant


class WaitingListJoined(Event, subject=("child_id", "consultation_id"), readers=("notification",)):
    """No practitioner of the pool has a free place: the case waits."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    priority: Priority
    requested_by: UUID
    points: Points
    reason: Literal["no_free_place", "no_practitioner"]
    joined_at: Instant


class CaseAssigned(Event, subject=("child_id", "consultation_id"), readers=("notification",), sensitivity="clinical"):
    """A practitioner has the case; says why this one."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    priority: Priority
    requested_by: UUID
    practitioner_id: UUID
    points: Points
    candidates: Count
    """Practitioners who could have taken the case."""
    because: Preference
    """What decided among the candidates."""
    rule: Code
    rule_version: Version
    """Version of the allocation rule, enough to recompute the choice."""
    language: Language
    """Language of the caregiver that was asked for."""
    waited_seconds: Annotated[int, Field(ge=0, le=1_000_000_000)]
    """From the request to the assignment."""
    assigned_at: Instant


class CaseHandedOver(Event, subject=("child_id", "consultation_id"), readers=("notification",), sensitivity="clinical"):
    """The case left its practitioner: to another one, or back to the waiting list when `to_practitioner_id` is null."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    requested_by: UUID
    from_practitioner_id: UUID
    to_practitioner_id: UUID | None
    reason: HandOverReason
    points: Points
    handed_over_at: Instant


class CaseClosed(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """The work on the case ended and its place is free."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    practitioner_id: UUID | None
    reason: EndReason
    closed_at: Instant


class ConsultationWithdrawn(Event, subject=("child_id", "consultation_id")):
    """Whoever asked took the request back before it was worked on."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    withdrawn_by: UUID
    withdrawn_at: Instant
