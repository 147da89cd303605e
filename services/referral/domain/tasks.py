"""Tasks for people: raised with an owner and a time, delegated, escalated to the leads of the team, done."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from attune_contracts.referral import TaskDone, TaskHandedOver, TaskKind, TaskOutcome, TaskRaised
from chassis.decision import NOTHING, Cause, Decision, Due, Following, Reply, derived_id
from chassis.value import replace, value
from services.referral.domain.commands import DelegateTask, FinishTask, RaiseTask
from services.referral.domain.consultation import Consultation, staff
from services.referral.domain.course_refusals import DueInThePast, TaskAlreadyDone, UnknownTask

WORKING_DAYS: dict[TaskKind, int] = {
    "contact_caregiver": 2,
    "tell_practitioner": 1,
    "doubtful_message": 1,
    "missed_screening": 5,
    "missed_booklet": 5,
    "concern_without_consultation": 1,
    "lapsed_certificate": 5,
    "overdue_clock": 2,
    "age_limit": 10,
    "missed_sessions": 5,
    "nobody_takes_case": 1,
    "loss": 1,
    "moved_family": 5,
    "merged_records": 5,
    "safeguarding": 1,
    "other": 5,
}
"""In how many working days a task is to be done, where nobody says (ours)."""
ESCALATED_DAYS = 1
"""Working days that the leads have after a task was not done in time."""


@value(frozen=True, slots=True)
class Handing:
    """A task went from one owner to another; null is the leads of the team."""

    from_owner_id: UUID | None
    to_owner_id: UUID | None
    reason: str
    by: UUID | None
    at: datetime


@value(frozen=True, slots=True)
class Task:
    """Something that a person has to do. `owner_id` is null where any lead of the team has to take it up."""

    task_id: UUID
    kind: TaskKind
    about_id: UUID
    consultation_id: UUID | None
    child_id: UUID | None
    team_id: UUID | None
    owner_id: UUID | None
    note: str | None
    """What a person wrote. Never leaves the referral service but by an authorised read."""
    due_at: datetime
    raised_at: datetime
    correlation_id: UUID
    escalated: bool = False
    """It was not done in time and is with the leads."""
    handings: tuple[Handing, ...] = ()
    outcome: TaskOutcome | None = None
    done_by: UUID | None = None
    done_at: datetime | None = None
    next_due_at: datetime | None = None
    recipient_id: UUID | None = None
    """Whom a message did not reach; null where the task is about none, or nobody was known."""


class TaskStands(Reply):
    """Whose a task is, by when it has to be done, and when it was."""

    task_id: UUID
    owner_id: UUID | None
    due_at: datetime
    done_at: datetime | None


@value(frozen=True, slots=True)
class Raised:
    """A new task, and the event that tells of it."""

    task: Task
    told: Following


def raised(
    kind: TaskKind,
    about_id: UUID,
    cause: Cause,
    *,
    team_id: UUID | None,
    child_id: UUID | None,
    task_id: UUID | None = None,
    consultation_id: UUID | None = None,
    owner_id: UUID | None = None,
    note: str | None = None,
    due_at: datetime | None = None,
    correlation_id: UUID | None = None,
) -> Raised:
    """A new task with its clock set; where nothing else is said it is the leads', and due as its kind says."""
    due_at = due_at or cause.calendar.end_of_working_day(cause.at, WORKING_DAYS[kind])
    task = Task(
        task_id=task_id or cause.derive("task"),
        kind=kind,
        about_id=about_id,
        consultation_id=consultation_id,
        child_id=child_id,
        team_id=team_id,
        owner_id=owner_id,
        note=note,
        due_at=due_at,
        raised_at=cause.at,
        correlation_id=correlation_id or cause.correlation_id,
        next_due_at=due_at,
    )
    return Raised(task, _told(task))


def _told(task: Task) -> Following:
    event = TaskRaised(
        task_id=task.task_id,
        child_id=task.child_id,
        team_id=task.team_id,
        kind=task.kind,
        about_id=task.about_id,
        owner_id=task.owner_id,
        due_at=task.due_at,
        raised_at=task.raised_at,
    )
    return Following(event, task.correlation_id)


def about_case(case: Consultation, kind: TaskKind, name: str, cause: Cause, owner_id: UUID | None = None) -> Raised:
    """A task about a consultation: one for each `name`, for whoever has the case, or the leads while it waits."""
    return raised(
        kind,
        case.consultation_id,
        cause,
        task_id=derived_id(case.consultation_id, f"task:{kind}:{name}"),
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        owner_id=owner_id or case.assigned_to,
        correlation_id=case.correlation_id,
    )


def raise_by_hand(_: None, command: RaiseTask, cause: Cause) -> Decision[TaskStands]:
    """A person gives a task to somebody, or to the leads of a team."""
    if command.due_at is not None and command.due_at <= cause.at:
        raise DueInThePast
    made = raised(
        "other",
        command.about_id or cause.derive("task"),
        cause,
        child_id=command.child_id,
        team_id=command.team_id,
        owner_id=command.owner_id,
        note=command.note,
        due_at=command.due_at,
    )
    return Decision(rows=(made.task,), events=(made.told,), reply=_reply(made.task))


def finish(task: Task | None, _: FinishTask, cause: Cause) -> Decision[TaskStands]:
    """Whoever did it says so; the first who does is the one who is recorded."""
    if task is None:
        raise UnknownTask
    if task.done_at is not None:
        return Decision(reply=_reply(task))
    by = staff(cause)
    done = replace(task, outcome="done", done_by=by, done_at=cause.at, next_due_at=None)
    return Decision(rows=(done,), events=(_done(done, by, cause.at),), reply=_reply(done))


def settled(task: Task, at: datetime) -> tuple[Task, Following]:
    """What the task was about has settled itself."""
    done = replace(task, outcome="no_longer_needed", done_at=at, next_due_at=None)
    return done, _done(done, None, at)


def _done(task: Task, by: UUID | None, at: datetime) -> Following:
    event = TaskDone(
        task_id=task.task_id,
        child_id=task.child_id,
        team_id=task.team_id,
        kind=task.kind,
        about_id=task.about_id,
        outcome=task.outcome or "done",
        done_by=by,
        done_at=at,
    )
    return Following(event, task.correlation_id)


def delegate(task: Task | None, command: DelegateTask, cause: Cause) -> Decision[TaskStands]:
    """The task gets another owner, or goes to the leads; the time by which it has to be done stays."""
    if task is None:
        raise UnknownTask
    if task.done_at is not None:
        raise TaskAlreadyDone
    if task.owner_id == command.to_owner_id:
        return Decision(reply=_reply(task))
    moved, event = _handed(task, command.to_owner_id, "delegated", staff(cause), cause.at)
    return Decision(rows=(moved,), events=(event,), reply=_reply(moved))


@value(frozen=True, slots=True)
class AtTask:
    """A task whose time is over, with the consultation that it is about."""

    task: Task | None
    case: Consultation | None


def escalate(at: AtTask, _: Due, cause: Cause) -> Decision:
    """What is not done in time goes to the leads of the team, once; after that it stays on top of their list."""
    task, case = at.task, at.case
    if task is None or task.done_at is not None or task.next_due_at is None or task.next_due_at > cause.at:
        return NOTHING
    if task.kind == "nobody_takes_case" and (case is None or case.waiting_since is None):
        done, told = settled(task, cause.at)  # somebody has it, or it has ended
        return Decision(rows=(done,), events=(told,))
    again = cause.calendar.end_of_working_day(cause.at, ESCALATED_DAYS)
    if task.escalated:
        look_at = again if task.kind == "nobody_takes_case" else None  # until somebody has it
        return Decision(rows=(replace(task, next_due_at=look_at),))
    late = replace(task, escalated=True, due_at=again, next_due_at=again)
    moved, event = _handed(late, None, "escalated", None, cause.at)
    return Decision(rows=(moved,), events=(event,))


def _handed(
    task: Task, to: UUID | None, reason: Literal["delegated", "escalated"], by: UUID | None, at: datetime
) -> tuple[Task, Following]:
    handing = Handing(task.owner_id, to, reason, by, at)
    event = TaskHandedOver(
        task_id=task.task_id,
        child_id=task.child_id,
        team_id=task.team_id,
        kind=task.kind,
        about_id=task.about_id,
        from_owner_id=task.owner_id,
        to_owner_id=to,
        reason=reason,
        due_at=task.due_at,
        handed_over_at=at,
    )
    return replace(task, owner_id=to, handings=(*task.handings, handing)), Following(event, task.correlation_id)


def _reply(task: Task) -> TaskStands:
    return {"task_id": task.task_id, "owner_id": task.owner_id, "due_at": task.due_at, "done_at": task.done_at}
