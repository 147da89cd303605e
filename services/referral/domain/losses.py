"""What happens to a child happens to its consultations: born, corrected, lost, moved, merged. People are told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.referral import EndReason, TaskKind
from attune_contracts.screening import (
    BirthCorrected,
    BirthRecorded,
    ChildAdopted,
    ChildDied,
    ChildMoved,
    PregnancyEnded,
    RecordsMerged,
)
from chassis.decision import NOTHING, Cause, Decision, Following, derived_id
from chassis.value import replace, value
from services.referral.domain import ages, tasks
from services.referral.domain.children import Child, Gone, Record
from services.referral.domain.consultation import OPEN, Consultation
from services.referral.domain.ending import closed
from services.referral.domain.progress import Progress, begun, looked_at_again
from services.referral.domain.tasks import Task

END: dict[Gone, EndReason] = {
    "pregnancy_ended": "pregnancy_ended",
    "stillborn": "stillborn",
    "child_died": "child_died",
    "moved_away": "moved_away",
    "record_sealed": "record_sealed",
}
"""With what reason a consultation ends that nobody has begun to work on."""

KEPT: frozenset[TaskKind] = frozenset({"loss", "moved_family", "safeguarding", "tell_practitioner", "other"})
"""Tasks that are still to be done when the child is gone: among professionals, or given by a person."""
KEPT_AWAY: frozenset[TaskKind] = KEPT | {"concern_without_consultation"}
"""Where the family lives elsewhere now, somebody there has to be told of a concern that nobody here has taken up."""

_KIND: dict[Gone, TaskKind] = {"moved_away": "moved_family"}


@value(frozen=True, slots=True)
class AboutChild:
    """A child with its consultations, ended ones too, their courses, and the open tasks about it."""

    child: Child | None
    cases: tuple[Consultation, ...]
    courses: tuple[Progress, ...]
    tasks: tuple[Task, ...]
    looked_for: tuple[Task, ...] = ()
    """The latest tasks about a missed screening that are off the list."""


@value(frozen=True, slots=True)
class AboutTwo:
    """The child whose record ends, the one that it was merged into, and the consultations of both."""

    ending: Child | None
    into: Child | None
    at_its_end: Child | None
    """The record that `into` has ended in itself."""
    merged_before: tuple[Child, ...]
    """Records that had ended in the one that ends now."""
    cases: tuple[Consultation, ...]
    courses: tuple[Progress, ...]
    tasks: tuple[Task, ...]
    others: tuple[Consultation, ...]


def birth_recorded(about: AboutChild, event: BirthRecorded, cause: Cause) -> Decision:
    """A live birth gives the age from which on the limits are reckoned; a still birth is a loss."""
    child = _known(about.child, event, event.team_id, cause.at)
    if event.birth == "still":
        return _lost(about, child, "stillborn", cause)
    return _born(about, child, ages.born_at(event.age_days, event.recorded_at), cause)


def birth_corrected(about: AboutChild, event: BirthCorrected, cause: Cause) -> Decision:
    """Every age limit is reckoned anew, and told again where by the corrected date it is still to come."""
    child = _known(about.child, event, event.team_id, cause.at)
    return _born(about, child, ages.born_at(event.age_days, event.recorded_at), cause)


def _born(about: AboutChild, child: Child, born_at: datetime, cause: Cause) -> Decision:
    rows: list[Any] = [replace(child, born_at=born_at)]
    for course in _open_courses(about.cases, about.courses):
        told = ages.told_rightly(born_at, course.ages_told, cause.at)
        untold = course.ages_untold + (told != course.ages_told)
        rows.append(looked_at_again(replace(course, ages_told=told, ages_untold=untold), cause.at))
    return Decision(rows=tuple(rows))


def pregnancy_ended(about: AboutChild, event: PregnancyEnded, cause: Cause) -> Decision:
    """A loss or a termination: nobody is consulted about this child any more."""
    return _lost(about, _known(about.child, event, event.team_id, cause.at), "pregnancy_ended", cause)


def child_died(about: AboutChild, event: ChildDied, cause: Cause) -> Decision:
    """A death ends every clock; people decide about everything else."""
    return _lost(about, _known(about.child, event, event.team_id, cause.at), "child_died", cause)


def child_adopted(about: AboutChild, event: ChildAdopted, cause: Cause) -> Decision:
    """The record is sealed: what goes on, goes on under another identity that nobody here can lead to."""
    return _lost(about, _known(about.child, event, event.team_id, cause.at), "record_sealed", cause)


def child_moved(about: AboutChild, event: ChildMoved, cause: Cause) -> Decision:
    """Out of the area is a loss to the service; to another team, people decide whether the case goes along."""
    if about.child is not None and about.child.gone is None and about.child.team_id == event.to_team_id:
        return NOTHING
    child = _known(about.child, event, event.to_team_id or event.team_id, cause.at)
    if event.to_team_id is None:
        return _lost(about, child, "moved_away", cause)
    elsewhere = [c for c in about.cases if c.status in OPEN and c.team_id != event.to_team_id]
    raised = [tasks.about_case(case, "moved_family", str(cause.id), cause) for case in elsewhere]
    if child.gone == "moved_away":
        child = replace(child, gone=None)
        raised += _taken_up_again(about, child, cause)
    moved_back = [replace(p, stopped=None) for p in about.courses if p.stopped == "moved_away"]
    open_again = _open_courses(about.cases, moved_back)
    courses = [looked_at_again(p, cause.at) if p in open_again else p for p in moved_back]
    return Decision(rows=(child, *(r.task for r in raised), *courses), events=tuple(r.told for r in raised))


def _taken_up_again(about: AboutChild, child: Child, cause: Cause) -> Iterable[tasks.Raised]:
    """What ended as the family left is looked at by the leads of the team where it lives now: nothing begins anew."""
    yield from _ended_by_the_move(about.cases, child.child_id, child.team_id, cause)
    latest = max(about.looked_for, key=_done_at, default=None)
    if latest is None or latest.outcome == "done" or any(t.kind == "missed_screening" for t in about.tasks):
        return
    yield tasks.raised(
        "missed_screening",
        child.child_id,
        cause,
        task_id=derived_id(child.child_id, f"task:missed_screening:{cause.id}"),
        child_id=child.child_id,
        team_id=child.team_id,
        correlation_id=latest.correlation_id,
    )


def _ended_by_the_move(
    cases: Iterable[Consultation], child_id: UUID, team_id: UUID | None, cause: Cause
) -> Iterable[tasks.Raised]:
    for case in cases:
        if case.end_reason == "moved_away":
            now = replace(case, child_id=child_id, team_id=team_id or case.team_id, assigned_to=None)
            yield tasks.about_case(now, "moved_family", str(cause.id), cause)


def _done_at(task: Task) -> datetime:
    return task.done_at or task.raised_at


def records_merged(about: AboutTwo, event: RecordsMerged, cause: Cause) -> Decision:
    """Everything goes on under the record that stays. Two open consultations become a task, since one may be enough."""
    if about.ending is not None and about.ending.gone == "merged":
        return NOTHING
    # The one that goes on may have ended in a third one, heard of first: each merger is told by its own key.
    into = (about.into.merged_into if about.into is not None else None) or event.into_child_id
    child = replace(_known(about.ending, event, event.team_id, cause.at), gone="merged", merged_into=into)
    rows: list[Any] = [child, *(replace(c, merged_into=into) for c in about.merged_before)]
    rows += [replace(c, child_id=into) for c in about.cases]
    courses = {p.consultation_id: _goes_on_under(p, into) for p in about.courses}
    for case in about.cases:
        if case.status in OPEN:  # looked at once, since the record that stays may be of a child that is gone
            goes_on = courses.get(case.consultation_id) or _goes_on_under(begun(case), into)
            courses[case.consultation_id] = looked_at_again(goes_on, cause.at)
    rows += courses.values()
    events: list[Following] = []
    gone = Record(about.into, about.at_its_end).gone
    for task in (replace(t, child_id=into) for t in about.tasks):
        if gone is None or gone == "moved_away" or task.kind in KEPT:
            rows.append(task)
            continue
        done, told = tasks.settled(task, cause.at)
        rows.append(done)
        events.append(told)
    raised = [*_two_at_once(about, event, into, cause)]
    if gone is None and about.ending is not None and about.ending.gone == "moved_away":
        here = about.into.team_id if about.into is not None else event.team_id
        raised += _ended_by_the_move(about.cases, into, here, cause)
    return Decision(rows=(*rows, *(r.task for r in raised)), events=(*events, *(r.told for r in raised)))


def _two_at_once(about: AboutTwo, event: RecordsMerged, into: UUID, cause: Cause) -> Iterable[tasks.Raised]:
    for case in about.cases:
        if case.status in OPEN and (into != event.into_child_id or any(o.status in OPEN for o in about.others)):
            yield tasks.about_case(replace(case, child_id=into), "merged_records", str(cause.id), cause)


def _goes_on_under(course: Progress, into: UUID) -> Progress:
    """Where the record that ends had moved away its clocks run again; whether the other is here is looked at next."""
    stopped = None if course.stopped == "moved_away" else course.stopped
    return replace(course, child_id=into, stopped=stopped)


def _known(
    child: Child | None,
    event: BirthRecorded | BirthCorrected | PregnancyEnded | ChildDied | ChildAdopted | ChildMoved | RecordsMerged,
    team_id: UUID | None,
    at: datetime,
) -> Child:
    if child is None:
        return Child(event.child_id, event.pregnancy_id, team_id, born_at=None, gone=None, changed_at=at)
    return replace(child, team_id=team_id, changed_at=at)


def _open_courses(cases: Iterable[Consultation], courses: Iterable[Progress]) -> list[Progress]:
    open_ids = {c.consultation_id for c in cases if c.status in OPEN}
    return [p for p in courses if p.consultation_id in open_ids]


def _lost(about: AboutChild, child: Child, gone: Gone, cause: Cause) -> Decision:
    """Clocks stop at once. What only waits ends; who has the case decides how it ends, and has a task to do so."""
    if child.gone == gone or (gone == "moved_away" and child.gone is not None):
        return NOTHING  # who is lost is not less lost for having moved, and does not come back
    rows: list[Any] = [replace(child, gone=gone)]
    courses = {p.consultation_id: p for p in about.courses}
    ends = [
        overtaken(case, courses.get(case.consultation_id) or begun(case), gone, cause)
        for case in about.cases
        if case.status in OPEN
    ]
    rows += [row for end in ends for row in end.rows]
    events: list[Event | Following] = [event for end in ends for event in end.events]
    kept = KEPT_AWAY if gone == "moved_away" else KEPT
    for task in about.tasks:
        if task.kind not in kept:
            done, told = tasks.settled(task, cause.at)
            rows.append(done)
            events.append(told)
    return Decision(rows=tuple(rows), events=tuple(events), due=tuple(key for end in ends for key in end.due))


def overtaken(case: Consultation, course: Progress, gone: Gone, cause: Cause) -> Decision:
    """One open consultation about a child that is gone, however it comes to be known."""
    stopped = replace(course, stopped=gone, next_due_at=None)
    owner = case.assigned_to or case.requested_by
    raised = tasks.about_case(case, _KIND.get(gone, "loss"), str(cause.id), cause, owner_id=owner)
    if case.assigned_to is not None:
        return Decision(rows=(stopped, raised.task), events=(raised.told,))
    after, end = closed(case, END[gone], None, cause.at)
    ended = Following(end, case.correlation_id)
    return Decision(rows=(stopped, raised.task, after), events=(raised.told, ended), due=(case.team_id,))
