"""The failsafe behind every concern: a consultation must have been requested within its working days."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.referral import ConsultationRequested
from attune_contracts.screening import ConsultationOverdueForConcern
from chassis.decision import NOTHING, Cause, Decision, Due
from chassis.value import replace, value
from services.screening.domain.child import Child
from services.screening.domain.definitions import PathwayRow
from services.screening.domain.screening import Screening


@value(frozen=True, slots=True)
class ConsultationAsked:
    """The specialists were asked about a screening: its concern led somewhere."""

    screening_id: UUID
    consultation_id: UUID
    requested_at: datetime


@value(frozen=True, slots=True)
class AtDeadline:
    """A screening whose time is up, the child, and whether a consultation was requested."""

    screening: Screening | None
    child: Child | None
    asked: ConsultationAsked | None
    pathway: PathwayRow | None
    """The version that said what must follow."""


def consultation_requested(
    state: ConsultationAsked | None,
    event: ConsultationRequested,
    cause: Cause,  # noqa: ARG001
) -> Decision:
    """The specialists were asked about a screening: its failsafe will find that."""
    if event.screening_id is None or state is not None:
        return NOTHING
    return Decision(rows=(ConsultationAsked(event.screening_id, event.consultation_id, event.requested_at),))


def look(state: AtDeadline, due: Due, cause: Cause) -> Decision:  # noqa: ARG001
    """Time is up for a concern: told, unless a consultation was requested, or the child is no longer with us.

    Looks at the calendar once more, since a bank holiday may have been announced meanwhile.
    """
    screening, child = state.screening, state.child
    if screening is None or screening.consultation_due_at is None or screening.outcome is None or child is None:
        return NOTHING
    done = replace(screening, consultation_due_at=None)
    if state.asked is not None or child.ended not in (None, "moved_out"):
        return Decision(rows=(done,))
    days = state.pathway.definition.consultation_within_working_days if state.pathway is not None else 1
    due_at = cause.calendar.end_of_working_day(screening.recorded_at, days)
    if due_at > cause.at:
        return Decision(rows=(replace(screening, consultation_due_at=due_at),))
    event = ConsultationOverdueForConcern(
        screening_id=screening.screening_id,
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        outcome=screening.outcome,
        screened_at=screening.screened_at,
        due_at=due_at,
    )
    return Decision(rows=(done,), events=(event,))
