"""The clocks of a consultation: when each is due, paused or met, by whole days in England; each told once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.referral import ClockBreached, ClockDueSoon, ClockName
from chassis.decision import NOTHING, Cause, Decision, Due, Following
from chassis.value import replace, value
from chassis.working_days import Calendar, end_of
from services.referral.domain import ages, losses, tasks
from services.referral.domain.children import Gone
from services.referral.domain.consultation import OPEN, Consultation
from services.referral.domain.direct_work import DirectWork
from services.referral.domain.ending import closed
from services.referral.domain.progress import WITH_FAMILY, Notice, Pause, Progress, begun
from services.referral.domain.rules import DEFAULT, Rules, Term

AGAIN = timedelta(days=1)
"""Running clocks are reckoned anew at least so often: rules change, and bank holidays are announced or moved."""


@value(frozen=True, slots=True)
class Born:
    """What is known of the child of one consultation; read through a view, never written."""

    consultation_id: UUID
    born_at: datetime | None
    gone: Gone | None


@value(frozen=True, slots=True)
class Course:
    """A consultation with everything that its clocks depend on."""

    case: Consultation | None
    progress: Progress | None
    rules: Rules | None
    child: Born | None
    work: DirectWork | None = None

    @property
    def gone(self) -> Gone | None:
        """What leaves nobody to consult about; a merged record only goes on under another one."""
        gone = self.child.gone if self.child is not None else None
        return None if gone == "merged" else gone


@value(frozen=True, slots=True)
class Running:
    """One clock that has started and not met its target. Without instants while it stands still."""

    term: Term
    since: datetime
    soon_at: datetime | None
    due_at: datetime | None


def running(course: Course, calendar: Calendar) -> tuple[Running, ...]:
    """The clocks that run or stand still; none once the consultation has ended or everything is done."""
    case, rules = course.case, course.rules or DEFAULT
    if case is None:
        return ()
    progress = course.progress or begun(case)
    if case.status not in OPEN or progress.stopped is not None:
        return ()
    met_at = course.work.first_contact_at if course.work is not None else None
    met = progress.of_this_run(met_at) is not None
    found = []
    for clock, since in _started(case, progress, met=met):
        term = rules.term(clock)
        if term is not None:
            found.append(_running(term, since, progress.pauses, calendar))
    return tuple(found)


def _started(case: Consultation, progress: Progress, *, met: bool) -> Iterable[tuple[ClockName, datetime]]:
    """`met`: the family has been met in direct work."""
    start, held = progress.started_at, progress.held_now
    triaged = any(t.at >= start for t in progress.triages)
    if case.acknowledged_at is None and not triaged and not held:
        yield "acknowledged", start
    if case.status == "requested":
        yield "triaged", start
    again = bool(held) and held[-1].outcome == "repeat"
    if not held or again:
        yield "held", held[-1].held_at if again else start
    if case.assigned_at is not None and not held and not met:
        yield "contact", case.assigned_at  # a failsafe: somebody has the case, and nothing comes of it
    if case.waiting_since is not None and (held or met):
        left_at = case.terms.without_owner_since if case.terms is not None else None
        yield "contact", left_at or case.waiting_since  # what was begun goes on with nobody
    unreported = progress.unreported
    if unreported is not None:
        yield "reported", unreported.held_at
    to_be_met = bool(held) and held[-1].outcome in WITH_FAMILY and not met
    if to_be_met:
        yield "first_contact", start
    if to_be_met or not held or again or unreported is not None:
        yield "ceiling", start


def _running(term: Term, since: datetime, pauses: tuple[Pause, ...], calendar: Calendar) -> Running:
    # A pause belongs to the run in which it began: a run that begins anew is not paused by one that nobody ended.
    mine = tuple(p for p in pauses if p.clock == term.clock and p.since >= since)
    if any(p.until is None for p in mine):
        return Running(term, since, None, None)
    soon_at = _end(term, since, term.days - term.soon, mine, calendar)
    return Running(term, since, soon_at, _end(term, since, term.days, mine, calendar))


def _end(term: Term, since: datetime, days: int, pauses: tuple[Pause, ...], calendar: Calendar) -> datetime:
    """When that many days have counted. A day does not count where the clock stands still when the day is over."""
    left = days
    for day in calendar.days_after(since, working=term.working):
        over = end_of(day)
        if not any(p.since < over and p.until is not None and over <= p.until for p in pauses):
            left -= 1
        if left == 0:
            return over
    raise AssertionError  # the calendar never ends


def reckoned(course: Course, case: Consultation, progress: Progress, cause: Cause) -> Progress:
    """The course with its instants as rules and calendar give them: when to look again."""
    at, child = cause.at, course.child
    clocks = running(replace(course, case=case, progress=progress), cause.calendar)
    looks = [t for c in clocks for t in _untold(c, progress, at)]
    if child is not None and child.born_at is not None and case.status in OPEN and progress.stopped is None:
        looks += [limit.at for limit in ages.to_come(child.born_at, progress.ages_told, at)]
    if case.status in OPEN and progress.stopped is None:
        looks.append(at + AGAIN)
    return replace(progress, next_due_at=min(looks, default=None))


def _untold(clock: Running, progress: Progress, at: datetime) -> list[datetime]:
    if clock.due_at is None or clock.soon_at is None or _told(progress, clock, "breached"):
        return []
    if at >= clock.due_at or _told(progress, clock, "soon"):
        return [clock.due_at]
    return [clock.soon_at, clock.due_at]


def _told(progress: Progress, clock: Running, what: str) -> bool:
    return any(n.clock == clock.term.clock and n.since == clock.since and n.what == what for n in progress.notices)


def look(course: Course, _: Due, cause: Cause) -> Decision:
    """Tells what has come due since the last look; what was told stays told, even if the day moves afterwards."""
    case, rules = course.case, course.rules or DEFAULT
    if case is None:
        return NOTHING
    progress = course.progress or begun(case)
    if course.gone is not None and case.status in OPEN and progress.stopped is None:
        return losses.overtaken(case, progress, course.gone, cause)
    told = _Told(case, rules, cause)
    for clock in running(replace(course, progress=progress), cause.calendar):
        if clock.due_at is None or clock.soon_at is None or _told(progress, clock, "breached"):
            continue
        if clock.due_at <= cause.at:
            progress = told.breached(progress, clock, clock.due_at)
        elif clock.soon_at <= cause.at and not _told(progress, clock, "soon"):
            progress = told.soon(progress, clock, clock.due_at)
    if case.status in OPEN and progress.stopped is None and course.child is not None:
        case, progress = told.ages(course, progress)
    after = reckoned(course, case, progress, cause)
    if after == course.progress and not told.events:
        return NOTHING
    changed = (case,) if case is not course.case else ()
    return Decision(
        rows=(*changed, after, *told.rows), events=tuple(told.events), due=(case.team_id,) if changed else ()
    )


class _Told:
    """What one look tells, and the tasks that it raises."""

    def __init__(self, case: Consultation, rules: Rules, cause: Cause) -> None:
        self.case, self.rules, self.cause = case, rules, cause
        self.events: list[Following] = []
        self.rows: list[tasks.Task] = []

    def soon(self, progress: Progress, clock: Running, due_at: datetime) -> Progress:
        return self._noticed(progress, clock, ClockDueSoon, due_at)

    def breached(self, progress: Progress, clock: Running, due_at: datetime) -> Progress:
        if clock.term.raises_task:
            name = f"{clock.term.clock}:{clock.since.isoformat()}"
            self.raise_task(tasks.about_case(self.case, "overdue_clock", name, self.cause))
        return self._noticed(progress, clock, ClockBreached, due_at)

    def _noticed(
        self, progress: Progress, clock: Running, kind: type[ClockDueSoon | ClockBreached], due_at: datetime
    ) -> Progress:
        case, at = self.case, self.cause.at
        self._tell(
            kind(
                consultation_id=case.consultation_id,
                child_id=case.child_id,
                team_id=case.team_id,
                practitioner_id=case.assigned_to,
                clock=clock.term.clock,
                clocks_version=self.rules.edition,
                due_at=due_at,
                noticed_at=at,
            )
        )
        notice = Notice(clock.term.clock, clock.since, "soon" if kind is ClockDueSoon else "breached", due_at, at)
        return replace(progress, notices=(*progress.notices, notice))

    def ages(self, course: Course, progress: Progress) -> tuple[Consultation, Progress]:
        """The age limit that has come. At the birthday the case leaves, if it is written who goes on with it."""
        case, born_at = self.case, course.child.born_at if course.child is not None else None
        limit = ages.come(born_at, progress.ages_told, self.cause.at) if born_at is not None else None
        if limit is None:
            return case, progress
        of_work = course.work.onward_plan if course.work is not None else None
        planned = (progress.onward_plan or of_work) is not None
        self._tell(ages.near(case, limit, planned=planned, at=self.cause.at))
        progress = replace(progress, ages_told=(*progress.ages_told, limit.reason))
        if limit.reason == "second_birthday" and planned:
            case, left = closed(case, "aged_out", None, self.cause.at)
            self._tell(left)
        elif limit.reason != "21_months" and not planned:
            name = f"{limit.reason}:{limit.at.isoformat()}:{progress.ages_untold}"
            self.raise_task(tasks.about_case(case, "age_limit", name, self.cause))
        return case, progress

    def raise_task(self, raised: tasks.Raised) -> None:
        self.rows.append(raised.task)
        self.events.append(raised.told)

    def _tell(self, event: Event) -> None:
        self.events.append(Following(event, self.case.correlation_id))
