"""A family as far as writing to it goes: its children, who cares for them, who visits them, what ended."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from attune_contracts.notification import SuppressedReason
from attune_contracts.screening import BirthCorrected, BirthRecorded, ChildMoved, PregnancyRegistered
from chassis.decision import NOTHING, Cause, Decision
from chassis.value import replace, value
from services.notification.domain.hours import day_after
from services.notification.domain.message import Message

BookletState = Literal["due", "given", "missed", "stopped"]

BOOKLET_DAYS = 14
"""A family has it by so many days after the birth, the last one included."""
SENT_BEFORE_DAYS = 7
"""So many days before that is over it is sent, where nobody has given it and the policy allows it (ours)."""


@value(frozen=True, slots=True)
class Child:
    """A child of the family, expected, born or lost."""

    child_id: UUID
    born_at: datetime | None = None
    """Some instant of the day of birth."""
    ended: SuppressedReason | None = None
    """Why nothing more is said about this child."""
    ended_at: datetime | None = None
    is_away: bool = False
    moved_to: UUID | None = None
    """Team to which the child came last, where it has moved."""


@value(frozen=True, slots=True)
class Family:
    """All children of one pregnancy. No name and no address is kept here."""

    pregnancy_id: UUID
    correlation_id: UUID
    """The first cause, whose chain the booklet continues."""
    known_at: datetime
    registered: bool = False
    """Known before the birth; a family that came later gets the same time from then on."""
    team_id: UUID | None = None
    """Null where nobody has told yet, or out of the area."""
    is_away: bool = False
    """Moved out of the area."""
    health_visitor_id: UUID | None = None
    """The named health visitor, who does in person what must not be written."""
    caregivers: tuple[UUID, ...] = ()
    """Recipients; each is written to alone."""
    contact_set_by: str | None = None
    children: tuple[Child, ...] = ()
    booklet: BookletState = "due"
    booklet_due_by: datetime | None = None
    """The first instant at which it is missed; null before a birth."""
    booklet_sent_at: datetime | None = None
    """When it was given to the courier."""
    given_at: datetime | None = None
    given_by: UUID | None = None
    given_how: str | None = None
    given_language: str | None = None
    next_due_at: datetime | None = None

    @property
    def living(self) -> tuple[Child, ...]:
        return tuple(child for child in self.children if child.ended is None)


@value(frozen=True, slots=True)
class SafetyFlag:
    """Somebody saw a risk around this child: a caregiver's policy that is older than this no longer counts."""

    flag_id: UUID
    child_id: UUID
    raised_at: datetime
    because: str


@value(frozen=True, slots=True)
class Waiting:
    """A family and the messages to its caregivers that have not begun to leave."""

    family: Family | None
    messages: tuple[Message, ...] = ()


@value(frozen=True, slots=True)
class MergedRecord:
    """Two records were of one child: a risk around either, whenever it is heard of, is a risk around that child."""

    child_id: UUID
    into_child_id: UUID


@value(frozen=True, slots=True)
class Merging:
    """A family, its messages that have not begun to leave, and the record of its child if it has ended in another."""

    family: Family | None
    messages: tuple[Message, ...] = ()
    merged: MergedRecord | None = None


def known(family: Family | None, pregnancy_id: UUID, cause: Cause) -> Family:
    """The family, or a new one of which only the id is known."""
    return family or Family(pregnancy_id, cause.correlation_id, cause.at)


def timed(family: Family) -> Family:
    """With the next instant at which the clock has to look at the booklet."""
    born = [child.born_at for child in family.living if child.born_at is not None]
    if family.booklet in ("due", "stopped"):
        stops = family.is_away or (family.children and not family.living)
        family = replace(family, booklet="stopped" if stops else "due")
    if not born or family.booklet != "due":
        return replace(family, next_due_at=None)
    since = min(born) if family.registered else max(min(born), family.known_at)
    due_by = day_after(since, BOOKLET_DAYS + 1)
    send_at = day_after(since, BOOKLET_DAYS + 1 - SENT_BEFORE_DAYS)
    due = send_at if family.booklet_sent_at is None and family.caregivers else due_by
    return replace(family, booklet_due_by=due_by, next_due_at=due)


def with_child(family: Family, child: Child) -> Family:
    """With this child as it is now; in the order of their ids, whoever of twins is heard of first."""
    others = {c.child_id: c for c in family.children}
    found = (others | {child.child_id: child}).values()
    return replace(family, children=tuple(sorted(found, key=lambda c: c.child_id)))


def child_of(family: Family, child_id: UUID) -> Child:
    return next((c for c in family.children if c.child_id == child_id), Child(child_id))


def changed(before: Family | None, after: Family) -> Decision:
    """The family with its clock set anew; nothing where nothing changed."""
    after = timed(after)
    return NOTHING if after == before else Decision(rows=(after,))


def registered(family: Family | None, event: PregnancyRegistered, cause: Cause) -> Decision:
    """A child is expected: the booklet is due, from now on until some days after the birth."""
    now = known(family, event.pregnancy_id, cause)
    now = replace(now, registered=True, team_id=now.team_id or event.team_id)
    return changed(family, with_child(now, child_of(now, event.child_id)))


def corrected(family: Family | None, event: BirthCorrected, cause: Cause) -> Decision:
    """The date of birth is another, and with it the day by which the booklet is due."""
    now = _born(known(family, event.pregnancy_id, cause), event)
    again = timed(replace(now, booklet="due"))
    if now.booklet == "missed" and again.booklet_due_by is not None and again.booklet_due_by > cause.at:
        return changed(family, again)  # it was missed by a day that was not the right one
    return changed(family, now)


def moved(family: Family | None, event: ChildMoved, cause: Cause) -> Decision:
    """Another team looks after the family, or none here any more: then the booklet is no longer ours to give.

    The family has moved when the last of its living children has: one of twins may go alone. Away, it is back with the
    first that comes.
    """
    to, away = event.to_team_id, event.to_team_id is None
    now = known(family, event.pregnancy_id, cause)
    now = with_child(now, replace(child_of(now, event.child_id), is_away=away, moved_to=to))
    stays = any((c.is_away, c.moved_to) != (away, to) for c in now.living)
    if (stays and not now.is_away) or (now.team_id, now.is_away) == (to, away):
        return changed(family, now)
    return changed(family, replace(now, team_id=to, health_visitor_id=None, is_away=away))


def born_alive(family: Family | None, event: BirthRecorded, cause: Cause) -> Decision:
    """The time in which the booklet is due begins to have an end."""
    now = known(family, event.pregnancy_id, cause)
    return changed(family, _born(replace(now, team_id=now.team_id or event.team_id), event))


def _born(family: Family, event: BirthRecorded | BirthCorrected) -> Family:
    born_at = day_after(event.recorded_at, -event.age_days)
    return with_child(family, replace(child_of(family, event.child_id), born_at=born_at))
