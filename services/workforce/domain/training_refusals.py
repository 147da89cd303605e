"""Every reason for which what is asked of courses and cohorts is refused; the docstring is what the caller reads."""

from chassis.decision import Refused


class CourseVersionChanged(Refused):
    """This version of the course is defined otherwise; a change is a new version."""

    field = "course_version"


class CourseInconsistent(Refused):
    """More sessions are asked for than the course has, or a certificate has no validity."""

    status = 422
    field = "attend_at_least"


class UnknownCourse(Refused):
    """No such version of a course is defined."""

    status = 404
    field = "course"


class UnknownCohort(Refused):
    """No cohort is known under this id."""

    status = 404
    field = "cohort_id"


class CohortOpenedDifferently(Refused):
    """This cohort attends another course."""

    field = "cohort_id"


class CohortFull(Refused):
    """The cohort has no place left."""

    field = "cohort_id"


class NotInTheCohort(Refused):
    """The practitioner is not a member of this cohort."""

    status = 404
    field = "practitioner_id"


class NoSuchSession(Refused):
    """The course has fewer sessions."""

    status = 422
    field = "session"


class HeldInTheFuture(Refused):
    """What was held was held before now."""

    status = 422
    field = "held_at"


class AttendedTooLittle(Refused):
    """The practitioner attended fewer sessions than the course asks for."""

    field = "practitioner_id"


class AlreadyCompleted(Refused):
    """The practitioner has completed the course in this cohort."""

    field = "practitioner_id"
