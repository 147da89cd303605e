"""People work with a consultation: seen, held with an outcome, reported to whoever asked."""

from __future__ import annotations

from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.referral import (
    CaseOpened,
    ConsultationAcknowledged,
    ConsultationHeld,
    ConsultationReported,
    SafeguardingRaised,
)
from chassis.decision import Cause, Decision, Following, Reply
from chassis.value import replace
from services.referral.domain.clocks import Course, reckoned
from services.referral.domain.commands import (
    AcknowledgeConsultation,
    HoldConsultation,
    ReportConsultation,
    WriteOnwardPlan,
)
from services.referral.domain.consultation import Consultation, Standing, staff, standing, still_open
from services.referral.domain.course_refusals import HeldInTheFuture, HeldTooEarly, NothingToReport, ReportedBefore
from services.referral.domain.offer import only_offered
from services.referral.domain.progress import WITH_FAMILY, Holding, Progress, Report, begun
from services.referral.domain.refusals import (
    CaseHasNoPractitioner,
    CaseOnlyOffered,
    FamilyNotNamed,
    UnknownConsultation,
)
from services.referral.domain.tasks import about_case


class Held(Reply):
    """How often the consultation was held, and whether a report is owed."""

    consultation_id: UUID
    number: int
    reported: bool


def acknowledge(course: Course, _: AcknowledgeConsultation, cause: Cause) -> Decision[Standing]:
    """The first specialist who confirms to have seen the request is the one who is recorded."""
    case = still_open(course.case)
    if case.acknowledged_at is not None:
        return Decision(reply=standing(case))
    by = staff(cause)
    event = ConsultationAcknowledged(
        consultation_id=case.consultation_id, child_id=case.child_id, acknowledged_by=by, acknowledged_at=cause.at
    )
    seen = replace(case, acknowledged_by=by, acknowledged_at=cause.at)
    progress = reckoned(course, seen, course.progress or begun(case), cause)
    return Decision(rows=(seen, progress), events=(event,), reply=standing(seen))


def hold(course: Course, command: HoldConsultation, cause: Cause) -> Decision[Held]:
    """The consultation took place. What it came to decides what has to follow, and by when."""
    case, by = still_open(course.case), staff(cause)
    progress = course.progress or begun(case)
    held_at = command.held_at or cause.at
    if case.assigned_to is None:
        raise CaseHasNoPractitioner
    if only_offered(case):
        raise CaseOnlyOffered
    if held_at > cause.at:
        raise HeldInTheFuture
    if held_at < max(progress.started_at, *(h.held_at for h in progress.holdings), case.requested_at):
        raise HeldTooEarly
    if command.outcome in WITH_FAMILY and case.child_id is None:
        raise FamilyNotNamed
    holding = Holding(len(progress.holdings) + 1, command.outcome, held_at, by)
    progress = replace(progress, holdings=(*progress.holdings, holding))
    events: list[Event | Following] = [_held(case, holding)]
    if command.outcome in WITH_FAMILY and case.child_id is not None:
        events.append(_opened(case, case.child_id, holding, cause))
    rows: list[object] = [reckoned(course, case, progress, cause)]
    if command.outcome == "safeguarding":
        task = about_case(case, "safeguarding", str(holding.number), cause)
        rows.append(task.task)
        events += [_safeguarding(case, by, cause), task.told]
    return Decision(rows=tuple(rows), events=tuple(events), reply=_reply(case, progress))


def _held(case: Consultation, holding: Holding) -> ConsultationHeld:
    return ConsultationHeld(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        requested_by=case.requested_by,
        practitioner_id=case.assigned_to,
        kind=case.kind,
        number=holding.number,
        outcome=holding.outcome,
        held_at=holding.held_at,
    )


def _opened(case: Consultation, child_id: UUID, holding: Holding, cause: Cause) -> CaseOpened:
    return CaseOpened(
        consultation_id=case.consultation_id,
        child_id=child_id,
        team_id=case.team_id,
        practitioner_id=case.assigned_to,
        outcome=holding.outcome,
        opened_at=cause.at,
    )


def _safeguarding(case: Consultation, by: UUID, cause: Cause) -> SafeguardingRaised:
    return SafeguardingRaised(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        raised_by=by,
        during="consultation",
        raised_at=cause.at,
    )


def report(course: Course, command: ReportConsultation, cause: Cause) -> Decision[Held]:
    """The written plan goes back to whoever asked, for the earliest holding that has none; even after the end."""
    case, progress = course.case, course.progress
    if case is None:
        raise UnknownConsultation
    if progress is None or not progress.holdings:
        raise NothingToReport
    holding, by = progress.unreported, staff(cause)
    if holding is None:
        if any(r.by == by and r.plan == command.plan for r in progress.reports):
            return Decision(reply=_reply(case, progress))
        raise ReportedBefore
    written = Report(holding.number, command.plan, by, cause.at)
    progress = replace(progress, reports=(*progress.reports, written))
    event = ConsultationReported(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        requested_by=case.requested_by,
        reported_by=by,
        number=holding.number,
        reported_at=cause.at,
    )
    return Decision(rows=(reckoned(course, case, progress, cause),), events=(event,), reply=_reply(case, progress))


def _reply(case: Consultation, progress: Progress) -> Held:
    return {
        "consultation_id": case.consultation_id,
        "number": len(progress.holdings),
        "reported": progress.unreported is None,
    }


class OnwardPlanKept(Reply):
    """It is written down who goes on with the family."""

    consultation_id: UUID


def write_onward_plan(course: Course, command: WriteOnwardPlan, cause: Cause) -> Decision[OnwardPlanKept]:
    """Who goes on with the family when the child is two; the latest counts."""
    case = still_open(course.case)
    if case.child_id is None:
        raise FamilyNotNamed
    progress = replace(course.progress or begun(case), onward_plan=command.plan)
    return Decision(rows=(reckoned(course, case, progress, cause),), reply={"consultation_id": case.consultation_id})
