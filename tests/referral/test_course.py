"""What people do with a consultation: held with an outcome, reported to whoever asked, with or without consent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.referral import (
    CaseClosed,
    CaseOpened,
    ConsentRecorded,
    ConsultationHeld,
    ConsultationReported,
    HeldOutcome,
    SafeguardingRaised,
    TaskRaised,
)
from services.referral.domain import consent
from services.referral.domain import course as rules
from services.referral.domain.clocks import Course
from services.referral.domain.commands import HoldConsultation, RecordConsent, ReportConsultation, WriteOnwardPlan
from services.referral.domain.consultation import Consultation, Terms
from services.referral.domain.course_refusals import HeldInTheFuture, HeldTooEarly, NothingToReport, ReportedBefore
from services.referral.domain.refusals import (
    CaseHasNoPractitioner,
    CaseOnlyOffered,
    ConsentReasonMissing,
    ConsentWithoutChild,
    ConsultationNotOpen,
    FamilyNotNamed,
)
from tests.referral.builders import ended, held, waiting
from tests.referral.courses import ANN, ASKER, after, course, held_once
from tests.support.given import NOON, Then, given, some_id

ID = some_id("case a")
LATER = NOON + timedelta(days=3)
ANONYMOUS = held("a", by="ann", child_id=None, kind="reflective_discussion")


def holds(at_hand: Course, outcome: HeldOutcome = "advice", **said: Any) -> Then:
    command = HoldConsultation(consultation_id=ID, outcome=outcome, **said)
    return given(at_hand).by(ANN).when(rules.hold, command, at=LATER)


def reports(at_hand: Course, plan: str = "Look together for what calms her.") -> Then:
    return given(at_hand).by(ANN).when(rules.report, ReportConsultation(consultation_id=ID, plan=plan), at=LATER)


@pytest.mark.parametrize(
    ("outcome", "follows"),
    [
        ("advice", []),
        ("health_visitor_plan", []),
        ("signposted", []),
        ("repeat", []),
        ("joint_visit", [CaseOpened]),
        ("direct_work", [CaseOpened]),
        ("safeguarding", [SafeguardingRaised, TaskRaised]),
    ],
)
def test_what_it_came_to_decides_what_follows(outcome: HeldOutcome, follows: list[type]) -> None:
    then = holds(course(), outcome)
    first, *others = then.events
    assert isinstance(first, ConsultationHeld)
    assert (first.outcome, first.number, first.held_at, first.practitioner_id) == (outcome, 1, LATER, ANN)
    assert [type(e) for e in others] == follows


def test_it_is_held_again_and_reported_again() -> None:
    at_hand = after(holds(course(), "repeat"), course())
    at_hand = after(holds(at_hand, "advice"), at_hand)
    for number in (1, 2):
        then = reports(at_hand, f"Plan {number}")
        (event,) = then.events
        assert isinstance(event, ConsultationReported)
        assert (event.number, event.requested_by) == (number, ASKER)
        assert then.then_decided().reply["reported"] is (number == 2)
        at_hand = after(then, at_hand)
    reports(at_hand, "Plan 2").then_nothing()
    reports(at_hand, "Another plan").then_refused(ReportedBefore)


def test_whoever_asked_gets_the_report_even_after_the_end() -> None:
    over = ended(held("a", by="ann"))
    reports(course(over, holdings=(held_once("advice"),))).then_decided()
    reports(course()).then_refused(NothingToReport)


def test_when_it_can_have_been_held() -> None:
    requested = NOON
    holds(course(), held_at=requested).then_decided()
    holds(course(), held_at=requested - timedelta(microseconds=1)).then_refused(HeldTooEarly, "held_at")
    holds(course(), held_at=LATER).then_decided()
    holds(course(), held_at=LATER + timedelta(microseconds=1)).then_refused(HeldInTheFuture, "held_at")
    once = course(holdings=(held_once("repeat", NOON + timedelta(days=1)),))
    holds(once, held_at=NOON + timedelta(hours=23)).then_refused(HeldTooEarly, "held_at")
    restarted = course(started_at=NOON + timedelta(days=2))
    holds(restarted, held_at=NOON + timedelta(days=1)).then_refused(HeldTooEarly, "held_at")


def test_it_is_held_by_somebody_who_has_it_and_while_it_is_open() -> None:
    holds(course(waiting("a"))).then_refused(CaseHasNoPractitioner)
    holds(course(ended(held("a", by="ann")))).then_refused(ConsultationNotOpen)


def test_a_case_that_is_only_offered_is_accepted_before_it_is_held() -> None:
    """Else the offer would lapse, and the case go to somebody else, after the consultation."""
    offered = held("a", by="ann", accept_by=NOON + timedelta(days=2))
    holds(course(offered)).then_refused(CaseOnlyOffered)
    lapsed = held("a", by="ann", unsettled=True, terms=Terms(leaves="offer_lapsed"))
    holds(course(lapsed)).then_refused(CaseOnlyOffered)


def test_an_anonymous_family_is_neither_visited_nor_worked_with_nor_planned_for() -> None:
    holds(course(ANONYMOUS), "advice").then_decided()
    for outcome in ("joint_visit", "direct_work"):
        holds(course(ANONYMOUS), outcome).then_refused(FamilyNotNamed)  # type: ignore[arg-type]
    plan = WriteOnwardPlan(consultation_id=ID, plan="The health visitor goes on.")
    given(course(ANONYMOUS)).by(ANN).when(rules.write_onward_plan, plan).then_refused(FamilyNotNamed)
    written = given(course()).by(ANN).when(rules.write_onward_plan, plan)
    assert written.row.onward_plan == "The health visitor goes on."


def consents(of: Consultation, says: Any, reason: str | None = None) -> Then:
    command = RecordConsent(consultation_id=ID, consent=says, reason=reason)
    return given(of).by(ANN).when(consent.record_consent, command)


def test_consent_becomes_known_later() -> None:
    then = consents(held("a", by="ann"), "agreed")
    (event,) = then.events
    assert isinstance(event, ConsentRecorded)
    assert (event.consent, then.row.consent, then.row.status) == ("agreed", "agreed", "accepted")
    consents(then.row, "agreed").then_nothing()


def test_a_refusal_ends_the_consultation_and_going_on_against_it_needs_a_reason() -> None:
    then = consents(held("a", by="ann"), "refused")
    assert [type(e) for e in then.events] == [ConsentRecorded, CaseClosed]
    assert (then.row.status, then.row.end_reason, then.row.consent) == ("closed", "declined_by_family", "refused")
    for says in ("overridden", "not_sought"):
        consents(held("a", by="ann"), says).then_refused(ConsentReasonMissing, "reason")
    overridden = consents(held("a", by="ann"), "overridden", "Risk of harm.")
    assert (overridden.row.status, overridden.row.consent_reason) == ("accepted", "Risk of harm.")
    consents(ANONYMOUS, "agreed").then_refused(ConsentWithoutChild)
    consents(replace(then.row), "agreed").then_refused(ConsultationNotOpen)
