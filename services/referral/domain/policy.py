"""A team's policy as data: what orders its waiting list, what work weighs, and whether a case is offered first."""

from __future__ import annotations

from datetime import datetime, timedelta

from attune_contracts.referral import ConsultationKind, Priority
from chassis.value import value

STRICTLY_FIRST = 36_500
"""A head start in days that no wait makes up for."""


@value(frozen=True, slots=True)
class Policy:
    """One version. What was decided by an earlier one stays: places, points and offers do not change behind people."""

    version: int
    head_start_days: dict[Priority, int]
    """The list is in the order of the time of the request; a band counts as if it had asked so many days earlier."""
    points: dict[ConsultationKind, int]
    """What each kind of work weighs when the pool first looks at it."""
    offer_working_days: int | None
    """A practitioner has so many working days to accept; with null a case is theirs at once."""

    def place(self, priority: Priority, requested_at: datetime) -> datetime:
        """Place in the waiting list: earlier is sooner."""
        return requested_at - timedelta(days=self.head_start_days[priority])


STANDARD = Policy(
    version=0,
    head_start_days={"urgent": STRICTLY_FIRST, "routine": 0},
    points={"case_consultation": 2, "reflective_discussion": 1},
    offer_working_days=None,
)
"""For teams that have set none (ours)."""
