"""An ended consultation goes on: with its history, at its old place in the list, and with clocks that begin anew."""

from __future__ import annotations

from attune_contracts.referral import ConsultationReopened
from chassis.decision import Cause, Decision
from chassis.value import replace
from services.referral.domain.clocks import Course, reckoned
from services.referral.domain.commands import ReopenConsultation
from services.referral.domain.consent import goes_on
from services.referral.domain.consultation import OPEN, Standing, Terms, staff, standing
from services.referral.domain.course_refusals import ChildIsGone, ConsultationIsOpen, PlaceNotGivenBack
from services.referral.domain.placing import on_the_list
from services.referral.domain.progress import Ending, begun
from services.referral.domain.refusals import UnknownConsultation


def reopen(course: Course, command: ReopenConsultation, cause: Cause) -> Decision[Standing]:
    """One consultation per screening stays one: it is opened again, never asked for a second time."""
    case, by = course.case, staff(cause)
    if case is None:
        raise UnknownConsultation
    if case.status in OPEN or case.ended_at is None:
        raise ConsultationIsOpen
    progress = course.progress or begun(case)
    if progress.stopped is not None or course.gone is not None:
        raise ChildIsGone
    work = course.work
    if case.unsettled or (work is not None and work.status != "ended"):
        raise PlaceNotGivenBack
    before = Ending(case.status, case.end_reason, case.ended_by, case.ended_at, by, cause.at, command.reason)
    declined = case.end_reason == "declined_by_family" or any(t.reason == "no_consent" for t in progress.triages[-1:])
    case, consent = goes_on(case, command, by, cause.at, for_want_of_it=declined and case.child_id is not None)
    progress = replace(progress, started_at=cause.at, endings=(*progress.endings, before))
    opened = replace(
        on_the_list(case, None),
        status="accepted",
        unsettled=True,
        points=min(case.points, work.points_before) if work is not None else case.points,
        not_to=None,
        terms=Terms(prefers=case.assigned_to) if case.assigned_to is not None else None,
        acknowledged_by=None,
        acknowledged_at=None,
        end_reason=None,
        ended_by=None,
        ended_at=None,
    )
    event = ConsultationReopened(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        requested_by=case.requested_by,
        reopened_by=by,
        times=len(progress.endings),
        reopened_at=cause.at,
    )
    rows = (opened, reckoned(course, opened, progress, cause))
    return Decision(rows=rows, events=(*consent, event), reply=standing(opened), due=(case.team_id,))
