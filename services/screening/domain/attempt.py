"""An attempt at a screening that gave no result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from attune_contracts.screening import NotCompletedReason, ScreeningNotCompleted
from chassis.decision import Cause, Decision, Reply
from chassis.value import replace, value
from chassis.working_days import local_date
from services.screening.domain.child import Child, known
from services.screening.domain.commands import RecordNotCompleted, ScreeningWindow
from services.screening.domain.definitions import CurrentPathway, InstrumentRow
from services.screening.domain.eligibility import UnknownInstrumentVersion, age_at_screening
from services.screening.domain.screening import Screening, ScreeningRecordedDifferently
from services.screening.domain.window import offer_again


@value(frozen=True, slots=True)
class AtAttempt:
    """What an attempt without result is judged by."""

    child: Child | None
    instrument: InstrumentRow | None
    pathway: CurrentPathway | None
    existing: Screening | None


class NotScreened(Reply):
    """An attempt that gave no result."""

    screening_id: UUID
    child_id: UUID
    reason: NotCompletedReason | None


def record_not_completed(state: AtAttempt, command: RecordNotCompleted, cause: Cause) -> Decision[NotScreened]:
    """A screening gave no result: told with the reason, so that it is offered again."""
    attempted_at = command.attempted_at.astimezone(UTC)
    if state.existing is not None:
        return _recorded_before(state.existing, command, attempted_at)
    child = known(state.child)
    if state.instrument is None:
        raise UnknownInstrumentVersion
    age = age_at_screening(child, attempted_at, field="attempted_at", now=cause.at)
    attempt = Screening(
        screening_id=command.screening_id or cause.derive("screening"),
        child_id=child.child_id,
        instrument=command.instrument,
        instrument_version=command.instrument_version,
        administered_by=command.administered_by,
        screened_at=attempted_at,
        recorded_at=cause.at,
        recorded_by=cause.by,
        reason=command.reason,
    )
    event = ScreeningNotCompleted(
        screening_id=attempt.screening_id,
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        reason=command.reason,
        instrument=command.instrument,
        instrument_version=command.instrument_version,
        age_days=age,
        administered_by=command.administered_by,
        attempted_at=attempted_at,
    )
    rows: tuple[Any, ...] = (attempt,)
    if child.screened_at is None or child.screened_at < attempted_at:
        window = state.pathway.definition.window if state.pathway is not None else None
        tried = replace(child, not_completed_reason=command.reason)
        rows = (attempt, offer_again(tried, window or ScreeningWindow(), command.reason, local_date(attempted_at)))
    return Decision(rows=rows, events=(event,), reply=_attempt_reply(attempt))


def _recorded_before(before: Screening, command: RecordNotCompleted, attempted_at: datetime) -> Decision[NotScreened]:
    known_as = (before.child_id, before.reason, before.screened_at, before.administered_by)
    if known_as != (command.child_id, command.reason, attempted_at, command.administered_by):
        raise ScreeningRecordedDifferently
    return Decision(reply=_attempt_reply(before))


def _attempt_reply(attempt: Screening) -> NotScreened:
    return {"screening_id": attempt.screening_id, "child_id": attempt.child_id, "reason": attempt.reason}
