"""Direct work with child and caregiver: planned with goals, begun once there are the points, ended with a reason.

The case keeps its practitioner and waits, in the line of its pool, for the points that the work weighs more: nobody's
capacity is exceeded for it, and nobody behind gets those points (ADR 0015).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from attune_contracts.referral import DirectWorkEnded, DirectWorkStarted, EndReason, WorkEndReason
from chassis.decision import NOTHING, Cause, Decision, Due, Following, Reply
from chassis.value import replace, value
from services.referral.domain.assignment import Seats
from services.referral.domain.catalogue import Intervention
from services.referral.domain.consultation import Consultation, Terms, staff, still_open
from services.referral.domain.offer import only_offered
from services.referral.domain.placing import in_line
from services.referral.domain.pool import Pool
from services.referral.domain.progress import WITH_FAMILY, Progress, begun, looked_at_again
from services.referral.domain.refusals import (
    CaseHasNoPractitioner,
    CaseOfAnotherTeam,
    CaseOnlyOffered,
    DirectWorkGoesOn,
    FamilyHasNotAgreed,
    FamilyNotNamed,
    GoalsDoNotMatch,
    NoDirectWork,
    NotHeldForDirectWork,
    OnwardPlanMissing,
    UnknownIntervention,
)
from services.referral.domain.work_commands import EndDirectWork, GoalOutcome, PlanDirectWork

STEPS_DOWN: frozenset[WorkEndReason] = frozenset({"goals_met", "goals_partly_met", "aged_out"})
"""Ends after which somebody else goes on with the family, by a plan."""

_AFTER: dict[EndReason, WorkEndReason] = {
    "declined_by_family": "ended_by_family",
    "moved_away": "moved_away",
    "aged_out": "aged_out",
    "pregnancy_ended": "loss",
    "stillborn": "loss",
    "child_died": "loss",
}
"""How direct work ends with its case."""


@value(frozen=True, slots=True)
class Goal:
    """What the family wants to come of it, in its own words."""

    text: str
    outcome: GoalOutcome | None = None


@value(frozen=True, slots=True)
class Taken:
    """A measure was taken at this point of the work."""

    measure: str
    point: str


@value(frozen=True, slots=True)
class Ended:
    """How earlier direct work with the same case went."""

    number: int
    intervention: str
    attended: int
    reason: WorkEndReason | None
    ended_at: datetime | None


@value(frozen=True, slots=True)
class DirectWork:
    """The direct work of one case; where it is taken up again, the row of the latest, with what was before."""

    consultation_id: UUID
    child_id: UUID
    """For whom it was planned; see `child_of`."""
    number: int
    intervention: str
    intervention_version: int
    planned_sessions: int
    points: int
    """What the case weighs meanwhile."""
    points_before: int
    status: Literal["waits", "under_way", "ended"]
    """`waits` for points of its practitioner."""
    review_after_missed: int
    measures: tuple[str, ...]
    """Those that belong to the intervention."""
    goals: tuple[Goal, ...]
    plan: str | None
    planned_by: UUID
    planned_at: datetime
    correlation_id: UUID
    started_at: datetime | None = None
    sessions: int = 0
    attended: int = 0
    missed_in_a_row: int = 0
    first_contact_at: datetime | None = None
    """When the family was first met, in this work or before it; since a reopening, anew."""
    taken: tuple[Taken, ...] = ()
    end_reason: WorkEndReason | None = None
    ended_by: UUID | None = None
    ended_at: datetime | None = None
    onward_plan: str | None = None
    earlier: tuple[Ended, ...] = ()


@value(frozen=True, slots=True)
class AtPlanning:
    """The case, its direct work so far, the intervention that the command names, and how the consultation was held."""

    case: Consultation | None
    work: DirectWork | None
    intervention: Intervention | None
    progress: Progress | None


@value(frozen=True, slots=True)
class AtWork:
    """A case and its direct work."""

    case: Consultation | None
    work: DirectWork | None


@value(frozen=True, slots=True)
class AtEnd:
    """A case, its direct work, the pool of the team that the command names, and what else was done with the case."""

    case: Consultation | None
    work: DirectWork | None
    pool: Pool | None
    progress: Progress | None


class WorkStands(Reply):
    """Where the direct work of a case stands."""

    consultation_id: UUID
    number: int
    status: str


def plan(found: AtPlanning, command: PlanDirectWork, cause: Cause) -> Decision[WorkStands]:
    """The pool is asked for the points: the work begins at once where its practitioner has them, else it waits."""
    case = still_open(found.case)
    by = staff(cause)
    if case.child_id is None:
        raise FamilyNotNamed
    if case.assigned_to is None:
        raise CaseHasNoPractitioner
    if only_offered(case):
        raise CaseOnlyOffered
    if found.work is not None and found.work.status != "ended":
        raise DirectWorkGoesOn
    progress = found.progress
    if progress is None or not progress.held_now or progress.held_now[-1].outcome not in WITH_FAMILY:
        raise NotHeldForDirectWork
    if found.intervention is None:
        raise UnknownIntervention
    if not command.family_agrees:
        raise FamilyHasNotAgreed
    defined = found.intervention.definition
    work = DirectWork(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        number=found.work.number + 1 if found.work is not None else 1,
        intervention=command.intervention,
        intervention_version=command.intervention_version,
        planned_sessions=command.planned_sessions or defined.planned_sessions,
        points=defined.points,
        points_before=case.points,
        status="waits",
        review_after_missed=defined.review_after_missed,
        measures=tuple(defined.measures),
        goals=tuple(Goal(text) for text in command.goals),
        plan=command.plan,
        planned_by=by,
        planned_at=cause.at,
        correlation_id=cause.correlation_id,
        first_contact_at=progress.of_this_run(found.work.first_contact_at) if found.work is not None else None,
        earlier=(*found.work.earlier, _past(found.work)) if found.work is not None else (),
    )
    return Decision(rows=(_asks(case, work.points), work), reply=_reply(work), due=(case.team_id,))


def _asks(case: Consultation, points: int) -> Consultation:
    """The case in the line of its pool, for what it is to weigh."""
    return replace(in_line(case, None), unsettled=True, terms=replace(case.terms or Terms(), points_wanted=points))


def _past(work: DirectWork) -> Ended:
    return Ended(work.number, work.intervention, work.attended, work.end_reason, work.ended_at)


def follow(found: AtWork, _: Due, cause: Cause) -> Decision:
    """Begins when the pool has given the points; ends with its case, whatever ended that."""
    case, work = found.case, found.work
    if case is None or work is None or work.status == "ended":
        return NOTHING
    if case.status != "accepted":
        reason = _AFTER.get(case.end_reason, "other") if case.end_reason is not None else "other"
        return _ended(case, replace(work, end_reason=reason), cause)
    granted = case.terms is None or case.terms.points_wanted is None
    if work.status != "waits" or case.assigned_to is None or not granted or case.unsettled:
        return NOTHING
    if case.points != work.points:  # the case was reopened meanwhile, and lost its place in the line
        return Decision(rows=(_asks(case, work.points),), due=(case.team_id,))
    event = DirectWorkStarted(
        consultation_id=case.consultation_id,
        child_id=child_of(case, work),
        team_id=case.team_id,
        practitioner_id=case.assigned_to,
        intervention=work.intervention,
        intervention_version=work.intervention_version,
        planned_sessions=work.planned_sessions,
        points=work.points,
        started_at=cause.at,
    )
    begun = replace(work, status="under_way", started_at=cause.at)
    return Decision(rows=(begun,), events=(Following(event, work.correlation_id),))


def end(found: AtEnd, command: EndDirectWork, cause: Cause) -> Decision[WorkStands]:
    """The points that the work took come back in the same step; the family steps down with a plan."""
    case, work, pool = still_open(found.case), found.work, found.pool
    by = staff(cause)
    if case.team_id != command.team_id or pool is None:
        raise CaseOfAnotherTeam
    if work is None:
        raise NoDirectWork
    if work.status == "ended" and (work.end_reason, work.onward_plan) == (command.reason, command.onward_plan):
        return Decision(reply=_reply(work))
    if work.status == "ended":
        raise NoDirectWork
    if command.reason in STEPS_DOWN and command.onward_plan is None:
        raise OnwardPlanMissing
    if command.goals and len(command.goals) != len(work.goals):
        raise GoalsDoNotMatch
    if command.goals:
        outcomes = zip(work.goals, command.goals, strict=True)
        work = replace(work, goals=tuple(replace(goal, outcome=outcome) for goal, outcome in outcomes))
    work = replace(work, end_reason=command.reason, onward_plan=command.onward_plan, ended_by=by)
    told = _ended(case, work, cause)
    ended = told.rows[0]
    rows: tuple[object, ...] = (ended, *_lighter(case, work, pool, cause))
    if command.onward_plan is not None:
        planned = replace(found.progress or begun(case), onward_plan=command.onward_plan)
        rows = (*rows, looked_at_again(planned, cause.at))
    return Decision(rows=rows, events=told.events, reply=_reply(ended), due=(pool.team_id,))


def _lighter(case: Consultation, work: DirectWork, pool: Pool, cause: Cause) -> tuple[Consultation, Pool]:
    """The case with its weight of before, and its pool with what that leaves free."""
    seats = Seats(pool.members, cause.at)
    points = min(case.points, work.points_before)
    if case.assigned_to is not None:
        seats.give_back(case.assigned_to, case.points - points)
    terms = replace(case.terms, points_wanted=None) if case.terms is not None else None
    place = case.place if case.waiting_since is not None else None
    lighter = replace(case, points=points, terms=terms, place=place, unsettled=case.unsettled and place is not None)
    if case.terms is not None and case.terms.leaves is not None:
        lighter = replace(lighter, unsettled=True)
    return lighter, replace(seats.pool(pool), next_due_at=cause.at)


def _ended(case: Consultation, ended: DirectWork, cause: Cause) -> Decision:
    """Told where its beginning was told."""
    ended = replace(ended, status="ended", ended_at=cause.at)
    if ended.started_at is None or ended.end_reason is None:
        return Decision(rows=(ended,))
    event = DirectWorkEnded(
        consultation_id=case.consultation_id,
        child_id=child_of(case, ended),
        team_id=case.team_id,
        practitioner_id=case.assigned_to or ended.planned_by,
        reason=ended.end_reason,
        onward_plan=ended.onward_plan is not None,
        sessions_attended=ended.attended,
        ended_at=cause.at,
    )
    return Decision(rows=(ended,), events=(Following(event, ended.correlation_id),))


def child_of(case: Consultation, work: DirectWork) -> UUID:
    """For whom the work goes on: after a merger the child of the consultation."""
    return case.child_id or work.child_id


def _reply(work: DirectWork) -> WorkStands:
    return {"consultation_id": work.consultation_id, "number": work.number, "status": work.status}
