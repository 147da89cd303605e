"""What somebody has to do next: tasks, running clocks and age limits in one list, by what breaches first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from chassis.decision import Reply
from chassis.working_days import Calendar
from services.referral.domain import ages
from services.referral.domain.clocks import Course, Running, running
from services.referral.domain.consultation import OPEN

Stands = Literal["running", "due_soon", "breached", "paused"]


class Item(Reply):
    """One thing to do. `what` is the clock, the kind of task or the age limit."""

    item: Literal["clock", "task", "age_limit"]
    what: str
    stands: Stands
    due_at: datetime | None
    consultation_id: UUID | None
    child_id: UUID | None
    task_id: UUID | None
    about_id: UUID | None
    note: str | None


class ClockView(Reply):
    """Where one clock of a consultation stands."""

    clock: str
    stands: Stands
    started_at: datetime
    due_at: datetime | None


def clocks_of(course: Course, at: datetime, calendar: Calendar) -> list[ClockView]:
    """The clocks of a consultation as they stand, reckoned now."""
    return [
        {"clock": c.term.clock, "stands": _stands(c, at), "started_at": c.since, "due_at": c.due_at}
        for c in running(course, calendar)
    ]


def worklist(
    courses: Iterable[Course], tasks: Iterable[dict[str, Any]], at: datetime, calendar: Calendar, limit: int
) -> list[Item]:
    """Everything in one list: what has been breached longest first, what stands still last."""
    items = [_task(t, at) for t in tasks]
    for course in courses:
        items += [_clock(course, c, at) for c in running(course, calendar)]
        items += _ages(course, at)
    return sorted(items, key=_order)[:limit]


def _order(item: Item) -> tuple[bool, float, str]:
    due_at = item["due_at"]
    return due_at is None, due_at.timestamp() if due_at is not None else 0.0, item["what"]


def _stands(clock: Running, at: datetime) -> Stands:
    if clock.due_at is None or clock.soon_at is None:
        return "paused"
    if clock.due_at <= at:
        return "breached"
    return "due_soon" if clock.soon_at <= at else "running"


def _clock(course: Course, clock: Running, at: datetime) -> Item:
    return _item(course, "clock", clock.term.clock, _stands(clock, at), clock.due_at)


def _ages(course: Course, at: datetime) -> list[Item]:
    """The second birthday, from the first warning on."""
    case, born_at = course.case, course.child.born_at if course.child is not None else None
    stopped = course.progress is not None and course.progress.stopped is not None
    if case is None or case.status not in OPEN or born_at is None or stopped or course.gone is not None:
        return []
    first, _, birthday = ages.limits(born_at)
    if at < first.at:
        return []
    return [_item(course, "age_limit", birthday.reason, "breached" if birthday.at <= at else "due_soon", birthday.at)]


def _item(
    course: Course, item: Literal["clock", "age_limit"], what: str, stands: Stands, due_at: datetime | None
) -> Item:
    case = course.case
    return {
        "item": item,
        "what": what,
        "stands": stands,
        "due_at": due_at,
        "consultation_id": case.consultation_id if case is not None else None,
        "child_id": case.child_id if case is not None else None,
        "task_id": None,
        "about_id": None,
        "note": None,
    }


def _task(task: dict[str, Any], at: datetime) -> Item:
    return {
        "item": "task",
        "what": task["kind"],
        "stands": "breached" if task["due_at"] <= at else "due_soon" if task["escalated"] else "running",
        "due_at": task["due_at"],
        "consultation_id": task["consultation_id"],
        "child_id": task["child_id"],
        "task_id": task["task_id"],
        "about_id": task["about_id"],
        "note": task["note"],
    }
