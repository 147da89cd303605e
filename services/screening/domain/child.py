"""A child of the birth cohort: the subject from conception on, with an id of its own."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from attune_contracts.screening import ChildMoved, NotCompletedReason, Outcome
from chassis.decision import Refused
from chassis.value import replace, value

Ended = Literal["loss", "termination", "died", "moved_out", "adopted", "merged"]
"""Why nothing more is due for a child. Only who moved out can come back."""
Window = Literal["before", "open", "met", "missed", "too_late"]
"""Where the child is in its screening window; too late: it was known to us only after the window had closed."""


class UnknownChild(Refused):
    """No child is known under this id."""

    status = 404
    field = "child_id"


class RecordEnded(Refused):
    """This record has ended: nothing more is recorded with it."""

    field = "child_id"


class NoLiveBirth(Refused):
    """No live birth is recorded for this child."""

    field = "child_id"


@value(frozen=True, slots=True)
class Child:
    """A child of the cohort, with where it stands in its screening."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    expected_on: date | None
    born_on: date | None
    birth: Literal["live", "still"] | None
    children_born: int | None
    nhs_number: str | None
    mother_nhs_number: str | None
    registered_at: datetime
    last_screening_id: UUID | None = None
    last_outcome: Outcome | None = None
    screened_at: datetime | None = None
    follow_up_on: date | None = None
    covered_at_days: int | None = None
    """Age in days at the first completed screening inside the window."""
    not_completed_reason: NotCompletedReason | None = None
    """Why the latest attempt gave no result; null again when one did."""
    ended: Ended | None = None
    ended_at: datetime | None = None
    moved_at: datetime | None = None
    """The latest move between teams, into the area or out of it."""
    arrived_too_late: bool = False
    """Its window had closed before it lived here."""
    merged_into: UUID | None = None
    window_state: Window | None = None
    window_of: str | None = None
    """The pathway version that gave the window."""
    opens_day: int | None = None
    due_day: int | None = None
    closes_day: int | None = None
    offer_again_at: datetime | None = None
    follow_up_at: datetime | None = None
    next_due_at: datetime | None = None
    """When the child's clocks are to be looked at; at the latest then, so it may be earlier than needed."""

    @property
    def team_here(self) -> UUID | None:
        """The team that looks after the child; nobody here, where it moved out of the area."""
        return None if self.ended == "moved_out" else self.team_id


@value(frozen=True, slots=True)
class Mother:
    """What is recorded about children of one mother waits its turn here, so that siblings find each other."""

    mother_nhs_number: str
    recorded: int = 0


def counted(mother: Mother | None, mother_nhs_number: str | None) -> tuple[Mother, ...]:
    """The mother's row after one more record, for a command that names her."""
    if mother_nhs_number is None:
        return ()
    return (Mother(mother_nhs_number, (mother.recorded if mother is not None else 0) + 1),)


def known(child: Child | None) -> Child:
    """The child that a command is about. Raises UnknownChild."""
    if child is None:
        raise UnknownChild
    return child


def in_team(child: Child, team_id: UUID, at: datetime) -> Child:
    """The child where this team looks after it, wherever it was before; its clocks are not wound yet."""
    return replace(child, ended=None, ended_at=None, team_id=team_id, moved_at=at)


def moved_event(child: Child, here: UUID | None, to: UUID | None, at: datetime) -> ChildMoved:
    """What is told of a move from the team that looked after the child to the one that does from now on."""
    return ChildMoved(
        child_id=child.child_id, pregnancy_id=child.pregnancy_id, team_id=here, to_team_id=to, moved_at=at
    )


def alive_here(child: Child | None) -> Child:
    """A child whose record goes on. Raises UnknownChild or RecordEnded."""
    if known(child).ended not in (None, "moved_out"):
        raise RecordEnded
    return known(child)
