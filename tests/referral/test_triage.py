"""A person decides about a request: with a reason that fits, in writing where the answer is no, until it was held."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from attune_contracts.referral import ConsultationRequested, ConsultationTriaged, TriageDecision, TriageReason
from chassis.working_days import ENGLAND
from services.referral.domain import consultation, reopening, triage
from services.referral.domain.clocks import Born, running
from services.referral.domain.commands import ReopenConsultation, RequestConsultation, TriageConsultation
from services.referral.domain.consultation import Consultation, RequestAtHand
from services.referral.domain.course_refusals import (
    ChildIsGone,
    ConsultationIsOpen,
    HeldBefore,
    NoSuchPool,
    PlaceNotGivenBack,
    ReasonDoesNotFit,
    RedirectedToItself,
    TriageNoteMissing,
)
from services.referral.domain.pool import Pool
from services.referral.domain.progress import Pause, Progress
from services.referral.domain.refusals import (
    CaseOfAnotherTeam,
    ConsentReasonMissing,
    ConsentWasRefused,
    ConsultationNotOpen,
)
from services.referral.domain.rules import DEFAULT
from services.referral.domain.triage import AtTriage
from tests.referral.builders import CASE, TEAM, case, ended, held, member, pool, waiting, work
from tests.referral.courses import ANN, ASKER, LEAD, after, child, course, held_once
from tests.support.given import NOON, Then, given, some_id

ELSEWHERE = some_id("team elsewhere")
ID = some_id("case a")
REQUESTED = case("a", status="requested", unsettled=False, waiting_since=None, place=None, screening_id=None)


def elsewhere() -> Pool:
    return replace(pool(member("zoe")), team_id=ELSEWHERE)


def decided(
    of: Consultation, decision: TriageDecision, reason: TriageReason = "other", *, note: str | None = "Because.",
    done: Progress | None = None, ours: Pool | None = None, other: Pool | None = None, team: Any = TEAM,
) -> Then:  # fmt: skip
    to = ELSEWHERE if decision == "redirected" else None
    to = other.team_id if other is not None else to
    command = TriageConsultation(
        consultation_id=ID, team_id=team, decision=decision, reason=reason, to_team_id=to, note=note
    )
    return given(AtTriage(of, done, None, None, None, ours, other)).by(LEAD).when(triage.triage, command)


def told(decision: TriageDecision, reason: TriageReason = "other", **said: Any) -> ConsultationTriaged:
    fields: dict[str, Any] = {
        "consultation_id": ID,
        "child_id": some_id("child a"),
        "team_id": TEAM,
        "requested_by": ASKER,
        "decision": decision,
        "reason": reason,
        "to_team_id": None,
        "triaged_by": LEAD,
        "triaged_at": NOON,
    }
    return ConsultationTriaged(**{**fields, **said})


def test_a_request_that_was_accepted_by_the_rule_stays_where_it_is() -> None:
    mine = held("a", by="ann")
    then = decided(mine, "accepted", "within_remit", note=None)
    then.then(told("accepted", "within_remit"))
    of, progress = then.then_decided().rows
    assert of == mine
    assert [t.decision for t in progress.triages] == ["accepted"]


def test_a_request_that_waited_for_a_person_asks_the_pool_for_a_place() -> None:
    then = decided(REQUESTED, "accepted", "within_remit", note=None)
    of = then.then_decided().rows[0]
    assert (of.status, of.unsettled, of.waiting_since) == ("accepted", True, of.requested_at)
    assert of.place is not None
    assert then.then_decided().due == (TEAM,)


@pytest.mark.parametrize("of", [REQUESTED, waiting("a"), held("a", by="ann")], ids=["requested", "waiting", "held"])
def test_a_declined_request_ends_with_what_the_requester_is_to_read(of: Consultation) -> None:
    then = decided(of, "declined", "outside_remit", note="Please ask the paediatrician.")
    then.then(told("declined", "outside_remit"))
    after, progress = then.then_decided().rows
    assert (after.status, after.ended_by, after.ended_at, after.unsettled) == ("declined", LEAD, NOON, True)
    assert (after.waiting_since, after.place) == (None, None)
    assert progress.triages[-1].note == "Please ask the paediatrician."
    assert progress.next_due_at is None


def test_a_redirected_case_leaves_its_practitioner_and_asks_the_other_pool_in_one_step() -> None:
    mine = held("a", by="ann")
    ours = pool(member("ann", used=CASE))
    then = decided(mine, "redirected", "other_team_closer", ours=ours, other=elsewhere())
    then.then(told("redirected", "other_team_closer", to_team_id=ELSEWHERE))
    of, left, _ = then.then_decided().rows
    assert (of.team_id, of.assigned_to, of.unsettled, of.waiting_since) == (ELSEWHERE, None, True, mine.requested_at)
    assert [m.used_points for m in left.members] == [0]
    assert left.next_due_at == NOON
    assert set(then.then_decided().due) == {TEAM, ELSEWHERE}


def test_a_redirected_request_waits_for_the_triage_of_the_other_team() -> None:
    of, _ = decided(REQUESTED, "redirected", other=elsewhere()).then_decided().rows
    assert (of.team_id, of.status, of.unsettled, of.place) == (ELSEWHERE, "requested", False, None)


def test_it_is_redirected_to_another_team_that_has_a_pool() -> None:
    decided(waiting("a"), "redirected").then_refused(NoSuchPool, "to_team_id")
    decided(waiting("a"), "redirected", other=pool()).then_refused(RedirectedToItself, "to_team_id")


@pytest.mark.parametrize("decision", get_args(TriageDecision))
def test_each_decision_has_its_own_reasons(decision: TriageDecision) -> None:
    for reason in get_args(TriageReason):
        then = decided(waiting("a"), decision, reason, other=elsewhere() if decision == "redirected" else None)
        if reason in triage.REASONS[decision]:
            then.then_decided()
        else:
            then.then_refused(ReasonDoesNotFit, "reason")


@pytest.mark.parametrize("decision", ["declined", "redirected"])
def test_no_is_said_in_writing(decision: TriageDecision) -> None:
    other = elsewhere() if decision == "redirected" else None
    decided(waiting("a"), decision, note=None, other=other).then_refused(TriageNoteMissing, "note")


@pytest.mark.parametrize(("decision", "to"), [("accepted", ELSEWHERE), ("declined", ELSEWHERE), ("redirected", None)])
def test_another_team_is_named_if_and_only_if_it_is_redirected(decision: TriageDecision, to: Any) -> None:
    with pytest.raises(ValidationError):
        TriageConsultation(consultation_id=ID, team_id=TEAM, decision=decision, reason="other", to_team_id=to)


def test_what_was_held_or_has_ended_or_is_another_teams_is_not_triaged() -> None:
    done = course(holdings=(held_once("advice"),)).progress
    decided(held("a", by="ann"), "declined", done=done).then_refused(HeldBefore)
    decided(held("a", by="ann"), "accepted", done=done).then_decided()
    decided(ended(held("a", by="ann")), "accepted").then_refused(ConsultationNotOpen)
    decided(waiting("a"), "accepted", team=ELSEWHERE).then_refused(CaseOfAnotherTeam)


def asked(at_hand: RequestAtHand, **said: Any) -> Then:
    fields: dict[str, Any] = {"team_id": TEAM, "kind": "reflective_discussion"}
    return given(at_hand).by(ASKER).when(consultation.request, RequestConsultation(**{**fields, **said}))


def test_the_service_says_which_requests_a_person_triages() -> None:
    by_person = replace(DEFAULT, triaged_by_person=("reflective_discussion",))
    then = asked(RequestAtHand(None, (), rules=by_person))
    (event,) = then.events
    assert isinstance(event, ConsultationRequested)
    assert event.accepted_by_rule is None
    assert (then.row.status, then.row.unsettled, then.row.waiting_since, then.row.place) == (
        "requested",
        False,
        None,
        None,
    )
    assert then.then_decided().due == ()
    (at_once,) = asked(RequestAtHand(None, (), rules=DEFAULT)).events
    assert isinstance(at_once, ConsultationRequested)
    assert at_once.accepted_by_rule == 1


def test_nobody_is_consulted_about_a_child_that_is_gone() -> None:
    about = {"kind": "case_consultation", "child_id": some_id("child a"), "consent": "agreed"}
    asked(RequestAtHand(None, (), child=child(gone="child_died")), **about).then_refused(ChildIsGone)
    asked(RequestAtHand(None, (), child=child()), **about).then_decided()


def reopened(of: Consultation, says: dict[str, Any] | None = None, **done: Any) -> Then:
    command = ReopenConsultation(consultation_id=ID, reason="It has come back.", **says or {})
    return given(course(of, **done)).by(LEAD).when(reopening.reopen, command)


def test_an_ended_consultation_is_reopened_with_its_history_at_its_old_place() -> None:
    over = replace(ended(held("a", by="ann")), unsettled=False)
    then = reopened(over)
    (event,) = then.events
    assert (type(event).__name__, getattr(event, "times", None)) == ("ConsultationReopened", 1)
    of, progress = then.then_decided().rows
    assert (of.status, of.unsettled, of.waiting_since, of.assigned_to) == ("accepted", True, of.requested_at, None)
    assert (of.ended_at, of.end_reason, of.acknowledged_at) == (None, None, None)
    assert of.terms.prefers == ANN
    (before,) = progress.endings
    assert (before.status, before.reason, before.because) == ("closed", "completed", "It has come back.")
    assert progress.started_at == NOON
    again = given(course(replace(over), endings=(before,))).by(LEAD)
    command = ReopenConsultation(consultation_id=ID, reason="Once more.")
    assert [getattr(e, "times", None) for e in again.when(reopening.reopen, command).events] == [2]


def test_what_is_open_or_not_yet_settled_or_about_nobody_is_not_reopened() -> None:
    reopened(held("a", by="ann")).then_refused(ConsultationIsOpen)
    reopened(ended(held("a", by="ann"))).then_refused(PlaceNotGivenBack)
    reopened(replace(ended(held("a", by="ann")), unsettled=False), stopped="child_died").then_refused(ChildIsGone)


def test_what_the_family_refused_goes_on_only_with_what_it_says_now() -> None:
    over = replace(ended(held("a", by="ann")), unsettled=False, consent="refused")
    for no in ({}, {"consent": "refused"}):
        reopened(over, no).then_refused(ConsentWasRefused, "consent")
    reopened(over, {"consent": "overridden"}).then_refused(ConsentReasonMissing, "consent_reason")
    reopened(replace(over, consent=None, end_reason="declined_by_family")).then_refused(ConsentWasRefused)
    then = reopened(over, {"consent": "agreed"})
    assert [type(e).__name__ for e in then.events] == ["ConsentRecorded", "ConsultationReopened"]
    assert then.then_decided().rows[0].consent == "agreed"
    kept = reopened(replace(over, consent="overridden", consent_reason="Risk of harm."))
    assert (kept.then_decided().rows[0].consent, len(kept.events)) == ("overridden", 1)


@pytest.mark.parametrize("gone", ["child_died", "stillborn", "moved_away", "record_sealed"])
def test_what_had_ended_before_the_child_was_gone_is_not_reopened_after_it(gone: Any) -> None:
    over = replace(ended(held("a", by="ann")), unsettled=False)
    command = ReopenConsultation(consultation_id=ID, reason="It has come back.")
    lost = course(over, child=Born(ID, NOON, gone))
    given(lost).by(LEAD).when(reopening.reopen, command).then_refused(ChildIsGone)
    here = course(over, child=Born(ID, NOON, None))
    given(here).by(LEAD).when(reopening.reopen, command).then_decided()


def test_a_pause_that_nobody_ended_does_not_hold_the_clock_of_what_is_reopened() -> None:
    over = replace(ended(held("a", by="ann")), unsettled=False)
    paused = Pause("held", "family_unavailable", NOON - timedelta(days=9), None, ANN)
    before = course(over, pauses=(paused,), started_at=NOON - timedelta(days=10))
    then = (
        given(before)
        .by(LEAD)
        .when(reopening.reopen, ReopenConsultation(consultation_id=ID, reason="It has come back."))
    )
    (due,) = [c.due_at for c in running(after(then, before), ENGLAND) if c.term.clock == "held"]
    assert due is not None


def test_a_case_is_reopened_without_the_weight_of_its_direct_work_and_not_before_that_has_ended() -> None:
    over = replace(ended(held("a", by="ann", points=4)), unsettled=False)
    command = ReopenConsultation(consultation_id=ID, reason="It has come back.")
    before = replace(course(over), work=work("a", status="ended"))
    assert given(before).by(LEAD).when(reopening.reopen, command).then_decided().rows[0].points == 2
    still = replace(before, work=work("a"))
    given(still).by(LEAD).when(reopening.reopen, command).then_refused(PlaceNotGivenBack)
