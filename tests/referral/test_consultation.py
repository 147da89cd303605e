"""A request becomes a consultation once, with consent in order, and ends once."""

from dataclasses import replace
from typing import Any

import pytest

from attune_contracts.referral import (
    CaseClosed,
    ConsultationAcknowledged,
    ConsultationRequested,
    ConsultationWithdrawn,
)
from chassis.working_days import ENGLAND
from services.referral.domain import consultation, course, ending
from services.referral.domain.clocks import Course, running
from services.referral.domain.commands import (
    AcknowledgeConsultation,
    CloseCase,
    RequestConsultation,
    WithdrawConsultation,
)
from services.referral.domain.consultation import RequestAtHand, UnknownFollows, concern_id
from services.referral.domain.refusals import (
    CallerNotIdentified,
    CaseConsultationNeedsChild,
    ConsentReasonMissing,
    ConsentStateMissing,
    ConsentWasRefused,
    ConsentWithoutChild,
    ConsultationIdTaken,
    ConsultationNotOpen,
    NotTheRequester,
    UnknownConsultation,
)
from tests.referral.builders import TEAM, case, concern, ended, held
from tests.support.given import NOON, Then, given, some_id

NEVER_SEEN = RequestAtHand(existing=None, earlier=())
ASKER = some_id("health visitor")
SPECIALIST = some_id("specialist")


def test_a_concern_becomes_a_consultation_that_asks_the_pool_for_a_place() -> None:
    then = given(None).when(consultation.consider_screening, concern())
    then.then(
        ConsultationRequested(
            consultation_id=concern_id(some_id("screening s")),
            child_id=some_id("child s"),
            screening_id=some_id("screening s"),
            team_id=TEAM,
            kind="case_consultation",
            priority="routine",
            requested_by=ASKER,
            requested_through="screening",
            consent=None,
            requested_at=NOON,
            accepted_by_rule=1,
        ),
        due=(TEAM,),
    )
    row = then.row
    assert (row.status, row.waiting_since, row.assigned_to, row.unsettled) == ("accepted", NOON, None, True)
    assert (row.points, row.band, row.family_id) == (2, 1, some_id("family s"))


def test_an_urgent_concern_is_in_the_urgent_band() -> None:
    event = concern(outcome="urgent_concern", follows="consultation_urgent")
    assert given(None).when(consultation.consider_screening, event).row.band == 0


@pytest.mark.parametrize("follows", ["nothing", "follow_up"])
def test_what_calls_for_no_consultation_leads_to_none(follows: str) -> None:
    given(None).when(consultation.consider_screening, concern(outcome="monitor", follows=follows)).then_nothing()


def test_the_same_screening_never_leads_to_a_second_consultation() -> None:
    first = given(None).when(consultation.consider_screening, concern()).row
    given(first).when(consultation.consider_screening, concern(), cause_id=some_id("again")).then_nothing()


def tolerant(**said: Any) -> Any:
    """The event as a newer writer might send it."""
    reader = type(concern()).reader()
    return reader.model_validate({**concern().model_dump(), **said})


@pytest.mark.parametrize(("outcome", "band"), [("urgent_concern", 0), ("concern", 1)])
def test_a_concern_with_an_unknown_consequence_is_a_consultation_all_the_same(outcome: str, band: int) -> None:
    event = tolerant(outcome=outcome, follows="consultation_by_video")
    assert given(None).when(consultation.consider_screening, event).row.band == band


@pytest.mark.parametrize("outcome", ["no_concern", "monitor", "worrying"])
def test_an_unknown_consequence_of_anything_else_is_left_to_a_person(outcome: str) -> None:
    with pytest.raises(UnknownFollows):
        given(None).when(consultation.consider_screening, tolerant(outcome=outcome, follows="home_visit"))


def test_an_unknown_outcome_with_a_known_consequence_follows_the_pathway() -> None:
    event = tolerant(outcome="worrying", follows="consultation_urgent")
    assert given(None).when(consultation.consider_screening, event).row.band == 0


def asks(**said: Any) -> RequestConsultation:
    named = {"team_id": TEAM, "kind": "case_consultation", "child_id": some_id("child"), "consent": "agreed"}
    return RequestConsultation(**{**named, **said})


def requested(command: RequestConsultation, at_hand: RequestAtHand = NEVER_SEEN) -> Then:
    return given(at_hand).by(ASKER).when(consultation.request, command)


def test_a_professional_asks_about_a_named_family() -> None:
    then = requested(asks(priority="urgent", question="Where do I begin?", language="pl"))
    (event,) = then.events
    assert isinstance(event, ConsultationRequested)
    assert (event.requested_through, event.requested_by, event.consent) == ("professional", ASKER, "agreed")
    assert "begin" not in event.model_dump_json()
    assert (then.row.question, then.row.language, then.row.band, then.row.points) == ("Where do I begin?", "pl", 0, 2)


def test_a_reflective_discussion_may_leave_the_family_anonymous_and_weighs_less() -> None:
    row = requested(asks(kind="reflective_discussion", child_id=None, consent=None, family_id=some_id("family"))).row
    assert (row.child_id, row.family_id, row.points) == (None, None, 1)


@pytest.mark.parametrize(
    ("said", "rule", "field"),
    [
        ({"child_id": None, "consent": None}, CaseConsultationNeedsChild, "child_id"),
        ({"consent": None}, ConsentStateMissing, "consent"),
        ({"consent": "refused"}, ConsentWasRefused, "consent"),
        ({"consent": "not_sought"}, ConsentReasonMissing, "consent_reason"),
        ({"consent": "overridden"}, ConsentReasonMissing, "consent_reason"),
        ({"kind": "reflective_discussion", "child_id": None}, ConsentWithoutChild, "consent"),
    ],
)
def test_consent_has_to_be_in_order(said: dict[str, Any], rule: Any, field: str) -> None:
    requested(asks(**said)).then_refused(rule, field)


@pytest.mark.parametrize("consent", ["not_sought", "overridden"])
def test_a_reason_makes_up_for_missing_consent(consent: str) -> None:
    row = requested(asks(consent=consent, consent_reason="risk to the child")).row
    assert (row.consent, row.consent_reason) == (consent, "risk to the child")


def test_the_family_is_known_from_an_earlier_consultation_about_the_child() -> None:
    earlier = RequestAtHand(None, (case("a", child_id=some_id("child"), family_id=some_id("family")),))
    assert requested(asks(), earlier).row.family_id == some_id("family")


def test_a_request_repeated_under_its_id_changes_nothing_and_another_under_it_is_refused() -> None:
    mine = some_id("chosen by the caller")
    first = requested(asks(consultation_id=mine)).row
    assert first.consultation_id == mine
    again = RequestAtHand(first, ())
    assert requested(asks(consultation_id=mine), again).then_nothing().reply["consultation_id"] == mine
    requested(asks(consultation_id=mine, child_id=some_id("other")), again).then_refused(ConsultationIdTaken)


def test_a_caller_without_staff_id_cannot_ask() -> None:
    given(NEVER_SEEN).when(consultation.request, asks()).then_refused(CallerNotIdentified)


def test_the_first_acknowledgement_counts() -> None:
    waiting = case("a")
    command = AcknowledgeConsultation(consultation_id=waiting.consultation_id)
    then = given(Course(waiting, None, None, None)).by(SPECIALIST).when(course.acknowledge, command)
    then.then(
        ConsultationAcknowledged(
            consultation_id=waiting.consultation_id,
            child_id=waiting.child_id,
            acknowledged_by=SPECIALIST,
            acknowledged_at=NOON,
        ),
    )
    seen, progress = then.then_decided().rows
    assert seen == replace(waiting, acknowledged_by=SPECIALIST, acknowledged_at=NOON)
    assert [c.term.clock for c in running(Course(seen, progress, None, None), ENGLAND)] == ["held", "ceiling"]
    again = given(Course(seen, progress, None, None)).by(some_id("another"))
    again.when(course.acknowledge, command).then_nothing()


def test_a_waiting_case_leaves_the_list_when_it_is_withdrawn_and_the_pool_looks_who_is_first_now() -> None:
    waiting = case("a")
    command = WithdrawConsultation(consultation_id=waiting.consultation_id)
    then = given(waiting).by(ASKER).when(ending.withdraw, command)
    then.then(
        ConsultationWithdrawn(
            consultation_id=waiting.consultation_id,
            child_id=waiting.child_id,
            team_id=TEAM,
            withdrawn_by=ASKER,
            withdrawn_at=NOON,
        )
    )
    assert (then.row.status, then.row.waiting_since, then.row.unsettled) == ("withdrawn", None, True)
    given(then.row).by(ASKER).when(ending.withdraw, command).then_nothing()


def test_only_the_requester_withdraws() -> None:
    command = WithdrawConsultation(consultation_id=some_id("case a"))
    given(case("a")).by(SPECIALIST).when(ending.withdraw, command).then_refused(NotTheRequester)


def test_a_closed_case_keeps_its_points_in_use_until_the_pool_takes_notice() -> None:
    mine = held("a", by="ann")
    command = CloseCase(consultation_id=mine.consultation_id, reason="completed")
    then = given(mine).by(SPECIALIST).when(ending.close, command)
    then.then(
        CaseClosed(
            consultation_id=mine.consultation_id,
            child_id=mine.child_id,
            team_id=TEAM,
            practitioner_id=some_id("ann"),
            reason="completed",
            closed_at=NOON,
        ),
        rows=(ended(mine),),
        due=(TEAM,),
    )
    given(then.row).by(SPECIALIST).when(ending.close, command).then_nothing()


def test_an_ended_case_cannot_be_acknowledged_withdrawn_or_closed_for_another_reason() -> None:
    over = ended(held("a", by="ann"))
    id_ = over.consultation_id
    given(Course(over, None, None, None)).by(SPECIALIST).when(
        course.acknowledge, AcknowledgeConsultation(consultation_id=id_)
    ).then_refused(ConsultationNotOpen)
    given(over).by(ASKER).when(ending.withdraw, WithdrawConsultation(consultation_id=id_)).then_refused(
        ConsultationNotOpen
    )
    given(over).by(SPECIALIST).when(ending.close, CloseCase(consultation_id=id_, reason="moved_away")).then_refused(
        ConsultationNotOpen
    )


def test_nothing_is_done_to_a_consultation_that_nobody_knows() -> None:
    id_ = some_id("nobody")
    given(None).by(ASKER).when(ending.withdraw, WithdrawConsultation(consultation_id=id_)).then_refused(
        UnknownConsultation, "consultation_id"
    )
    given(None).by(ASKER).when(ending.close, CloseCase(consultation_id=id_, reason="other")).then_refused(
        UnknownConsultation
    )
