"""A screening that gave no result is told with its reason."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from attune_contracts.screening import ScreeningNotCompleted
from chassis.commands import parse
from services.screening.domain import attempt, eligibility
from services.screening.domain.attempt import AtAttempt
from services.screening.domain.child import UnknownChild
from services.screening.domain.commands import RecordNotCompleted
from services.screening.domain.screening import ScreeningRecordedDifferently
from tests.screening import examples
from tests.support.given import NOON, given, some_id


def not_completed(**changes: Any) -> RecordNotCompleted:
    body = {
        "screening_id": str(some_id("attempt")),
        "child_id": str(some_id("child")),
        "instrument": examples.INSTRUMENT,
        "instrument_version": 1,
        "reason": "unsettled",
        "administered_by": str(examples.HEALTH_VISITOR),
        "attempted_at": NOON.isoformat(),
    }
    return parse(RecordNotCompleted, json.dumps(body | changes).encode())


def test_the_reason_is_told_and_kept_with_the_child() -> None:
    child = examples.child()
    decision = (
        given(AtAttempt(child, examples.instrument(), examples.pathway(), None))
        .when(attempt.record_not_completed, not_completed())
        .then(
            ScreeningNotCompleted(
                screening_id=some_id("attempt"),
                child_id=child.child_id,
                pregnancy_id=child.pregnancy_id,
                team_id=child.team_id,
                reason="unsettled",
                instrument=examples.INSTRUMENT,
                instrument_version=1,
                age_days=45,
                administered_by=examples.HEALTH_VISITOR,
                attempted_at=NOON,
            )
        )
    )
    row, changed = decision.rows
    assert (row.outcome, row.reason, row.record) == (None, "unsettled", None)
    assert changed.not_completed_reason == "unsettled"
    again = given(AtAttempt(changed, examples.instrument(), examples.pathway(), row)).when(
        attempt.record_not_completed, not_completed()
    )
    again.then(rows=(), reply=decision.reply)
    given(AtAttempt(changed, examples.instrument(), examples.pathway(), row)).when(
        attempt.record_not_completed, not_completed(reason="declined")
    ).then_refused(ScreeningRecordedDifferently)


def test_an_attempt_before_a_later_result_leaves_the_child_as_it_is() -> None:
    child = examples.child(screened_at=NOON, last_outcome="no_concern")
    command = not_completed(attempted_at=(NOON - timedelta(days=1)).isoformat())
    rows = given(AtAttempt(child, examples.instrument(), examples.pathway(), None)).when(
        attempt.record_not_completed, command
    )
    assert len(rows.then_decided().rows) == 1


def test_refused() -> None:
    instrument = examples.instrument()
    when = given(AtAttempt(None, instrument, examples.pathway(), None)).when(
        attempt.record_not_completed, not_completed()
    )
    when.then_refused(UnknownChild, "child_id")
    when = given(AtAttempt(examples.child(), None, examples.pathway(), None)).when(
        attempt.record_not_completed, not_completed()
    )
    when.then_refused(eligibility.UnknownInstrumentVersion, "instrument_version")
    late = not_completed(attempted_at=(NOON + timedelta(seconds=61)).isoformat())
    when = given(AtAttempt(examples.child(), instrument, examples.pathway(), None)).when(
        attempt.record_not_completed, late
    )
    when.then_refused(eligibility.InFuture, "attempted_at")
