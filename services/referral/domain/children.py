"""What referral has to know of a child: when it was born, and whether there is anybody left to consult about."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from chassis.value import value

Gone = Literal["pregnancy_ended", "stillborn", "child_died", "moved_away", "record_sealed", "merged"]


@value(frozen=True, slots=True)
class Child:
    """A child as the events of screening tell of it. No date of birth comes in an event: an age gives the day."""

    child_id: UUID
    family_id: UUID | None
    team_id: UUID | None
    born_at: datetime | None
    """The beginning of the day of birth; null before it."""
    gone: Gone | None
    changed_at: datetime
    merged_into: UUID | None = None
    """The record that goes on, where this one has ended in another; that of a chain of them at its end."""


@value(frozen=True, slots=True)
class Record:
    """The record of a child as it goes on: its own, or where it has ended in another, that one."""

    child: Child | None
    into: Child | None
    """The record that the child's own has ended in; null where it has not, or nothing is known of that one."""

    @property
    def gone(self) -> Gone | None:
        """Whether there is still anybody, whichever record says so."""
        goes_on = self.child if self.child is None or self.child.gone != "merged" else self.into
        return goes_on.gone if goes_on is not None else None

    def id_of(self, child_id: UUID | None) -> UUID | None:
        """Under which id the child goes on that an event names by `child_id`."""
        merged_into = self.child.merged_into if self.child is not None else None
        return merged_into or child_id
