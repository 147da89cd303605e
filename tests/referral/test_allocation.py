"""One look at a pool: who gets a place and why, who waits, whose cases go to somebody else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.referral import CaseAssigned, CaseHandedOver, TaskRaised, WaitingListJoined
from chassis.decision import Due
from services.referral.domain import allocation
from services.referral.domain.allocation import PoolAtWork, allocate
from services.referral.domain.consultation import Consultation
from services.referral.domain.pool import Absence
from tests.referral.builders import TEAM, at_work, case, ended, held, member, pool, waiting
from tests.support.given import NOON, Then, given, some_id


def looked(work: PoolAtWork, **said: Any) -> Then:
    return given(work).when(allocate, Due(TEAM), **said)


def owners(then: Then) -> dict[str, str]:
    """Who has which case after the look, by their names in the test."""
    names = {some_id(n): n for n in ("ann", "ben", "cyd")}
    cases = {some_id(f"case {n}"): n for n in "abcdef"}
    rows = [r for r in then.then_decided().rows if isinstance(r, Consultation) and r.assigned_to]
    return {cases[r.consultation_id]: names[r.assigned_to] for r in rows}


def used(then: Then) -> list[int]:
    return [m.used_points for m in then.then_decided().rows[-1].members]


def test_the_lightest_share_of_the_capacity_takes_the_case_and_the_event_says_why() -> None:
    """Ann has more points free, but ben less of his capacity in use."""
    ann, ben, cyd = member("ann", capacity=20, used=10), member("ben", capacity=8, used=2), member("cyd", used=4)
    asked = case("a")
    then = looked(at_work(pool(ann, ben, cyd), asked=(asked,)), at=NOON + timedelta(seconds=90))
    then.then(
        CaseAssigned(
            consultation_id=asked.consultation_id,
            child_id=asked.child_id,
            team_id=TEAM,
            priority="routine",
            requested_by=asked.requested_by,
            practitioner_id=some_id("ben"),
            points=2,
            candidates=2,
            because="lightest_share",
            rule="lightest-share",
            rule_version=2,
            language="en",
            waited_seconds=90,
            assigned_at=NOON + timedelta(seconds=90),
        ),
        due=(),
    )
    row, after = then.then_decided().rows
    assert (row.assigned_to, row.waiting_since, row.unsettled) == (some_id("ben"), None, False)
    assert (row.because, row.candidates, row.rule) == ("lightest_share", 2, "lightest-share/2")
    assert [m.used_points for m in after.members] == [10, 4, 4]


def test_equal_shares_go_by_practitioner_id() -> None:
    names = sorted(("ann", "ben", "cyd"), key=some_id)
    assert owners(looked(at_work(pool(*map(member, ("cyd", "ben", "ann"))), asked=(case("a"),)))) == {"a": names[0]}


def test_an_assigned_row_keeps_everything_that_was_asked() -> None:
    asked = case("a", consent="agreed", question="?", acknowledged_by=some_id("x"), acknowledged_at=NOON, not_to=None)
    row = looked(at_work(pool(member("ann")), asked=(asked,))).then_decided().rows[0]
    placed = {"unsettled", "waiting_since", "place", "assigned_to", "assigned_at", "because", "candidates", "rule"}
    for name in set(asked.__slots__) - placed:
        assert getattr(row, name) == getattr(asked, name)


@pytest.mark.parametrize(("free", "assigned"), [(2, {"a": "ann"}), (1, {})])
def test_a_case_needs_all_of_its_points(free: int, assigned: dict[str, str]) -> None:
    assert owners(looked(at_work(pool(member("ann", capacity=4, used=4 - free)), asked=(case("a"),)))) == assigned


def test_a_full_pool_keeps_the_case_waiting_and_says_so_once() -> None:
    full, asked = pool(member("ann", used=4)), case("a")
    then = looked(at_work(full, asked=(asked,)))
    then.then(
        WaitingListJoined(
            consultation_id=asked.consultation_id,
            child_id=asked.child_id,
            team_id=TEAM,
            priority="routine",
            requested_by=asked.requested_by,
            points=2,
            reason="no_free_place",
            joined_at=NOON,
        ),
        rows=(replace(asked, unsettled=False),),
        due=(),
    )
    looked(at_work(full, asked=(then.row,))).then_nothing()


def test_a_team_without_pool_gets_one_with_its_first_case_in_line() -> None:
    then = looked(at_work(None, asked=(case("a"),)))
    joined, raised = then.events
    assert isinstance(joined, WaitingListJoined)
    assert joined.reason == "no_practitioner"
    assert isinstance(raised, TaskRaised)
    assert (raised.kind, raised.owner_id, raised.about_id) == ("nobody_takes_case", None, some_id("case a"))
    assert then.then_decided().rows[-1].members == ()


@pytest.mark.parametrize(("capacity", "raised"), [(1, True), (2, False)], ids=["none could hold it", "one could"])
def test_a_case_that_nobody_s_capacity_could_hold_is_the_leads_task(capacity: int, raised: bool) -> None:
    small = pool(member("ann", capacity=1), member("ben", capacity=capacity, used=1))
    then = looked(at_work(small, asked=(case("a", band=0),)))
    assert [e.kind for e in then.events if isinstance(e, TaskRaised)] == ["nobody_takes_case"] * raised


def test_a_look_for_no_reason_changes_nothing() -> None:
    looked(at_work(None)).then_nothing()
    looked(at_work(pool(member("ann")))).then_nothing()


@pytest.mark.parametrize(
    "said",
    [
        {"left_at": NOON},
        {"competences": ()},
        {"absences": (Absence(some_id("leave"), None, hand_over=False),)},
        {"capacity": 0},
    ],
)
def test_whoever_may_not_take_cases_gets_none(said: dict[str, Any]) -> None:
    assert owners(looked(at_work(pool(member("ann", **said)), asked=(case("a"),)))) == {}


def test_a_certificate_that_ended_unreported_does_not_count() -> None:
    certified = pool(member("ann"))
    assert certified.free_points == 4
    then = looked(at_work(certified, asked=(case("a"),)), at=NOON + timedelta(days=100))
    assert owners(then) == {}


def test_urgent_goes_before_routine_and_then_whoever_asked_first() -> None:
    cases = (case("a", minutes=1), case("b", minutes=0), case("c", minutes=2, band=0))
    then = looked(at_work(pool(member("ann", capacity=4)), asked=cases))
    assert [e.subject for e in then.events] == [some_id(f"child {n}") for n in "cba"]
    assert owners(then) == {"c": "ann", "b": "ann"}


def test_a_new_request_does_not_overtake_the_list() -> None:
    then = looked(at_work(pool(member("ann", used=2)), waiting=(waiting("a"),), asked=(case("b", minutes=1),)))
    assert owners(then) == {"a": "ann"}


def test_a_lighter_case_does_not_overtake_a_heavier_one() -> None:
    then = looked(at_work(pool(member("ann", used=3)), asked=(case("a"), case("b", minutes=1, points=1))))
    assert owners(then) == {}


def test_a_case_that_no_capacity_can_hold_does_not_hold_up_the_others() -> None:
    then = looked(at_work(pool(member("ann", capacity=2)), asked=(case("a", points=3), case("b", minutes=1))))
    assert owners(then) == {"b": "ann"}


def test_a_case_that_was_handed_back_holds_up_nobody_beside_the_free_points_of_whoever_gave_it_back() -> None:
    """It waits for ben, who is full; ann, who does not get it again, takes the next."""
    members = pool(member("ann", used=2), member("ben", used=4))
    handed_back = waiting("a", not_to=some_id("ann"))
    then = looked(at_work(members, waiting=(handed_back, waiting("b", minutes=1)), asked=(case("c", minutes=2),)))
    assert owners(then) == {"b": "ann"}
    assert used(then) == [4, 4]


def test_nobody_takes_points_for_which_a_handed_back_case_in_front_waits() -> None:
    """Ben has one point free and the case in front needs two: the lighter one behind it goes to ann or waits."""
    handed_back, light = waiting("a", not_to=some_id("ann")), case("b", minutes=1, points=1)
    assert owners(
        looked(at_work(pool(member("ann"), member("ben", used=3)), waiting=(handed_back,), asked=(light,)))
    ) == {"b": "ann"}
    full = pool(member("ann", used=4), member("ben", used=3))
    assert owners(looked(at_work(full, waiting=(handed_back,), asked=(light,)))) == {}


def test_a_small_contract_takes_the_light_case_behind_one_that_it_could_never_hold() -> None:
    members = pool(member("ann", capacity=1), member("ben", used=4))
    then = looked(at_work(members, asked=(case("a"), case("b", minutes=1, points=1), case("c", minutes=2, points=1))))
    assert owners(then) == {"b": "ann"}


def test_twins_go_to_the_same_practitioner_within_one_look() -> None:
    twins = (case("a", family_id=some_id("twins")), case("b", minutes=1, family_id=some_id("twins")))
    then = looked(at_work(pool(member("ann"), member("ben")), asked=twins))
    assert len(set(owners(then).values())) == 1
    assert [e.because for e in then.events if isinstance(e, CaseAssigned)] == [
        "lightest_share",
        "same_practitioner_for_sibling",
    ]


def test_a_sibling_goes_where_the_family_is_known_even_to_the_fuller_caseload() -> None:
    sibling = held("a", by="ben", family_id=some_id("family"))
    members = pool(member("ann", capacity=12), member("ben", capacity=12, used=8))
    newborn = case("b", family_id=some_id("family"), language="pl")
    then = looked(at_work(members, asked=(newborn,), siblings=(sibling,)))
    assert owners(then) == {"b": "ben"}


def test_a_sibling_does_not_wait_for_a_practitioner_without_free_points() -> None:
    sibling = held("a", by="ben", family_id=some_id("family"))
    work = at_work(
        pool(member("ann"), member("ben", used=4)), asked=(case("b", family_id=some_id("family")),), siblings=(sibling,)
    )
    assert owners(looked(work)) == {"b": "ann"}


def test_language_is_matched_where_it_can_be_and_is_the_reason_only_where_it_made_a_difference() -> None:
    ann, ben = member("ann"), member("ben", used=2, languages=("en", "pl"))
    work = at_work(pool(ann, ben), asked=(case("a", language="pl"),))
    assert owners(looked(work)) == {"a": "ben"}
    because = {
        language: looked(at_work(pool(ann, ben), asked=(case("a", language=language),))).then_decided().rows[0].because
        for language in ("pl", "en", "ur")
    }
    assert because == {"pl": "language", "en": "lightest_share", "ur": "lightest_share"}


def test_points_come_back_first_and_nobody_is_placed_before_the_list_was_read() -> None:
    full = pool(member("ann", used=4))
    over = ended(held("a", by="ann"))
    then = looked(at_work(full, ended=(over,), asked=(case("c", minutes=5),)))
    then.then(due=(TEAM,))
    row, after = then.then_decided().rows
    assert row == replace(over, unsettled=False)
    assert (after.free_points, after.next_due_at, used(then)) == (2, NOON, [2])
    then = looked(at_work(after, waiting=(waiting("b"),), asked=(case("c", minutes=5),)))
    assert owners(then) == {"b": "ann"}


def test_points_are_given_back_once() -> None:
    settled = replace(ended(held("a", by="ann")), unsettled=False)
    looked(at_work(pool(member("ann", used=2)), ended=(settled,))).then_nothing()


def test_who_was_held_up_by_a_case_that_ended_while_it_waited_is_placed() -> None:
    heavy = ended(case("a"))
    then = looked(at_work(pool(member("ann", used=3)), ended=(heavy,), waiting=(waiting("b", minutes=1, points=1),)))
    assert owners(then) == {"b": "ann"}
    assert then.then_decided().rows[0] == replace(heavy, unsettled=False)
    assert used(then) == [4]


def gone(**said: Any) -> Any:
    return member("ann", **{"left_at": NOON, **said})


def test_the_cases_of_whoever_left_go_to_others_or_back_to_their_old_place_in_the_list() -> None:
    cases = (held("a", by="ann", minutes=1), held("b", by="ann", minutes=0), held("c", by="ann", minutes=2, band=0))
    then = looked(at_work(pool(gone(used=6), member("ben", capacity=4)), leaving=cases, asked=(case("d", minutes=9),)))
    assert owners(then) == {"c": "ben", "b": "ben"}
    first = then.events[0]
    assert first == CaseHandedOver(
        consultation_id=some_id("case c"),
        child_id=some_id("child c"),
        team_id=TEAM,
        requested_by=some_id("health visitor"),
        from_practitioner_id=some_id("ann"),
        to_practitioner_id=some_id("ben"),
        reason="practitioner_left",
        points=2,
        handed_over_at=NOON,
    )
    assert [type(e) for e in then.events] == [CaseHandedOver, CaseHandedOver, CaseHandedOver, WaitingListJoined]
    back = next(r for r in then.then_decided().rows if r.consultation_id == some_id("case a"))
    assert (back.assigned_to, back.waiting_since, back.band) == (None, NOON + timedelta(minutes=1), 1)
    assert used(then) == [0, 4]


def test_a_reduced_capacity_hands_over_the_latest_cases_until_it_is_kept() -> None:
    ann = member("ann", capacity=3, used=6)
    latest_first = tuple(held(n, by="ann", minutes=m) for n, m in (("c", 3), ("b", 2), ("a", 1)))
    then = looked(at_work(pool(ann, member("ben", used=2)), leaving=latest_first))
    assert owners(then) == {"b": "ben"}
    assert [e.reason for e in then.events if isinstance(e, CaseHandedOver)] == ["capacity_reduced", "capacity_reduced"]
    assert used(then) == [2, 4]


def test_points_that_a_reduced_capacity_leaves_over_go_to_the_head_of_the_list_and_not_to_the_latest() -> None:
    ann = member("ann", capacity=5, used=6)
    then = looked(at_work(pool(ann), leaving=(held("a", by="ann"),), asked=(case("b", minutes=1, points=1),)))
    (event,) = then.events
    assert isinstance(event, CaseHandedOver)
    assert (event.to_practitioner_id, used(then), then.then_decided().due) == (None, [4], (TEAM,))


def test_an_unreported_end_of_a_certificate_is_noticed_and_the_cases_are_read_by_the_next_look() -> None:
    certified = pool(member("ann", used=2))
    then = looked(at_work(certified), at=NOON + timedelta(days=100))
    then.then(due=(TEAM,))
    (after,) = then.then_decided().rows
    assert (after.hands_over, after.members[0].must_hand_over) == (True, "competence_lost")


def test_that_somebody_else_hands_over_already_does_not_hide_another_whose_certificate_ran_out() -> None:
    ben = member("ben", used=2)
    before = pool(gone(used=2), ben)
    then = looked(at_work(before, leaving=(held("a", by="ann"),)), at=NOON + timedelta(days=100))
    assert then.then_decided().due == (TEAM,)


def test_whoever_is_back_keeps_the_cases_that_had_not_left() -> None:
    away = Absence(some_id("leave"), NOON + timedelta(days=1), hand_over=True)
    before = pool(member("ann", used=2, absences=(away,)))
    assert before.hands_over
    then = looked(at_work(before, leaving=(held("a", by="ann"),)), at=NOON + timedelta(days=1))
    then.then()
    assert used(then) == [2]


def test_a_pool_with_more_cases_than_one_look_reads_stays_due_and_keeps_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allocation, "WAITING", 2)
    listed = (waiting("a", minutes=0), waiting("b", minutes=1))
    then = looked(at_work(pool(member("ann", capacity=8)), waiting=listed, asked=(case("d", minutes=3),)))
    assert owners(then) == {"a": "ann", "b": "ann"}
    assert [type(e) for e in then.events[2:]] == [WaitingListJoined]
    then.then_decided()
    assert then.then_decided().due == (TEAM,)


def test_a_full_slice_of_new_cases_leaves_the_rest_for_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "ASKED", 1)
    then = looked(
        at_work(pool(member("ann")), asked=(case("b", minutes=1),), waiting=(waiting("a"), waiting("c", minutes=2)))
    )
    assert owners(then) == {"a": "ann", "b": "ann"}
    assert then.then_decided().due == (TEAM,)
