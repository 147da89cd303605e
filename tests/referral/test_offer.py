"""A case that is only offered: accepted, declined or lapsed, and then with the next, never with nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attune_contracts.referral import CaseAccepted, CaseAssigned, CaseHandedOver, TaskRaised
from chassis.decision import Due
from services.referral.domain import hand_over, offer
from services.referral.domain.allocation import allocate
from services.referral.domain.commands import AcceptCase, DeclineCase, HandOverCase
from services.referral.domain.consultation import Terms
from services.referral.domain.hand_over import CaseInPool
from services.referral.domain.offer import Refusal
from services.referral.domain.policy import STANDARD
from services.referral.domain.refusals import CaseNotOffered, CaseOfSomebodyElse, ConsultationNotOpen
from tests.referral.builders import TEAM, at_work, case, ended, held, member, pool
from tests.support.given import NOON, Then, given, replace, some_id

OFFERS = replace(STANDARD, version=1, offer_working_days=2)
UNTIL = datetime(2026, 3, 5, tzinfo=UTC)
"""The end of the second working day after a Monday."""
OFFERED = held("a", by="ann", accept_by=UNTIL)
MINE = AcceptCase(consultation_id=some_id("case a"))


def looked(work: Any, **said: Any) -> Then:
    return given(work).when(allocate, Due(TEAM), **said)


def test_a_team_without_such_a_policy_offers_nothing() -> None:
    row = looked(at_work(pool(member("ann")), asked=(case("a"),))).then_decided().rows[0]
    assert (row.assigned_to, row.accept_by, row.rule) == (some_id("ann"), None, "lightest-share/2")


def test_an_offer_says_until_when_and_by_which_policy() -> None:
    then = looked(at_work(pool(member("ann"), policy=OFFERS), asked=(case("a"),)))
    row, after = then.then_decided().rows
    (event,) = then.events
    assert isinstance(event, CaseAssigned)
    assert (row.accept_by, event.accept_by, row.rule) == (UNTIL, UNTIL, "lightest-share/2 policy/1")
    assert after.policy == OFFERS


@pytest.mark.parametrize(
    ("at", "until"),
    [
        (datetime(2026, 3, 6, 23, 59, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)),  # over a weekend
        (datetime(2026, 3, 26, 12, tzinfo=UTC), datetime(2026, 3, 30, 23, tzinfo=UTC)),  # into summer time
        (datetime(2026, 4, 2, 12, tzinfo=UTC), datetime(2026, 4, 8, 23, tzinfo=UTC)),  # over Easter
    ],
)
def test_the_days_of_an_offer_are_working_days_in_england(at: datetime, until: datetime) -> None:
    certified = member("ann")
    long = replace(certified, competences=(replace(certified.competences[0], valid_until=at + timedelta(days=9)),))
    row = looked(at_work(pool(long, policy=OFFERS), asked=(case("a"),)), at=at).then_decided().rows[0]
    assert row.accept_by == until


def test_whoever_was_offered_the_case_accepts_it_once() -> None:
    then = given(OFFERED).by(some_id("ann")).when(offer.accept, MINE)
    then.then(
        CaseAccepted(
            consultation_id=some_id("case a"),
            child_id=some_id("child a"),
            team_id=TEAM,
            practitioner_id=some_id("ann"),
            accepted_at=NOON,
        ),
        rows=(replace(OFFERED, accept_by=None),),
    )
    given(then.row).by(some_id("ann")).when(offer.accept, MINE).then_nothing()
    given(then.row).when(offer.lapse, Due(some_id("case a")), at=UNTIL).then_nothing()


@pytest.mark.parametrize(
    ("found", "by", "rule"),
    [
        (OFFERED, "ben", CaseOfSomebodyElse),
        (ended(OFFERED), "ann", ConsultationNotOpen),
        (case("a"), "ann", CaseOfSomebodyElse),
        (replace(OFFERED, unsettled=True, terms=Terms(leaves="offer_lapsed")), "ann", CaseOfSomebodyElse),
    ],
)
def test_nobody_else_can_accept_or_what_has_passed(found: Any, by: str, rule: Any) -> None:
    given(found).by(some_id(by)).when(offer.accept, MINE).then_refused(rule)


def declined(found: Any = OFFERED, by: str = "ann") -> Then:
    command = DeclineCase(consultation_id=some_id("case a"), reason="conflict_of_interest")
    return given(found).by(some_id(by)).when(offer.decline, command)


def test_a_declined_case_goes_to_the_next_and_is_counted() -> None:
    then = declined()
    marked, refusal = then.then(due=(TEAM,)).rows
    assert isinstance(refusal, Refusal)
    assert (refusal.practitioner_id, refusal.kind, refusal.reason) == (
        some_id("ann"),
        "offer_declined",
        "conflict_of_interest",
    )
    assert declined(marked).then_decided().rows == ()
    members = pool(member("ann", used=2), member("ben", used=2), policy=OFFERS)
    then = looked(at_work(members, ended=(marked,)))
    (event,) = then.events
    assert isinstance(event, CaseHandedOver)
    assert (event.reason, event.to_practitioner_id, event.accept_by) == ("offer_declined", some_id("ben"), UNTIL)
    row, after = then.then_decided().rows
    assert (row.assigned_to, row.waiting_since, row.unsettled, row.barred) == (
        some_id("ben"),
        None,
        False,
        (some_id("ann"),),
    )
    assert [m.used_points for m in after.members] == [0, 4]


def test_nobody_who_has_refused_is_asked_again() -> None:
    before = replace(OFFERED, assigned_to=some_id("ben"), terms=Terms(refused_by=(some_id("ann"),)))
    marked, _ = declined(before, by="ben").then_decided().rows
    row, _, _ = (
        looked(at_work(pool(member("ann"), member("ben", used=2), policy=OFFERS), ended=(marked,))).then_decided().rows
    )
    assert row.assigned_to is None
    assert set(row.barred) == {some_id("ann"), some_id("ben")}


def test_a_case_that_everybody_declined_waits_and_holds_up_nobody() -> None:
    terms = Terms(refused_by=(some_id("ann"),), leaves="offer_declined")
    marked = held("a", by="ben", unsettled=True, terms=terms)
    members = pool(member("ann", capacity=2), member("ben", used=2), policy=OFFERS)
    then = looked(at_work(members, ended=(marked,), asked=(case("b", minutes=1),)))
    waits, placed, task, after = then.then_decided().rows
    assert (waits.assigned_to, waits.waiting_since, waits.place) == (None, NOON, NOON)
    assert placed.assigned_to is not None
    (raised,) = [e for e in then.events if isinstance(e, TaskRaised)]
    assert (raised.kind, raised.owner_id, raised.about_id) == ("nobody_takes_case", None, some_id("case a"))
    assert (task.task_id, task.team_id, task.child_id) == (raised.task_id, TEAM, some_id("child a"))
    again = looked(at_work(after, waiting=(waits,)), at=NOON + timedelta(days=1))
    assert [e for e in again.events if isinstance(e, TaskRaised)] == []


@pytest.mark.parametrize("ben", [member("ben", used=4), member("ben")], ids=["ben has no free place", "ben has one"])
def test_whoever_has_not_refused_may_take_it_yet_and_it_is_nobody_s_task(ben: Any) -> None:
    marked, _ = declined().then_decided().rows
    then = looked(at_work(pool(member("ann", used=2), ben, policy=OFFERS), ended=(marked,)))
    assert [type(e) for e in then.events] == [CaseHandedOver]


@pytest.mark.parametrize("others", [(), (member("ben", left_at=NOON),)], ids=["nobody else", "nobody else is here"])
def test_given_back_by_hand_with_nobody_else_it_is_the_leads_task_too(others: Any) -> None:
    command = HandOverCase(consultation_id=some_id("case a"), team_id=TEAM, to_practitioner_id=None)
    room = pool(member("ann", used=2), *others)
    then = given(CaseInPool(held("a", by="ann"), room)).when(hand_over.hand_over, command)
    assert [e.kind for e in then.events if isinstance(e, TaskRaised)] == ["nobody_takes_case"]


def test_a_case_may_be_nobodys_twice_in_the_same_instant() -> None:
    command = HandOverCase(consultation_id=some_id("case a"), team_id=TEAM, to_practitioner_id=None)
    before = CaseInPool(held("a", by="ann"), pool(member("ann", used=2)))
    twice = [given(before).when(hand_over.hand_over, command, cause_id=some_id(n)) for n in ("first", "second")]
    raised = [e.task_id for then in twice for e in then.events if isinstance(e, TaskRaised)]
    assert len(set(raised)) == len(raised) == 2


def test_what_is_not_offered_cannot_be_declined() -> None:
    declined(replace(OFFERED, accept_by=None)).then_refused(CaseNotOffered)
    declined(by="ben").then_refused(CaseOfSomebodyElse)


def test_an_offer_lapses_at_its_end_and_not_before() -> None:
    due = Due(some_id("case a"))
    given(OFFERED).when(offer.lapse, due, at=UNTIL - timedelta(microseconds=1)).then_nothing()
    then = given(OFFERED).when(offer.lapse, due, at=UNTIL)
    marked, refusal = then.then(due=(TEAM,)).rows
    assert (refusal.kind, refusal.reason, marked.accept_by, marked.terms.leaves) == (
        "offer_lapsed",
        None,
        None,
        "offer_lapsed",
    )
    given(marked).when(offer.lapse, due, at=UNTIL).then_nothing()


def test_who_leaves_while_a_case_is_declined_hands_it_over_once() -> None:
    marked = held("a", by="ann", unsettled=True, terms=Terms(leaves="offer_declined"))
    gone = pool(member("ann", used=2, left_at=NOON), member("ben"))
    then = looked(at_work(gone, ended=(marked,), leaving=(marked,)))
    assert [type(e) for e in then.events] == [CaseHandedOver]
    assert [m.used_points for m in then.then_decided().rows[-1].members] == [0, 2]
