"""Every reason for which what people do with a consultation, its clocks and tasks is refused."""

from chassis.decision import Refused


class ReasonDoesNotFit(Refused):
    """This reason does not go with this decision."""

    status = 422
    field = "reason"


class TriageNoteMissing(Refused):
    """Whoever asked is told in writing why the request was declined or redirected."""

    status = 422
    field = "note"


class HeldBefore(Refused):
    """The consultation has been held: it is reported and closed, not declined or redirected."""


class NoSuchPool(Refused):
    """No practitioner was ever registered in this team: it has no pool that a case could go to."""

    status = 422
    field = "to_team_id"


class RedirectedToItself(Refused):
    """The consultation is with this team already."""

    status = 422
    field = "to_team_id"


class HeldInTheFuture(Refused):
    """A consultation is recorded once it has been held."""

    status = 422
    field = "held_at"


class HeldTooEarly(Refused):
    """It cannot have been held before it was requested or reopened, or before it was held the last time."""

    status = 422
    field = "held_at"


class NothingToReport(Refused):
    """The consultation has not been held yet."""


class ReportedBefore(Refused):
    """Whoever asked has the report of every time that the consultation was held."""


class ConsultationIsOpen(Refused):
    """The consultation has not ended."""


class PlaceNotGivenBack(Refused):
    """The pool has not yet taken notice of the end: try again in a moment."""


class ChildIsGone(Refused):
    """The pregnancy ended, or the child died, moved out of the area or has another record now."""


class ClockNamedTwice(Refused):
    """Each clock has one term."""

    status = 422
    field = "terms"


class DueSoonTooEarly(Refused):
    """A clock is due soon only after it has run for a day: `soon` has to be smaller than `days`."""

    status = 422
    field = "terms"


class ClockNotRunning(Refused):
    """This clock has not started, or has met its target."""

    field = "clock"


class ClockCannotPause(Refused):
    """The rules of the service do not let this clock stand still."""

    field = "clock"


class ClockNotPaused(Refused):
    """This clock does not stand still."""

    field = "clock"


class UnknownTask(Refused):
    """There is no task with this id."""

    status = 404
    field = "task_id"


class TaskAlreadyDone(Refused):
    """The task is done."""


class DueInThePast(Refused):
    """A task has to be done by an instant that is still to come."""

    status = 422
    field = "due_at"
