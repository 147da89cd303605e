"""Who is told about what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from attune_contracts.event import Event
from attune_contracts.notification import Channel
from attune_contracts.referral import ConsultationReported, ConsultationTriaged, SafeguardingRaised
from attune_contracts.workforce import RecertificationDue, SupervisionOverdue
from chassis.decision import Decision
from services.notification.domain import telling
from services.notification.domain.family import Waiting
from services.notification.domain.message import GIVE_UP_AFTER, LEASE, Message
from services.notification.domain.policy import Recipient, Terms
from services.notification.domain.telling import Addressed, AtHandOver
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

NOBODY = Addressed(None, None)


def recipient(recipient_id: UUID, channel: Channel, *, do_not_contact: bool = False) -> Recipient:
    return Recipient(
        recipient_id=recipient_id,
        kind="practitioner",
        channels=(channel,),
        address="someone@example.org",
        language="en",
        do_not_contact=do_not_contact,
        review_on=None,
        set_by="somebody",
        set_at=NOON,
    )


@pytest.mark.parametrize(
    ("at", "due_at"),
    [
        (datetime(2026, 3, 2, 7, 59, tzinfo=UTC), datetime(2026, 3, 2, 8, tzinfo=UTC)),
        (datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 3, 8, tzinfo=UTC)),
        (datetime(2026, 3, 6, 9, tzinfo=UTC), datetime(2026, 3, 9, 8, tzinfo=UTC)),
    ],
)
def test_who_chose_a_digest_gets_what_is_not_urgent_at_its_time(at: datetime, due_at: datetime) -> None:
    for channel in ("email", "file"):
        chosen = replace(recipient(VISITOR, channel), terms=Terms(digest_at=(time(8),)))
        row = given(Addressed(None, chosen)).when(telling.case_waits, waiting_list_joined(), at=at).row
        assert (row.status, row.attempt) == ("pending", 0)
        assert timedelta(0) <= row.next_due_at - due_at < timedelta(seconds=1)
        assert row.give_up_at == row.next_due_at + GIVE_UP_AFTER


def told(decision: Decision) -> dict[str, Any]:
    return {row.kind: row.recipient_id or row.duty for row in decision.rows if isinstance(row, Message)}


def test_an_assignment_is_told_to_the_practitioner_and_to_whoever_asked() -> None:
    decision = given(NOBODY).when(telling.case_assigned, case_assigned()).then()
    assert told(decision) == {"case_assigned_to_you": SPECIALIST, "case_assigned": VISITOR}
    first: Message = decision.rows[0]
    assert (first.status, first.next_due_at, first.attempt) == ("pending", NOON, 0)
    assert (first.about_id, first.child_id) == (CASE, CHILD)
    assert first.message_id == message_id("case_assigned_to_you", SPECIALIST)


def test_who_asked_and_got_the_case_is_told_once() -> None:
    decision = given(NOBODY).when(telling.case_assigned, case_assigned(requested_by=SPECIALIST)).then()
    assert told(decision) == {"case_assigned_to_you": SPECIALIST}


def test_a_waiting_case_is_told_to_whoever_asked() -> None:
    assert told(given(NOBODY).when(telling.case_waits, waiting_list_joined()).then()) == {"case_waiting": VISITOR}


def test_a_hand_over_is_told_to_the_new_practitioner_and_to_whoever_asked() -> None:
    decision = given(AtHandOver(None, None)).when(telling.case_handed_over, case_handed_over()).then()
    assert told(decision) == {"case_assigned_to_you": OTHER, "case_handed_over": VISITOR}


def test_a_hand_over_back_to_the_list_is_told_to_whoever_asked_only() -> None:
    decision = (
        given(AtHandOver(None, None)).when(telling.case_handed_over, case_handed_over(to_practitioner_id=None)).then()
    )
    assert told(decision) == {"case_handed_over": VISITOR}


def test_who_has_lost_the_case_is_not_told_any_more_that_it_is_theirs() -> None:
    waits, _ = given(NOBODY).when(telling.case_assigned, case_assigned()).then().rows
    assert (waits.kind, waits.status) == ("case_assigned_to_you", "pending")
    at = AtHandOver(None, None, (waits,))
    decision = given(at).when(telling.case_handed_over, case_handed_over()).then_decided()
    stays = decision.rows[-1]
    assert (stays.message_id, stays.status, stays.reason) == (waits.message_id, "suppressed", "case_moved_on")
    assert [(e.message_id, e.reason) for e in decision.told] == [(waits.message_id, "case_moved_on")]
    assert {row.kind for row in decision.rows if row.status == "pending"} == {
        "case_assigned_to_you",
        "case_handed_over",
    }


def test_a_hand_over_to_whoever_asked_is_told_once() -> None:
    decision = (
        given(AtHandOver(None, None))
        .when(telling.case_handed_over, case_handed_over(to_practitioner_id=VISITOR))
        .then()
    )
    assert told(decision) == {"case_assigned_to_you": VISITOR}


def test_an_urgent_concern_is_told_to_the_safeguarding_lead_before_everything_else() -> None:
    flag, row = (
        given(NOBODY).when(telling.screening_completed, screening_completed(outcome="urgent_concern")).then().rows
    )
    assert (flag.child_id, flag.raised_at, flag.because) == (CHILD, NOON, "urgent_concern")
    assert (row.kind, row.duty, row.team_id, row.about_id) == ("urgent_concern", "safeguarding_lead", TEAM, SCREENING)
    assert row.next_due_at < NOON


@pytest.mark.parametrize("child_id", [CHILD, None])
def test_a_risk_seen_is_told_to_the_safeguarding_lead_before_everything_else(child_id: UUID | None) -> None:
    event = SafeguardingRaised(
        consultation_id=CASE,
        child_id=child_id,
        team_id=TEAM,
        raised_by=SPECIALIST,
        during="consultation",
        raised_at=NOON,
    )
    decision = given(Waiting(None)).when(telling.safeguarding_raised, event).then()
    (row,) = [row for row in decision.rows if isinstance(row, Message)]
    assert (row.kind, row.duty, row.team_id, row.about_id) == ("safeguarding_raised", "safeguarding_lead", TEAM, CASE)
    assert row.child_id == child_id
    assert row.next_due_at is not None
    assert row.next_due_at < NOON


@pytest.mark.parametrize("certificate", ["lapsed", "none"])
def test_a_screening_without_a_valid_certificate_is_told_to_the_team_lead(certificate: str) -> None:
    decision = given(NOBODY).when(telling.screening_completed, screening_completed(certificate=certificate)).then()
    assert told(decision) == {"certificate_lapsed": "team_lead"}


def test_an_urgent_concern_by_a_lapsed_certificate_is_told_to_both() -> None:
    event = screening_completed(outcome="urgent_concern", certificate="lapsed")
    decision = given(NOBODY).when(telling.screening_completed, event).then()
    assert told(decision) == {"urgent_concern": "safeguarding_lead", "certificate_lapsed": "team_lead"}


@pytest.mark.parametrize("outcome", ["no_concern", "monitor", "concern"])
def test_of_every_other_screening_nobody_is_told(outcome: str) -> None:
    given(NOBODY).when(telling.screening_completed, screening_completed(outcome=outcome)).then_nothing()


@pytest.mark.parametrize(
    ("decide", "event"),
    [
        (telling.case_assigned, case_assigned()),
        (telling.case_waits, waiting_list_joined()),
        (telling.case_handed_over, case_handed_over()),
        (telling.screening_completed, screening_completed(outcome="urgent_concern", certificate="none")),
    ],
)
def test_the_same_event_again_means_the_same_messages(decide: Any, event: Event) -> None:
    state = AtHandOver(None, None) if decide is telling.case_handed_over else NOBODY
    first, again = (given(state).when(decide, event).then() for _ in range(2))
    assert first.rows == again.rows


def test_a_message_by_a_channel_that_honours_a_key_is_recorded_as_claimed() -> None:
    to = Addressed(recipient(SPECIALIST, "file"), recipient(VISITOR, "email"))
    to_specialist, to_visitor = given(to).when(telling.case_assigned, case_assigned()).then().rows
    assert (to_specialist.status, to_specialist.channel, to_specialist.attempt) == ("sending", "file", 1)
    assert to_specialist.lease_until == to_specialist.next_due_at == NOON + LEASE["file"]
    assert (to_visitor.status, to_visitor.channel, to_visitor.next_due_at) == ("pending", None, NOON)


def test_who_must_not_be_contacted_is_not_claimed_either() -> None:
    to = Addressed(recipient(SPECIALIST, "file", do_not_contact=True), None)
    rows = given(to).when(telling.case_assigned, case_assigned()).then().rows
    assert [row.status for row in rows] == ["pending", "pending"]


def test_a_case_that_comes_back_is_told_again() -> None:
    first = given(NOBODY).when(telling.case_assigned, case_assigned()).then()
    again = given(NOBODY).when(telling.case_assigned, case_assigned(), cause_id=message_id("a", "b")).then()
    assert told(again) == {"case_assigned_to_you": SPECIALIST, "case_assigned": VISITOR}
    assert not {m.message_id for m in first.rows} & {m.message_id for m in again.rows}


def test_a_certificate_that_runs_out_soon_is_told_to_whoever_holds_it() -> None:
    facts = {"practitioner_id": SPECIALIST, "team_id": TEAM, "noticed_at": NOON}
    soon = RecertificationDue(**facts, competence="infant_mental_health", valid_until=NOON + timedelta(days=56))
    row = given(None).when(telling.recertification_due, soon).row
    assert (row.kind, row.recipient_id, row.about_id, row.child_id) == (
        "recertification_due",
        SPECIALIST,
        SPECIALIST,
        None,
    )
    overdue = SupervisionOverdue(**facts, norm="clinical", norm_version=1, last_at=None, due_by=NOON)
    decision = given(None).when(telling.supervision_overdue, overdue).then()
    assert [(m.recipient_id, m.duty, m.team_id) for m in decision.rows] == [
        (SPECIALIST, None, None),
        (None, "team_lead", TEAM),
    ]


ABOUT = {"consultation_id": CASE, "child_id": CHILD, "team_id": TEAM, "requested_by": VISITOR}


@pytest.mark.parametrize(
    ("decision", "by", "kind"),
    [
        ("declined", SPECIALIST, "consultation_declined"),
        ("redirected", SPECIALIST, "consultation_redirected"),
        ("accepted", SPECIALIST, None),
        ("declined", VISITOR, None),
    ],
)
def test_whoever_asked_is_told_of_a_no_and_of_another_team_unless_they_said_so_themselves(
    decision: Any, by: UUID, kind: str | None
) -> None:
    event = ConsultationTriaged(
        **ABOUT,
        decision=decision,
        reason="outside_remit",
        to_team_id=OTHER if decision == "redirected" else None,
        triaged_by=by,
        triaged_at=NOON,
    )
    then = given(NOBODY).when(telling.consultation_triaged, event).then_decided()
    assert [(m.kind, m.recipient_id, m.about_id) for m in then.rows] == ([(kind, VISITOR, CASE)] if kind else [])


@pytest.mark.parametrize(("by", "letters"), [(SPECIALIST, 1), (VISITOR, 0)])
def test_whoever_asked_is_told_that_the_written_plan_is_there(by: UUID, letters: int) -> None:
    event = ConsultationReported(**ABOUT, reported_by=by, number=1, reported_at=NOON)
    then = given(NOBODY).when(telling.consultation_reported, event).then_decided()
    assert [m.kind for m in then.rows] == ["consultation_reported"] * letters
