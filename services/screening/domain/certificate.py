"""Certificates of practitioners, as the workforce service tells of them: was one valid at a moment?

Kept as facts whose order of arrival does not matter: periods of validity, and instants from which earlier awards
do not count.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.screening import Certificate
from attune_contracts.workforce import CompetenceAwarded, CompetenceExpired, CompetenceSuspended
from chassis.decision import NOTHING, Cause, Decision
from chassis.value import replace, value


@value(frozen=True, slots=True, order=True)
class Period:
    """A competence was awarded for a time: valid from the first instant, no more at the last."""

    competence: str
    valid_from: datetime
    valid_until: datetime
    awarded_at: datetime


@value(frozen=True, slots=True, order=True)
class Suspension:
    """Awards made until then count no more from then on; a later award counts again."""

    competence: str
    suspended_at: datetime


@value(frozen=True, slots=True)
class Certificates:
    """Everything known about the competences of one practitioner."""

    practitioner_id: UUID
    periods: tuple[Period, ...] = ()
    suspensions: tuple[Suspension, ...] = ()


def awarded(state: Certificates | None, event: CompetenceAwarded, cause: Cause) -> Decision:  # noqa: ARG001
    """A practitioner is certified for a time."""
    period = Period(event.competence, event.valid_from, event.valid_until, event.awarded_at)
    return _with(state or Certificates(event.practitioner_id), period=period)


def suspended(state: Certificates | None, event: CompetenceSuspended, cause: Cause) -> Decision:  # noqa: ARG001
    """A certificate does not count from now on."""
    suspension = Suspension(event.competence, event.suspended_at)
    return _with(state or Certificates(event.practitioner_id), suspension=suspension)


def expired(state: Certificates | None, event: CompetenceExpired, cause: Cause) -> Decision:  # noqa: ARG001
    """A certificate ran out. The award said when; this matters only where the award was never heard of."""
    state = state or Certificates(event.practitioner_id)
    if any(p.competence == event.competence and p.valid_until == event.valid_until for p in state.periods):
        return NOTHING
    until = event.valid_until
    return _with(state, period=Period(event.competence, until, until, until))


def _with(state: Certificates, *, period: Period | None = None, suspension: Suspension | None = None) -> Decision:
    if period is not None and period not in state.periods:
        return Decision(rows=(replace(state, periods=tuple(sorted((*state.periods, period)))),))
    if suspension is not None and suspension not in state.suspensions:
        return Decision(rows=(replace(state, suspensions=tuple(sorted((*state.suspensions, suspension)))),))
    return NOTHING


def standing(certificates: Certificates | None, competence: str, at: datetime) -> Certificate:
    """Valid, lapsed (was valid or suspended before), or none: at that moment, whatever became of it later."""
    if certificates is None:
        return "none"
    held = False
    for period in certificates.periods:
        if period.competence != competence or period.valid_from > at:
            continue
        held = True
        if at < period.valid_until and not _suspended(certificates, period, at):
            return "valid"
    held = held or any(s.competence == competence and s.suspended_at <= at for s in certificates.suspensions)
    return "lapsed" if held else "none"


def _suspended(certificates: Certificates, period: Period, at: datetime) -> bool:
    return any(
        s.competence == period.competence and period.awarded_at <= s.suspended_at <= at
        for s in certificates.suspensions
    )
