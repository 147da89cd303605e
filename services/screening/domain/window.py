"""The screening window of a child, as clocks: it opens, an attempt is repeated, a follow-up is due, it closes.

Everything follows from the date of birth and the days of the pathway version that the child was born under, so a
corrected date sets every clock anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.screening import FollowUpDue, MissedReason, NotCompletedReason, ScreeningDue, ScreeningMissed
from chassis.decision import NOTHING, Cause, Decision, Due
from chassis.value import replace, value
from chassis.working_days import end_of, local_date, start_of
from services.screening.domain.calendar import told_age
from services.screening.domain.child import Child
from services.screening.domain.commands import ScreeningWindow

COHORT = "cohort"
"""Key of the one window that is in force for children born now."""
BUILT_IN = "built-in/1"
"""What gives the window as long as no pathway with one is loaded."""


@value(frozen=True, slots=True)
class CohortWindow:
    """The window that is in force, and the pathway version that says so."""

    cohort: str
    instrument: str
    reference: str
    days: ScreeningWindow


class Days(NamedTuple):
    """The instants of a child's window."""

    opens_at: datetime
    due_at: datetime
    closes_at: datetime
    """The first instant after the window."""


def days_of(child: Child) -> Days | None:
    """The window of a child born alive, None for any other."""
    born_on, opens, due, closes = child.born_on, child.opens_day, child.due_day, child.closes_day
    if child.birth != "live" or born_on is None or opens is None or due is None or closes is None:
        return None
    return Days(
        start_of(born_on + timedelta(days=opens)),
        end_of(born_on + timedelta(days=due)),
        end_of(born_on + timedelta(days=closes)),
    )


def in_window(child: Child, age: int) -> bool | None:
    """Whether a screening at that age counts for coverage; None for a child without a window."""
    if child.opens_day is None or child.closes_day is None:
        return None
    return child.opens_day <= age <= child.closes_day


def begin(child: Child, cohort: CohortWindow | None, at: datetime, *, arrived: bool = False) -> Decision:
    """The child with its window, from its birth on. One that became known after it closed is told as missed at once,

    unless it has only now come to live here.
    """
    if child.birth != "live":
        return Decision(rows=(child,))
    days = cohort.days if cohort is not None else ScreeningWindow()
    child = replace(
        child,
        window_state="before",
        window_of=cohort.reference if cohort is not None else BUILT_IN,
        opens_day=days.opens_day,
        due_day=days.due_day,
        closes_day=days.closes_day,
    )
    begun = _too_late(child, at, tell=not arrived, arrived=arrived)
    return begun or Decision(rows=(wind(child),))


def begin_again(child: Child, covered_at_days: int | None, at: datetime) -> Decision:
    """The window by a corrected date of birth: what was told by the wrong one is told anew.

    Of a child that is away nothing is told, and what counts is whether the window closed before it left: `come_back`
    looks at the rest.
    """
    child = replace(child, covered_at_days=covered_at_days)
    if child.window_state is None:
        return Decision(rows=(wind(child),))
    quiet = child.ended is not None or child.window_state in ("missed", "too_late")
    child = replace(child, window_state="before" if covered_at_days is None else "met")
    closed = _too_late(child, child.ended_at or at, tell=not quiet, arrived=child.arrived_too_late)
    return closed or Decision(rows=(wind(child),))


def come_back(child: Child, at: datetime) -> Child:
    """A child that lives here again: its clocks go on, unless its window closed while it was away."""
    too_late = _too_late(child, at, tell=False, arrived=True) if child.window_state in ("before", "open") else None
    row: Child = too_late.rows[0] if too_late is not None else wind(child)
    return row


def _too_late(child: Child, at: datetime, *, tell: bool, arrived: bool = False) -> Decision | None:
    days = days_of(child)
    if child.window_state == "met" or days is None or days.closes_at > at:
        return None
    row = wind(replace(child, window_state="too_late", offer_again_at=None, arrived_too_late=arrived))
    reason = child.not_completed_reason or "known_too_late"
    return Decision(rows=(row,), events=(_missed(row, days, reason, at),) if tell else ())


def offer_again(child: Child, window: ScreeningWindow, reason: NotCompletedReason, attempted_on: date) -> Child:
    """After an attempt without result: when another one is due, in the open window or for a follow-up."""
    if reason in window.not_offered_again_after:
        return child
    day = attempted_on + timedelta(days=window.offered_again_after_days)
    if child.follow_up_on is not None:
        return wind(replace(child, follow_up_at=start_of(max(day, child.follow_up_on))))
    days = days_of(child)
    if child.window_state not in ("before", "open") or days is None:
        return child
    last = local_date(days.closes_at) - timedelta(days=1)
    if not local_date(days.opens_at) <= attempted_on < last:
        return child
    return wind(replace(child, offer_again_at=start_of(min(day, last))))


def wind(child: Child) -> Child:
    """The child with the instant at which its clocks are to be looked at next."""
    return replace(child, next_due_at=min(_instants(child), default=None))


def no_later(child: Child) -> Child:
    """As `wind`, but a planned look stays as it is: looking too early costs less than an index entry."""
    planned = child.next_due_at
    if planned is not None and not any(instant < planned for instant in _instants(child)):
        return child
    return wind(child)


def _instants(child: Child) -> Iterable[datetime]:
    if child.ended is not None:
        return
    if child.follow_up_at is not None:
        yield child.follow_up_at
    if child.window_state not in ("before", "open"):
        return
    days = days_of(child)
    if days is not None:
        yield days.opens_at if child.window_state == "before" else days.closes_at
        if child.offer_again_at is not None:
            yield child.offer_again_at


def ring(child: Child | None, due: Due, cause: Cause) -> Decision:  # noqa: ARG001
    """A clock of the child has come: its window opens or closes, an attempt is repeated, a follow-up is due."""
    if child is None or child.next_due_at is None or child.next_due_at > cause.at:
        return NOTHING
    if child.ended is not None:
        return Decision(rows=(wind(child),))
    events: list[Event] = []
    days = days_of(child)
    if days is not None and child.window_state in ("before", "open"):
        child = _window_rings(child, days, cause.at, events)
    if child.follow_up_at is not None and child.follow_up_at <= cause.at:
        if child.last_screening_id is not None:
            events.append(_follow_up(child, child.last_screening_id, child.follow_up_at))
        child = replace(child, follow_up_at=None)
    return Decision(rows=(wind(child),), events=tuple(events))


def _window_rings(child: Child, days: Days, at: datetime, events: list[Event]) -> Child:
    if days.closes_at <= at:
        events.append(_missed(child, days, child.not_completed_reason or "no_attempt_recorded", at))
        return replace(child, window_state="missed", offer_again_at=None)
    if child.window_state == "before" and days.opens_at <= at:
        events.append(_due(child, days, again=False))
        child = replace(child, window_state="open")
    if child.offer_again_at is not None and child.offer_again_at <= at:
        events.append(_due(child, days, again=True))
        child = replace(child, offer_again_at=None)
    return child


def _due(child: Child, days: Days, *, again: bool) -> ScreeningDue:
    pathway, _, version = (child.window_of or BUILT_IN).rpartition("/")
    return ScreeningDue(
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        reason="offered_again" if again else "first",
        window_opens_at=days.opens_at,
        due_at=days.due_at,
        closes_at=days.closes_at,
        pathway=pathway,
        pathway_version=int(version),
    )


def _missed(child: Child, days: Days, reason: MissedReason, at: datetime) -> ScreeningMissed:
    assert child.born_on is not None  # noqa: S101 - who has a window is born
    return ScreeningMissed(
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        reason=reason,
        age_days=told_age(child.born_on, local_date(at)),
        closed_at=days.closes_at,
    )


def _follow_up(child: Child, screening_id: UUID, at: datetime) -> FollowUpDue:
    return FollowUpDue(
        screening_id=screening_id,
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        due_at=at,
    )
