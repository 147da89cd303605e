"""Who is told about what."""

from __future__ import annotations

from typing import Any

import pytest

from attune_contracts.event import Event
from chassis.decision import Decision
from services.notification.domain import telling
from services.notification.domain.message import Message
from tests.notification.examples import (
    CASE,
    CHILD,
    OTHER,
    SCREENING,
    SPECIALIST,
    TEAM,
    VISITOR,
    case_assigned,
    case_handed_over,
    message_id,
    screening_completed,
    waiting_list_joined,
)
from tests.support.given import NOON, given


def told(decision: Decision) -> dict[str, Any]:
    return {row.kind: row.recipient_id or row.duty for row in decision.rows}


def test_an_assignment_is_told_to_the_practitioner_and_to_whoever_asked() -> None:
    decision = given(()).when(telling.case_assigned, case_assigned()).then()
    assert told(decision) == {"case_assigned_to_you": SPECIALIST, "case_assigned": VISITOR}
    first: Message = decision.rows[0]
    assert (first.status, first.next_due_at, first.attempt) == ("pending", NOON, 0)
    assert (first.about_id, first.child_id) == (CASE, CHILD)
    assert first.message_id == message_id("case_assigned_to_you", SPECIALIST)


def test_who_asked_and_got_the_case_is_told_once() -> None:
    decision = given(()).when(telling.case_assigned, case_assigned(requested_by=SPECIALIST)).then()
    assert told(decision) == {"case_assigned_to_you": SPECIALIST}


def test_a_waiting_case_is_told_to_whoever_asked() -> None:
    assert told(given(()).when(telling.case_waits, waiting_list_joined()).then()) == {"case_waiting": VISITOR}


def test_a_hand_over_is_told_to_the_new_practitioner_and_to_whoever_asked() -> None:
    decision = given(()).when(telling.case_handed_over, case_handed_over()).then()
    assert told(decision) == {"case_assigned_to_you": OTHER, "case_handed_over": VISITOR}


def test_a_hand_over_back_to_the_list_is_told_to_whoever_asked_only() -> None:
    decision = given(()).when(telling.case_handed_over, case_handed_over(to_practitioner_id=None)).then()
    assert told(decision) == {"case_handed_over": VISITOR}


def test_a_hand_over_to_whoever_asked_is_told_once() -> None:
    decision = given(()).when(telling.case_handed_over, case_handed_over(to_practitioner_id=VISITOR)).then()
    assert told(decision) == {"case_assigned_to_you": VISITOR}


def test_an_urgent_concern_is_told_to_the_safeguarding_lead_before_everything_else() -> None:
    row = given(()).when(telling.screening_completed, screening_completed(outcome="urgent_concern")).row
    assert (row.kind, row.duty, row.team_id, row.about_id) == ("urgent_concern", "safeguarding_lead", TEAM, SCREENING)
    assert row.next_due_at < NOON


@pytest.mark.parametrize("certificate", ["lapsed", "none"])
def test_a_screening_without_a_valid_certificate_is_told_to_the_team_lead(certificate: str) -> None:
    decision = given(()).when(telling.screening_completed, screening_completed(certificate=certificate)).then()
    assert told(decision) == {"certificate_lapsed": "team_lead"}


def test_an_urgent_concern_by_a_lapsed_certificate_is_told_to_both() -> None:
    event = screening_completed(outcome="urgent_concern", certificate="lapsed")
    decision = given(()).when(telling.screening_completed, event).then()
    assert told(decision) == {"urgent_concern": "safeguarding_lead", "certificate_lapsed": "team_lead"}


@pytest.mark.parametrize("outcome", ["no_concern", "monitor", "concern"])
def test_of_every_other_screening_nobody_is_told(outcome: str) -> None:
    given(()).when(telling.screening_completed, screening_completed(outcome=outcome)).then_nothing()


@pytest.mark.parametrize(
    ("decide", "event"),
    [
        (telling.case_assigned, case_assigned()),
        (telling.case_waits, waiting_list_joined()),
        (telling.case_handed_over, case_handed_over()),
        (telling.screening_completed, screening_completed(outcome="urgent_concern", certificate="none")),
    ],
)
def test_the_same_event_again_tells_nobody_twice(decide: Any, event: Event) -> None:
    first = given(()).when(decide, event).then()
    given(first.rows).when(decide, event).then_nothing()


def test_a_case_that_comes_back_is_told_again() -> None:
    first = given(()).when(telling.case_assigned, case_assigned()).then()
    again = given(first.rows).when(telling.case_assigned, case_assigned(), cause_id=message_id("a", "b")).then()
    assert told(again) == {"case_assigned_to_you": SPECIALIST, "case_assigned": VISITOR}
