"""A child of the birth cohort: the subject from conception on, with an id of its own."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from attune_contracts.screening import NotCompletedReason, Outcome
from chassis.value import value


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
    """Age in days at the first completed screening inside the instrument's age window."""
    not_completed_reason: NotCompletedReason | None = None
    """Why the latest attempt gave no result; null again when one did."""
