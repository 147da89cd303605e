"""The sessions of direct work, numbered as they are recorded: attended, missed, or cancelled by whom."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.referral import Attendance, SessionRecorded
from chassis.decision import Cause, Decision, Reply
from chassis.value import replace, value
from services.referral.domain.consultation import Consultation, staff, still_open
from services.referral.domain.direct_work import DirectWork, child_of
from services.referral.domain.progress import Progress, begun
from services.referral.domain.refusals import (
    CaseHasNoPractitioner,
    NoDirectWork,
    SessionBeforeTheRequest,
    SessionNotYet,
)
from services.referral.domain.tasks import about_case
from services.referral.domain.work_commands import RecordSession, SessionSetting


@value(frozen=True, slots=True)
class Session:
    """One planned session and what became of it. Never changes."""

    session_id: UUID
    consultation_id: UUID
    work: int
    number: int
    attendance: Attendance
    session_at: datetime
    setting: SessionSetting
    note: str | None
    practitioner_id: UUID
    recorded_by: UUID
    recorded_at: datetime


@value(frozen=True, slots=True)
class AtSession:
    """A case, its direct work, and its course: since when the family is to be met."""

    case: Consultation | None
    work: DirectWork | None
    progress: Progress | None


class SessionKept(Reply):
    """Which session it was, and whether so many were missed that the plan should be looked at."""

    consultation_id: UUID
    number: int
    missed_in_a_row: int
    review: bool


def record(found: AtSession, command: RecordSession, cause: Cause) -> Decision[SessionKept]:
    """Every planned session counts, whether or not it took place. The first one attended is the first contact."""
    case, work = still_open(found.case), found.work
    by = staff(cause)
    if work is None or work.status != "under_way":
        raise NoDirectWork
    if case.assigned_to is None:
        raise CaseHasNoPractitioner
    if command.session_at > cause.at and command.attendance in ("attended", "missed"):
        raise SessionNotYet
    if command.session_at < case.requested_at:
        raise SessionBeforeTheRequest
    attended = command.attendance == "attended"
    missed = {"attended": 0, "missed": work.missed_in_a_row + 1}.get(command.attendance, work.missed_in_a_row)
    progress = found.progress or begun(case)
    met_at = progress.of_this_run(work.first_contact_at)
    first = attended and met_at is None and command.session_at >= progress.started_at
    after = replace(
        work,
        sessions=work.sessions + 1,
        attended=work.attended + attended,
        missed_in_a_row=missed,
        first_contact_at=command.session_at if first else met_at,
    )
    session = _session(after, command, case.assigned_to, by, cause)
    event = _recorded(session, child_of(case, work), case.team_id, first_contact=first)
    reply: SessionKept = {
        "consultation_id": case.consultation_id,
        "number": session.number,
        "missed_in_a_row": missed,
        "review": missed >= work.review_after_missed,
    }
    if attended or missed != work.review_after_missed or missed == work.missed_in_a_row:
        return Decision(rows=(after, session), events=(event,), reply=reply)
    task = about_case(case, "missed_sessions", f"{work.number}:{session.number}", cause)
    return Decision(rows=(after, session, task.task), events=(event, task.told), reply=reply)


def _session(after: DirectWork, command: RecordSession, practitioner_id: UUID, by: UUID, cause: Cause) -> Session:
    return Session(
        session_id=cause.derive("session"),
        consultation_id=after.consultation_id,
        work=after.number,
        number=after.sessions,
        attendance=command.attendance,
        session_at=command.session_at,
        setting=command.setting,
        note=command.note,
        practitioner_id=practitioner_id,
        recorded_by=by,
        recorded_at=cause.at,
    )


def _recorded(session: Session, child_id: UUID, team_id: UUID, *, first_contact: bool) -> SessionRecorded:
    return SessionRecorded(
        consultation_id=session.consultation_id,
        child_id=child_id,
        team_id=team_id,
        practitioner_id=session.practitioner_id,
        number=session.number,
        attendance=session.attendance,
        first_contact=first_contact,
        session_at=session.session_at,
        recorded_at=session.recorded_at,
    )
