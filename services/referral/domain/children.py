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
