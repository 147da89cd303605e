"""A case that is only offered: its practitioner accepts or declines it in time, else the pool gives it to the next."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from attune_contracts.referral import CaseAccepted, HandOverReason
from chassis.decision import NOTHING, Cause, Decision, Due, Reply
from chassis.value import replace, value
from services.referral.domain.commands import AcceptCase, DeclineCase, DeclineReason
from services.referral.domain.consultation import Consultation, Terms, staff, still_open
from services.referral.domain.refusals import CaseNotOffered, CaseOfSomebodyElse


@value(frozen=True, slots=True)
class Offer:
    """An open offer, as its clock sees it."""

    consultation_id: UUID
    accept_by: datetime


@value(frozen=True, slots=True)
class Refusal:
    """Somebody did not take a case that was offered: for the figures of the team, not against anybody."""

    refusal_id: UUID
    consultation_id: UUID
    team_id: UUID
    practitioner_id: UUID
    kind: HandOverReason
    reason: DeclineReason | None
    refused_at: datetime


class Answered(Reply):
    """Whose the case is now; null while the pool looks for somebody else."""

    consultation_id: UUID
    assigned_to: UUID | None


def accept(case: Consultation | None, _: AcceptCase, cause: Cause) -> Decision[Answered]:
    """Whoever was offered the case takes it; the offer does not lapse any more."""
    case = still_open(case)
    by = staff(cause)
    if case.assigned_to != by or _leaving(case):
        raise CaseOfSomebodyElse
    reply: Answered = {"consultation_id": case.consultation_id, "assigned_to": by}
    if case.accept_by is None:
        return Decision(reply=reply)
    event = CaseAccepted(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        practitioner_id=by,
        accepted_at=cause.at,
    )
    return Decision(rows=(replace(case, accept_by=None),), events=(event,), reply=reply)


def decline(case: Consultation | None, command: DeclineCase, cause: Cause) -> Decision[Answered]:
    """Whoever was offered the case does not take it; it goes to the next, at its old place."""
    case = still_open(case)
    by = staff(cause)
    if _leaving(case) and case.terms is not None and case.assigned_to == by:
        return Decision(reply={"consultation_id": case.consultation_id, "assigned_to": None})
    if case.assigned_to != by:
        raise CaseOfSomebodyElse
    if case.accept_by is None:
        raise CaseNotOffered
    reply: Answered = {"consultation_id": case.consultation_id, "assigned_to": None}
    return replace(_given_back(case, by, "offer_declined", command.reason, cause), reply=reply)


def lapse(case: Consultation | None, _: Due, cause: Cause) -> Decision:
    """Nobody has accepted in time: the case goes to the next, as if it had been declined."""
    if case is None or case.assigned_to is None or case.accept_by is None or cause.at < case.accept_by:
        return NOTHING
    return _given_back(case, case.assigned_to, "offer_lapsed", None, cause)


def _given_back(
    case: Consultation, by: UUID, kind: HandOverReason, reason: DeclineReason | None, cause: Cause
) -> Decision[Any]:
    terms = replace(case.terms or Terms(), leaves=kind)
    marked = replace(case, accept_by=None, place=None, unsettled=True, terms=terms)
    refusal = Refusal(
        refusal_id=cause.derive("refusal"),
        consultation_id=case.consultation_id,
        team_id=case.team_id,
        practitioner_id=by,
        kind=kind,
        reason=reason,
        refused_at=cause.at,
    )
    return Decision(rows=(marked, refusal), due=(case.team_id,))


def only_offered(case: Consultation) -> bool:
    """Whoever has it has not accepted it, or is about to lose it: it may be somebody else's in a moment."""
    return case.accept_by is not None or _leaving(case)


def _leaving(case: Consultation) -> bool:
    return case.terms is not None and case.terms.leaves is not None
