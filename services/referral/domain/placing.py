"""A case gets a practitioner, changes the practitioner or goes on the list: the row as it is then, and the event."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.referral import CaseAssigned, CaseHandedOver, HandOverReason, WaitingListJoined
from chassis.value import replace
from services.referral.domain.assignment import RULE, RULE_VERSION, Choice
from services.referral.domain.consultation import Consultation

_RULE = f"{RULE}/{RULE_VERSION}"


def assigned(case: Consultation, choice: Choice, at: datetime) -> Consultation:
    """The case with the practitioner whom the rule chose."""
    return replace(
        case,
        unsettled=False,
        waiting_since=None,
        assigned_to=choice.seat.id,
        assigned_at=at,
        because=choice.because,
        candidates=choice.candidates,
        rule=_RULE,
    )


def named(case: Consultation, practitioner_id: UUID, at: datetime) -> Consultation:
    """The case with the practitioner whom a person named."""
    return replace(
        case, assigned_to=practitioner_id, assigned_at=at, because=None, candidates=None, rule=None, not_to=None
    )


def on_the_list(case: Consultation) -> Consultation:
    """The case in the waiting list, at the place that the time of its request gives it, known to the pool."""
    return replace(
        case,
        unsettled=False,
        waiting_since=case.requested_at,
        assigned_to=None,
        assigned_at=None,
        because=None,
        candidates=None,
        rule=None,
    )


def case_assigned(case: Consultation, choice: Choice, at: datetime) -> CaseAssigned:
    return CaseAssigned(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        priority=case.priority,
        requested_by=case.requested_by,
        practitioner_id=choice.seat.id,
        points=case.points,
        candidates=choice.candidates,
        because=choice.because,
        rule=RULE,
        rule_version=RULE_VERSION,
        language=case.language,
        waited_seconds=max(0, int((at - case.requested_at).total_seconds())),
        assigned_at=at,
    )


def case_handed_over(
    case: Consultation, from_: UUID, to: UUID | None, reason: HandOverReason, at: datetime
) -> CaseHandedOver:
    return CaseHandedOver(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        requested_by=case.requested_by,
        from_practitioner_id=from_,
        to_practitioner_id=to,
        reason=reason,
        points=case.points,
        handed_over_at=at,
    )


def joined_list(case: Consultation, *, anybody: bool, at: datetime) -> WaitingListJoined:
    """`anybody`: the pool has a practitioner who may take cases."""
    return WaitingListJoined(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        priority=case.priority,
        requested_by=case.requested_by,
        points=case.points,
        reason="no_free_place" if anybody else "no_practitioner",
        joined_at=at,
    )
