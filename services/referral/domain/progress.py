"""What people did with a consultation after it was requested. A row exists only once there is something to keep."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from attune_contracts.referral import ClockName, HeldOutcome, PauseReason, TriageDecision, TriageReason
from chassis.value import replace, value
from services.referral.domain.children import Gone
from services.referral.domain.consultation import Consultation

WITH_FAMILY: frozenset[HeldOutcome] = frozenset({"joint_visit", "direct_work"})
"""Outcomes after which the family itself is met."""

AgeReason = Literal["21_months", "30_days", "second_birthday"]


@value(frozen=True, slots=True)
class Triage:
    """One decision by a person. `note` is what the requester reads where the answer is no."""

    decision: TriageDecision
    reason: TriageReason
    team_id: UUID
    to_team_id: UUID | None
    note: str | None
    by: UUID
    at: datetime


@value(frozen=True, slots=True)
class Holding:
    """The consultation took place, for the `number`th time."""

    number: int
    outcome: HeldOutcome
    held_at: datetime
    by: UUID


@value(frozen=True, slots=True)
class Report:
    """The written plan after a holding, for whoever asked. Never leaves the referral service but by an audited read."""

    number: int
    plan: str
    by: UUID
    at: datetime


@value(frozen=True, slots=True)
class Pause:
    """One clock stood still; `until` is null while it does."""

    clock: ClockName
    reason: PauseReason
    since: datetime
    until: datetime | None
    by: UUID


@value(frozen=True, slots=True)
class Notice:
    """It was told, once, that a clock is due soon or breached; `since` is when that run of the clock began."""

    clock: ClockName
    since: datetime
    what: Literal["soon", "breached"]
    due_at: datetime
    at: datetime


@value(frozen=True, slots=True)
class Ending:
    """How the consultation had ended before it was reopened, and why it goes on."""

    status: str
    reason: str | None
    by: UUID | None
    at: datetime
    reopened_by: UUID
    reopened_at: datetime
    because: str


@value(frozen=True, slots=True)
class Progress:
    """The course of one consultation. Clocks are reckoned from it anew at each look; only what was told is kept."""

    consultation_id: UUID
    child_id: UUID | None
    started_at: datetime
    """The request, or the latest reopening: from here the clocks run."""
    triages: tuple[Triage, ...] = ()
    holdings: tuple[Holding, ...] = ()
    reports: tuple[Report, ...] = ()
    pauses: tuple[Pause, ...] = ()
    notices: tuple[Notice, ...] = ()
    ages_told: tuple[AgeReason, ...] = ()
    ages_untold: int = 0
    """How often a corrected birth took back what had been told of an age."""
    onward_plan: str | None = None
    endings: tuple[Ending, ...] = ()
    stopped: Gone | None = None
    """What ended every clock at once, whoever has the case."""
    next_due_at: datetime | None = None
    """When to look again."""

    @property
    def held_now(self) -> tuple[Holding, ...]:
        """Holdings since the request or the latest reopening."""
        return tuple(h for h in self.holdings if h.held_at >= self.started_at)

    def of_this_run(self, at: datetime | None) -> datetime | None:
        """The instant, where it is not before the request or the latest reopening."""
        return at if at is not None and at >= self.started_at else None

    @property
    def unreported(self) -> Holding | None:
        """The earliest holding whose plan nobody has written yet."""
        reported = {r.number for r in self.reports}
        return next((h for h in self.holdings if h.number not in reported), None)


def looked_at_again(progress: Progress, at: datetime) -> Progress:
    """The course with its clocks due to be reckoned anew; where they were stopped for good they stay so."""
    return progress if progress.stopped is not None else replace(progress, next_due_at=at)


def begun(case: Consultation) -> Progress:
    """The course of a consultation with which nobody has done anything yet."""
    return Progress(case.consultation_id, case.child_id, case.requested_at)
