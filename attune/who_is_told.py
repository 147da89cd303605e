"""Who must be told because of an event: said once more, so that the service's own rules are checked by others."""

from __future__ import annotations

from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.notification import MessageKind
from attune_contracts.referral import (
    CaseAssigned,
    CaseHandedOver,
    ConsultationReported,
    ConsultationTriaged,
    SafeguardingRaised,
    WaitingListJoined,
)
from attune_contracts.screening import ScreeningCompleted
from attune_contracts.workforce import RecertificationDue, SupervisionOverdue

Due = tuple[MessageKind, UUID, UUID | str]
"""Kind of message, what it is about, and the person or the duty that gets it."""


def required(e: Event) -> list[Due]:
    """The messages that this event calls for; empty for most events."""
    match e:
        case CaseAssigned():
            due = _owner_and_asker("case_assigned", e, e.practitioner_id)
        case CaseHandedOver():
            due = _owner_and_asker("case_handed_over", e, e.to_practitioner_id)
        case WaitingListJoined():
            due = [("case_waiting", e.consultation_id, e.requested_by)]
        case ConsultationTriaged(decision="declined") if e.triaged_by != e.requested_by:
            due = [("consultation_declined", e.consultation_id, e.requested_by)]
        case ConsultationTriaged(decision="redirected") if e.triaged_by != e.requested_by:
            due = [("consultation_redirected", e.consultation_id, e.requested_by)]
        case ConsultationReported() if e.reported_by != e.requested_by:
            due = [("consultation_reported", e.consultation_id, e.requested_by)]
        case SafeguardingRaised():
            due = [("safeguarding_raised", e.consultation_id, "safeguarding_lead")]
        case RecertificationDue():
            due = [("recertification_due", e.practitioner_id, e.practitioner_id)]
        case SupervisionOverdue():
            whom: tuple[UUID | str, ...] = (e.practitioner_id, "team_lead")
            due = [("supervision_overdue", e.practitioner_id, who) for who in whom]
        case ScreeningCompleted():
            due = _after_screening(e)
        case _:
            due = []
    return due


def _owner_and_asker(kind: MessageKind, e: CaseAssigned | CaseHandedOver, owner: UUID | None) -> list[Due]:
    to_owner: list[Due] = [] if owner is None else [("case_assigned_to_you", e.consultation_id, owner)]
    return to_owner if owner == e.requested_by else [*to_owner, (kind, e.consultation_id, e.requested_by)]


def _after_screening(e: ScreeningCompleted) -> list[Due]:
    due: list[Due] = []
    if e.outcome == "urgent_concern":
        due.append(("urgent_concern", e.screening_id, "safeguarding_lead"))
    if e.certificate != "valid":
        due.append(("certificate_lapsed", e.screening_id, "team_lead"))
    return due
