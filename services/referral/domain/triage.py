"""A person looks at a request and decides: it stays, it goes to another team's pool, or no, with a written reason."""

from __future__ import annotations

from attune_contracts.referral import ConsultationTriaged, TriageDecision, TriageReason
from chassis.decision import Cause, Decision
from chassis.value import replace, value
from services.referral.domain.assignment import Seats
from services.referral.domain.clocks import Born, Course, reckoned
from services.referral.domain.commands import TriageConsultation
from services.referral.domain.consultation import Consultation, Standing, staff, standing, still_open
from services.referral.domain.course_refusals import (
    HeldBefore,
    NoSuchPool,
    ReasonDoesNotFit,
    RedirectedToItself,
    TriageNoteMissing,
)
from services.referral.domain.direct_work import DirectWork
from services.referral.domain.ending import ended
from services.referral.domain.placing import on_the_list
from services.referral.domain.pool import Pool
from services.referral.domain.progress import Progress, Triage, begun
from services.referral.domain.refusals import CaseOfAnotherTeam
from services.referral.domain.rules import Rules

REASONS: dict[TriageDecision, frozenset[TriageReason]] = {
    "accepted": frozenset({"within_remit", "urgent_need", "other"}),
    "declined": frozenset(
        {"outside_remit", "other_service_involved", "not_enough_information", "no_consent", "family_moved", "other"}
    ),
    "redirected": frozenset({"other_team_closer", "outside_remit", "family_moved", "other"}),
}
"""The reasons that go with each decision."""


@value(frozen=True, slots=True)
class AtTriage:
    """A consultation with its course, its pool as the command names it, and the pool that it may go to."""

    case: Consultation | None
    progress: Progress | None
    rules: Rules | None
    child: Born | None
    work: DirectWork | None
    pool: Pool | None
    other: Pool | None

    @property
    def course(self) -> Course:
        return Course(self.case, self.progress, self.rules, self.child, self.work)


def triage(at_hand: AtTriage, command: TriageConsultation, cause: Cause) -> Decision[Standing]:
    """What the pathway accepted by itself may still be declined or redirected, until it has been held."""
    case, by = still_open(at_hand.case), staff(cause)
    progress = at_hand.progress or begun(case)
    if case.team_id != command.team_id:
        raise CaseOfAnotherTeam
    if command.reason not in REASONS[command.decision]:
        raise ReasonDoesNotFit
    if command.decision != "accepted" and not command.note:
        raise TriageNoteMissing
    if command.decision != "accepted" and progress.held_now:
        raise HeldBefore
    decided = Triage(command.decision, command.reason, case.team_id, command.to_team_id, command.note, by, cause.at)
    progress = replace(progress, triages=(*progress.triages, decided))
    pools: tuple[Pool, ...] = ()
    if command.decision == "accepted":
        after = _accepted(case, at_hand.pool)
    elif command.decision == "declined":
        after = replace(ended(case, by, cause.at), status="declined")
    else:
        after, pools = _redirected(case, at_hand, cause)
    rows = (after, *pools, reckoned(at_hand.course, after, progress, cause))
    due = tuple({case.team_id, after.team_id}) if after.unsettled or pools else ()
    return Decision(rows=rows, events=(_triaged(case, decided),), reply=standing(after), due=due)


def _accepted(case: Consultation, pool: Pool | None) -> Consultation:
    """What was a case already stays one as it is; a request becomes one that asks for a place."""
    if case.status == "accepted":
        return case
    return replace(on_the_list(case, pool.policy if pool is not None else None), status="accepted", unsettled=True)


def _redirected(case: Consultation, at_hand: AtTriage, cause: Cause) -> tuple[Consultation, tuple[Pool, ...]]:
    """The other team's pool is asked in the same step in which the first one gets its points back."""
    if at_hand.other is None:
        raise NoSuchPool
    if at_hand.other.team_id == case.team_id:
        raise RedirectedToItself
    if case.status == "requested":
        return replace(case, team_id=at_hand.other.team_id), ()
    elsewhere = replace(case, team_id=at_hand.other.team_id, place=None, terms=None, not_to=None)
    moved = replace(on_the_list(elsewhere, at_hand.other.policy), unsettled=True)
    if at_hand.pool is None:
        return moved, ()
    seats = Seats(at_hand.pool.members, cause.at)
    if case.assigned_to is not None:
        seats.give_back(case.assigned_to, case.points)
    return moved, (replace(seats.pool(at_hand.pool), next_due_at=cause.at),)


def _triaged(case: Consultation, decided: Triage) -> ConsultationTriaged:
    return ConsultationTriaged(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        requested_by=case.requested_by,
        decision=decided.decision,
        reason=decided.reason,
        to_team_id=decided.to_team_id,
        triaged_by=decided.by,
        triaged_at=decided.at,
    )
