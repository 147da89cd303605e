"""What somebody in the city does: one command at an instant, known by a key of its own, so that it can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """Ordered by instant and key: the order in which everything happens, whoever planned it."""

    at: datetime
    key: str
    """Also the Idempotency-Key: an act that is sent again after an interruption is recognised."""
    service: str = field(compare=False)
    route: str = field(compare=False)
    role: str = field(compare=False)
    body: dict[str, Any] = field(compare=False)
    about: str = field(compare=False)
    """The family or the case: what concerns one of them happens in order."""
    by: str | None = field(compare=False, default=None)
    """Staff id of whoever acts; without it the role's own person."""
    alone: bool = field(compare=False, default=False)
    """What follows from it depends on who comes first: nothing else is under way meanwhile."""
    may_be_refused: frozenset[str] = field(compare=False, default=frozenset())
    """Refusals by which the real world contradicts the plan, such as `unknown-child` after a loss."""


def instant(day: date, hour: int, minute: int = 0) -> datetime:
    """That local time of that day."""
    return datetime.combine(day, time(hour, minute), LONDON)


def working(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + timedelta(days=(7 - day.weekday()) % 7 if day.weekday() > 4 else 0)
