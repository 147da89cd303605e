"""Courses as data, cohorts that attend them, and what completing a course certifies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from attune_contracts.workforce import TrainingCompleted
from chassis.decision import Cause, Decision, Reply
from chassis.value import replace, value
from services.workforce.domain.commands import (
    CompleteTraining,
    DefineCourse,
    JoinCohort,
    LeaveCohort,
    OpenCohort,
    RecordAttendance,
)
from services.workforce.domain.competence import awarded
from services.workforce.domain.practitioner import Practitioner, here
from services.workforce.domain.training_refusals import (
    AlreadyCompleted,
    AttendedTooLittle,
    CohortFull,
    CohortOpenedDifferently,
    CourseInconsistent,
    CourseVersionChanged,
    HeldInTheFuture,
    NoSuchSession,
    NotInTheCohort,
    UnknownCohort,
    UnknownCourse,
)


@value(frozen=True, slots=True)
class Course:
    """One version of a course."""

    reference: str
    """Name and version: `observing_together/1`."""
    sessions: int
    attend_at_least: int
    cohort_size: int
    competence: str | None
    valid_days: int | None
    defined_by: str
    defined_at: datetime


@value(frozen=True, slots=True)
class Member:
    """A practitioner in a cohort."""

    practitioner_id: UUID
    attended: tuple[int, ...] = ()
    """Numbers of the sessions."""
    completed_at: datetime | None = None


@value(frozen=True, slots=True)
class Cohort:
    """Practitioners who attend one course together; what the course asks for is kept as it was when they began."""

    cohort_id: UUID
    course: str
    course_version: int
    sessions: int
    attend_at_least: int
    places: int
    competence: str | None
    valid_days: int | None
    opened_by: str
    opened_at: datetime
    members: tuple[Member, ...] = ()


@value(frozen=True, slots=True)
class AtOpening:
    cohort: Cohort | None
    course: Course | None


@value(frozen=True, slots=True)
class InCohort:
    cohort: Cohort | None
    practitioner: Practitioner | None


class CourseDefined(Reply):
    """The version of a course that is defined."""

    course: str
    course_version: int


class CohortStanding(Reply):
    """A cohort and its free places."""

    cohort_id: UUID
    places_free: int


class Completed(Reply):
    """The training that is completed, and until when its certificate is valid, where it gives one."""

    cohort_id: UUID
    practitioner_id: UUID
    valid_until: datetime | None


def reference(course: str, version: int) -> str:
    """How a version of a course is called."""
    return f"{course}/{version}"


def define(course: Course | None, command: DefineCourse, cause: Cause) -> Decision[CourseDefined]:
    """A version of a course: sessions, how many are enough, places in a cohort, what it certifies for how long."""
    if command.attend_at_least > command.sessions or (command.competence is None) != (command.valid_days is None):
        raise CourseInconsistent
    made = Course(
        reference=reference(command.course, command.course_version),
        sessions=command.sessions,
        attend_at_least=command.attend_at_least,
        cohort_size=command.cohort_size,
        competence=command.competence,
        valid_days=command.valid_days,
        defined_by=cause.by,
        defined_at=cause.at,
    )
    reply: CourseDefined = {"course": command.course, "course_version": command.course_version}
    if course is None:
        return Decision(rows=(made,), reply=reply)
    if replace(made, defined_by=course.defined_by, defined_at=course.defined_at) != course:
        raise CourseVersionChanged
    return Decision(reply=reply)


def open_cohort(at: AtOpening, command: OpenCohort, cause: Cause) -> Decision[CohortStanding]:
    """A cohort begins a course, with as many places as its definition gives it."""
    if at.cohort is not None:
        if (at.cohort.course, at.cohort.course_version) != (command.course, command.course_version):
            raise CohortOpenedDifferently
        return Decision(reply=_standing(at.cohort))
    course = at.course
    if course is None:
        raise UnknownCourse
    made = Cohort(
        cohort_id=command.cohort_id or cause.derive("cohort"),
        course=command.course,
        course_version=command.course_version,
        sessions=course.sessions,
        attend_at_least=course.attend_at_least,
        places=course.cohort_size,
        competence=course.competence,
        valid_days=course.valid_days,
        opened_by=cause.by,
        opened_at=cause.at,
    )
    return _changed(made)


def join(at: InCohort, command: JoinCohort, _cause: Cause) -> Decision[CohortStanding]:
    """A practitioner takes a place; never more than there are."""
    cohort = _known(at.cohort)
    practitioner = here(at.practitioner)
    if any(m.practitioner_id == command.practitioner_id for m in cohort.members):
        return Decision(reply=_standing(cohort))
    if len(cohort.members) >= cohort.places:
        raise CohortFull
    return _changed(replace(cohort, members=(*cohort.members, Member(practitioner.practitioner_id))))


def give_up(at: InCohort, command: LeaveCohort, _cause: Cause) -> Decision[CohortStanding]:
    """A practitioner who has not completed the course gives the place up."""
    cohort = _known(at.cohort)
    member = _member(cohort, command.practitioner_id)
    if member.completed_at is not None:
        raise AlreadyCompleted
    return _changed(replace(cohort, members=tuple(m for m in cohort.members if m is not member)))


def attend(cohort: Cohort | None, command: RecordAttendance, cause: Cause) -> Decision[CohortStanding]:
    """Who was there at one session of the course, as a whole; recording it again corrects it."""
    cohort = _known(cohort)
    if command.session > cohort.sessions:
        raise NoSuchSession
    if command.held_at > cause.at:
        raise HeldInTheFuture
    for practitioner_id in command.present:
        _member(cohort, practitioner_id)
    members = tuple(
        m
        if m.completed_at
        else replace(m, attended=_with(m, command.session, present=m.practitioner_id in command.present))
        for m in cohort.members
    )
    return _changed(replace(cohort, members=members))


def complete(at: InCohort, command: CompleteTraining, cause: Cause) -> Decision[Completed]:
    """Who attended enough has completed the course and is certified for what it teaches, from now on."""
    cohort = _known(at.cohort)
    practitioner = here(at.practitioner)
    member = _member(cohort, command.practitioner_id)
    if member.completed_at is not None:
        return Decision(reply=_completed(cohort, practitioner, member.completed_at))
    if len(member.attended) < cohort.attend_at_least:
        raise AttendedTooLittle
    done = replace(member, completed_at=cause.at)
    event = TrainingCompleted(
        practitioner_id=practitioner.practitioner_id,
        team_id=practitioner.team_id,
        cohort_id=cohort.cohort_id,
        course=cohort.course,
        course_version=cohort.course_version,
        sessions_attended=len(member.attended),
        competence=cohort.competence,
        completed_at=cause.at,
    )
    members = tuple(done if m is member else m for m in cohort.members)
    reply = _completed(cohort, practitioner, cause.at)
    rows: tuple[Cohort | Practitioner, ...] = (replace(cohort, members=members),)
    if cohort.competence is None or reply["valid_until"] is None:
        return Decision(rows=rows, events=(event,), reply=reply)
    changed, award = awarded(practitioner, cohort.competence, cause.at, reply["valid_until"], cause)
    return Decision(rows=(*rows, changed), events=(event, *award), reply=reply)


def _known(cohort: Cohort | None) -> Cohort:
    if cohort is None:
        raise UnknownCohort
    return cohort


def _member(cohort: Cohort, practitioner_id: UUID) -> Member:
    member = next((m for m in cohort.members if m.practitioner_id == practitioner_id), None)
    if member is None:
        raise NotInTheCohort
    return member


def _with(member: Member, session: int, *, present: bool) -> tuple[int, ...]:
    others = set(member.attended) - {session}
    return tuple(sorted(others | {session} if present else others))


def _changed(cohort: Cohort) -> Decision[CohortStanding]:
    return Decision(rows=(cohort,), reply=_standing(cohort))


def _standing(cohort: Cohort) -> CohortStanding:
    return {"cohort_id": cohort.cohort_id, "places_free": cohort.places - len(cohort.members)}


def _completed(cohort: Cohort, practitioner: Practitioner, at: datetime) -> Completed:
    until = None if cohort.valid_days is None else (at + timedelta(days=cohort.valid_days)).astimezone(UTC)
    return {"cohort_id": cohort.cohort_id, "practitioner_id": practitioner.practitioner_id, "valid_until": until}
