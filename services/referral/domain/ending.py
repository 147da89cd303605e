"""A consultation ends: taken back by who asked, closed with a reason, or by a rule."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.referral import CaseClosed, ConsultationWithdrawn, EndReason
from chassis.decision import Cause, Decision
from chassis.value import replace
from services.referral.domain.commands import CloseCase, WithdrawConsultation
from services.referral.domain.consultation import Consultation, Standing, staff, standing, still_open
from services.referral.domain.refusals import NotTheRequester


def ended(case: Consultation, by: UUID | None, at: datetime) -> Consultation:
    """Off the list at once; the points stay in use until the pool, which guards them, takes notice."""
    return replace(case, ended_by=by, ended_at=at, waiting_since=None, place=None, accept_by=None, unsettled=True)


def closed(case: Consultation, reason: EndReason, by: UUID | None, at: datetime) -> tuple[Consultation, CaseClosed]:
    """The case as it ends with a reason, and what is told; `by` is null where a rule ends it."""
    event = CaseClosed(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        practitioner_id=case.assigned_to,
        reason=reason,
        closed_at=at,
    )
    return replace(ended(case, by, at), status="closed", end_reason=reason), event


def withdraw(case: Consultation | None, _: WithdrawConsultation, cause: Cause) -> Decision[Standing]:
    """The requester takes the request back, whether the case waits or somebody has it."""
    by = staff(cause)
    if case is not None and case.status == "withdrawn" and case.ended_by == by:
        return Decision(reply=standing(case))
    case = still_open(case)
    if case.requested_by != by:
        raise NotTheRequester
    event = ConsultationWithdrawn(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        withdrawn_by=by,
        withdrawn_at=cause.at,
    )
    withdrawn = replace(ended(case, by, cause.at), status="withdrawn")
    return Decision(rows=(withdrawn,), events=(event,), reply=standing(withdrawn), due=(case.team_id,))


def close(case: Consultation | None, command: CloseCase, cause: Cause) -> Decision[Standing]:
    """The case ends with a reason; the pool gives its points back and takes the next one."""
    if case is not None and case.status == "closed" and case.end_reason == command.reason:
        return Decision(reply=standing(case))
    case = still_open(case)
    after, event = closed(case, command.reason, staff(cause), cause.at)
    return Decision(rows=(after,), events=(event,), reply=standing(after), due=(case.team_id,))
