"""Direct work: planned with the family, begun when there are the points, ended with a plan for who goes on."""

from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.referral import DirectWorkEnded, DirectWorkStarted
from chassis.decision import Due
from services.referral.domain import direct_work
from services.referral.domain.allocation import allocate
from services.referral.domain.consultation import Terms
from services.referral.domain.direct_work import AtEnd, AtPlanning, AtWork, Goal
from services.referral.domain.pool import Absence
from services.referral.domain.refusals import (
    CaseHasNoPractitioner,
    CaseOfAnotherTeam,
    CaseOnlyOffered,
    ConsultationNotOpen,
    DirectWorkGoesOn,
    FamilyHasNotAgreed,
    FamilyNotNamed,
    GoalsDoNotMatch,
    NoDirectWork,
    NotHeldForDirectWork,
    OnwardPlanMissing,
    UnknownConsultation,
    UnknownIntervention,
)
from services.referral.domain.work_commands import EndDirectWork
from tests.referral.builders import (
    TEAM,
    at_work,
    case,
    ended,
    held,
    held_for_direct_work,
    intervention,
    member,
    planned,
    pool,
    waiting,
    work,
)
from tests.support.given import NOON, Then, given, replace, some_id

CASE = held("a", "ann")
DUE = Due(some_id("case a"))
UNKNOWN: Any = object()
HELD = held_for_direct_work("a")


def plans(found: Any = CASE, before: Any = None, catalogue: Any = UNKNOWN, progress: Any = HELD, **said: Any) -> Then:
    entry = intervention() if catalogue is UNKNOWN else catalogue
    command = planned(some_id("case a"), **said)
    return given(AtPlanning(found, before, entry, progress)).by(some_id("ann")).when(direct_work.plan, command)


def looked(in_pool: Any, **slices: Any) -> Then:
    return given(at_work(in_pool, **slices)).when(allocate, Due(TEAM))


def test_a_plan_asks_the_pool_for_points_and_the_case_keeps_its_practitioner() -> None:
    then = plans(planned_sessions=8)
    asks, made = then.then(due=(TEAM,)).rows
    assert (asks.assigned_to, asks.points, asks.waiting_since, asks.place) == (some_id("ann"), 2, None, NOON)
    assert (asks.unsettled, asks.terms) == (True, Terms(points_wanted=4))
    assert (made.status, made.number, made.points, made.points_before, made.planned_sessions) == ("waits", 1, 4, 2, 8)
    assert made.goals == (Goal("Calmer evenings."),)
    assert plans().then_decided().rows[1].planned_sessions == 6


@pytest.mark.parametrize(
    ("found", "before", "said", "rule"),
    [
        (None, None, {}, UnknownConsultation),
        (ended(CASE), None, {}, ConsultationNotOpen),
        (held("a", "ann", child_id=None), None, {}, FamilyNotNamed),
        (case("a"), None, {}, CaseHasNoPractitioner),
        (replace(CASE, accept_by=NOON), None, {}, CaseOnlyOffered),
        (replace(CASE, unsettled=True, terms=Terms(leaves="offer_lapsed")), None, {}, CaseOnlyOffered),
        (CASE, work("a"), {}, DirectWorkGoesOn),
        (CASE, work("a", status="waits", started_at=None), {}, DirectWorkGoesOn),
        (CASE, None, {"catalogue": None}, UnknownIntervention),
        (CASE, None, {"family_agrees": False}, FamilyHasNotAgreed),
        (CASE, None, {"progress": None}, NotHeldForDirectWork),
        (CASE, None, {"progress": replace(HELD, holdings=())}, NotHeldForDirectWork),
        (CASE, None, {"progress": replace(HELD, started_at=NOON + timedelta(1))}, NotHeldForDirectWork),
        (
            CASE,
            None,
            {"progress": replace(HELD, holdings=(*HELD.holdings, replace(HELD.holdings[0], outcome="advice")))},
            NotHeldForDirectWork,
        ),
    ],
)
def test_what_cannot_be_planned(found: Any, before: Any, said: dict[str, Any], rule: Any) -> None:
    plans(found, before, **said).then_refused(rule)


def test_direct_work_can_be_taken_up_again_and_keeps_what_was_before() -> None:
    before = work("a", status="ended", end_reason="ended_by_family", ended_at=NOON, attended=3)
    made = plans(before=before).then_decided().rows[1]
    assert (made.number, made.sessions, made.attended) == (2, 0, 0)
    assert [(e.number, e.attended, e.reason) for e in made.earlier] == [(1, 3, "ended_by_family")]


@pytest.mark.parametrize(
    ("met", "started", "carried"), [(0, 0, True), (1, 0, True), (0, 1, False)], ids=["just then", "since", "before"]
)
def test_a_family_that_was_met_in_this_run_is_met_and_one_met_before_the_reopening_is_to_be_met_again(
    met: int, started: int, carried: bool
) -> None:
    begins, met_at = NOON + timedelta(days=started), NOON + timedelta(days=met)
    before = work("a", status="ended", end_reason="ended_by_family", ended_at=NOON, first_contact_at=met_at)
    course = replace(HELD, started_at=begins, holdings=(replace(HELD.holdings[0], held_at=begins),))
    made = plans(before=before, progress=course).then_decided().rows[1]
    assert made.first_contact_at == (met_at if carried else None)
    assert plans(progress=course).then_decided().rows[1].first_contact_at is None


@pytest.mark.parametrize(("capacity", "points", "free"), [(4, 4, 0), (5, 4, 1), (3, 2, 1)])
def test_the_pool_gives_the_points_when_its_practitioner_has_them_all(capacity: int, points: int, free: int) -> None:
    asks, _ = plans().then_decided().rows
    then = looked(pool(member("ann", capacity=capacity, used=2)), asked=(asks,))
    row, *after = then.then_decided().rows
    assert (row.points, row.assigned_to, row.unsettled) == (points, some_id("ann"), False)
    assert (row.place is None) == (points == 4)
    assert then.events == ()
    if after:
        assert after[0].members[0].used_points == capacity - free


def test_work_that_weighs_less_or_the_same_waits_for_nobody() -> None:
    """Also with a practitioner who is away: no points are needed for it."""
    for points in (1, 2):
        asks, _ = plans(catalogue=intervention(points=points)).then_decided().rows
        row, *_ = looked(pool(member("ann", used=2, competences=())), asked=(asks,)).then_decided().rows
        assert (row.points, row.place) == (points, None)


def test_nobody_behind_takes_the_points_for_which_direct_work_waits() -> None:
    """Ann has one point free and needs two; a light case behind waits, or goes to ben."""
    asks, _ = plans().then_decided().rows
    light = case("b", minutes=1, points=1)
    alone = looked(pool(member("ann", capacity=4, used=3)), asked=(asks, light))
    assert not [r for r in alone.then_decided().rows if getattr(r, "points", 0) == 1 and r.assigned_to]
    both = looked(pool(member("ann", capacity=4, used=3), member("ben")), asked=(asks, light))
    assert [r.assigned_to for r in both.then_decided().rows if getattr(r, "points", 0) == 1] == [some_id("ben")]


def test_but_who_asked_before_comes_first() -> None:
    """In the order of the line, as everybody."""
    early = waiting("b", minutes=-1)
    asks, _ = plans().then_decided().rows
    then = looked(pool(member("ann", capacity=4, used=2)), asked=(asks,), waiting=(early,))
    rows = {r.consultation_id: r for r in then.then_decided().rows[:-1]}
    assert rows[early.consultation_id].assigned_to == some_id("ann")
    assert (rows[CASE.consultation_id].points, rows[CASE.consultation_id].place) == (2, NOON)


def test_direct_work_does_not_take_points_for_which_a_heavier_case_in_front_waits() -> None:
    """There are two points, which is enough for it, but not for the case that asked before."""
    heavy = waiting("b", minutes=-1, points=3)
    asks, _ = plans().then_decided().rows
    then = looked(pool(member("ann", capacity=4, used=2)), asked=(asks,), waiting=(heavy,))
    assert [(r.points, r.place) for r in then.then_decided().rows] == [(2, NOON)]


def test_direct_work_does_not_begin_with_somebody_who_may_take_no_cases_now() -> None:
    asks, _ = plans().then_decided().rows
    away = Absence(some_id("leave"), None, hand_over=False)
    then = looked(pool(member("ann", capacity=9, used=2, absences=(away,)), member("ben")), asked=(asks,))
    assert [(r.points, r.place) for r in then.then_decided().rows] == [(2, NOON)]


def test_work_that_no_capacity_of_its_practitioner_can_hold_keeps_back_nobody() -> None:
    asks, _ = plans(catalogue=intervention(points=9)).then_decided().rows
    then = looked(pool(member("ann", capacity=4, used=2)), asked=(asks, case("b", minutes=1)))
    assert [r.assigned_to for r in then.then_decided().rows[:-1]] == [some_id("ann")] * 2


def test_a_case_whose_direct_work_waits_goes_on_waiting_for_it_with_the_next_practitioner() -> None:
    asks, _ = plans().then_decided().rows
    gone = pool(member("ann", used=2, left_at=NOON), member("ben", capacity=2))
    moved, after = looked(gone, asked=(asks,), leaving=(asks,)).then_decided().rows
    assert (moved.assigned_to, moved.points, moved.terms.points_wanted, moved.place) == (some_id("ben"), 2, 4, NOON)
    grown = pool(member("ben", capacity=4, used=2))
    row, after = looked(grown, waiting=(moved,)).then_decided().rows
    assert (row.points, after.members[0].used_points) == (4, 4)


GRANTED = replace(CASE, points=4, terms=Terms())


def test_it_begins_when_the_pool_has_given_the_points() -> None:
    waits = work("a", status="waits", started_at=None)
    then = given(AtWork(GRANTED, waits)).when(direct_work.follow, DUE)
    then.then(
        DirectWorkStarted(
            consultation_id=some_id("case a"),
            child_id=some_id("child a"),
            team_id=TEAM,
            practitioner_id=some_id("ann"),
            intervention="watching_together",
            intervention_version=1,
            planned_sessions=6,
            points=4,
            started_at=NOON,
        ),
        rows=(replace(waits, status="under_way", started_at=NOON),),
    )
    given(AtWork(GRANTED, then.row)).when(direct_work.follow, DUE).then_nothing()
    still = replace(CASE, place=NOON, terms=Terms(points_wanted=4))
    given(AtWork(still, waits)).when(direct_work.follow, DUE).then_nothing()


def test_work_whose_case_lost_its_place_in_the_line_asks_again() -> None:
    """As when the case was closed and reopened between two looks."""
    waits = work("a", status="waits", started_at=None)
    row = given(AtWork(CASE, waits)).when(direct_work.follow, DUE).row
    assert (row.place, row.unsettled, row.terms) == (NOON, True, Terms(points_wanted=4))
    given(AtWork(row, waits)).when(direct_work.follow, DUE).then_nothing()
    given(AtWork(replace(CASE, unsettled=True), waits)).when(direct_work.follow, DUE).then_nothing()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("moved_away", "moved_away"),
        ("child_died", "loss"),
        ("stillborn", "loss"),
        ("aged_out", "aged_out"),
        ("declined_by_family", "ended_by_family"),
        ("completed", "other"),
    ],
)
def test_it_ends_with_its_case(end: str, reason: str) -> None:
    closed = replace(ended(GRANTED), end_reason=end)
    then = given(AtWork(closed, work("a", attended=3))).when(direct_work.follow, DUE)
    (event,) = then.events
    assert isinstance(event, DirectWorkEnded)
    assert (event.reason, event.onward_plan, event.sessions_attended) == (reason, False, 3)
    assert (then.row.status, then.row.end_reason) == ("ended", reason)
    given(AtWork(closed, then.row)).when(direct_work.follow, DUE).then_nothing()


def test_work_that_never_began_ends_without_being_told() -> None:
    waits = work("a", status="waits", started_at=None)
    then = given(AtWork(ended(CASE), waits)).when(direct_work.follow, DUE)
    assert then.then().rows[0].status == "ended"


def ends(
    found: Any = GRANTED, before: Any = UNKNOWN, in_pool: Any = UNKNOWN, progress: Any = HELD, **said: Any
) -> Then:
    at_hand = work("a", attended=5) if before is UNKNOWN else before
    room = pool(member("ann", used=4)) if in_pool is UNKNOWN else in_pool
    fields = {
        "consultation_id": some_id("case a"),
        "team_id": TEAM,
        "reason": "goals_met",
        "goals": ["met"],
        "onward_plan": "Mary visits in June.",
    }
    command = EndDirectWork(**{**fields, **said})
    return given(AtEnd(found, at_hand, room, progress)).by(some_id("ann")).when(direct_work.end, command)


def test_who_steps_down_leaves_the_points_and_has_an_onward_plan() -> None:
    then = ends()
    done, lighter, after, course = then.then(
        DirectWorkEnded(
            consultation_id=some_id("case a"),
            child_id=some_id("child a"),
            team_id=TEAM,
            practitioner_id=some_id("ann"),
            reason="goals_met",
            onward_plan=True,
            sessions_attended=5,
            ended_at=NOON,
        ),
        due=(TEAM,),
    ).rows
    assert (done.status, done.goals[0].outcome, done.onward_plan) == ("ended", "met", "Mary visits in June.")
    assert (lighter.points, lighter.assigned_to, lighter.status) == (2, some_id("ann"), "accepted")
    assert (after.members[0].used_points, after.next_due_at) == (2, NOON)
    assert (course.onward_plan, course.holdings, course.next_due_at) == ("Mary visits in June.", HELD.holdings, NOON)
    assert ends(progress=None).then_decided().rows[-1].onward_plan == "Mary visits in June."
    assert ends(lighter, done, after).then_decided().rows == ()
    ends(lighter, done, after, reason="other").then_refused(NoDirectWork)


def test_who_steps_down_from_a_family_that_is_gone_sets_no_clock_again() -> None:
    course = ends(progress=replace(HELD, stopped="moved_away", next_due_at=None)).then_decided().rows[-1]
    assert (course.onward_plan, course.stopped, course.next_due_at) == ("Mary visits in June.", "moved_away", None)


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"found": None}, UnknownConsultation),
        ({"found": ended(GRANTED)}, ConsultationNotOpen),
        ({"before": None}, NoDirectWork),
        ({"in_pool": None}, CaseOfAnotherTeam),
        ({"team_id": some_id("another")}, CaseOfAnotherTeam),
        ({"onward_plan": None}, OnwardPlanMissing),
        ({"onward_plan": None, "reason": "aged_out"}, OnwardPlanMissing),
        ({"goals": ["met", "met"]}, GoalsDoNotMatch),
    ],
)
def test_what_cannot_be_ended(said: dict[str, Any], rule: Any) -> None:
    ends(**said).then_refused(rule)


@pytest.mark.parametrize("reason", ["ended_by_family", "moved_away", "loss", "other"])
def test_without_stepping_down_nobody_has_to_go_on(reason: str) -> None:
    ends(reason=reason, onward_plan=None, goals=[]).then_decided()


def test_work_that_waits_for_points_is_called_off_and_its_place_is_free() -> None:
    asks, made = plans().then_decided().rows
    then = ends(asks, made, pool(member("ann", used=2)), reason="ended_by_family", goals=[], onward_plan=None)
    _, row, after = then.then().rows
    assert (row.place, row.unsettled, row.terms.points_wanted, row.points) == (None, False, None, 2)
    assert after.members[0].used_points == 2


def test_work_whose_case_lost_its_practitioner_makes_the_waiting_case_lighter() -> None:
    back = waiting("a", points=4)
    _, row, after, _ = ends(back, in_pool=pool(member("ann"))).then_decided().rows
    assert (row.points, row.waiting_since, row.place) == (2, NOON, NOON)
    assert after.members[0].used_points == 0


def test_a_due_instant_of_nothing_is_nothing() -> None:
    given(AtWork(None, None)).when(direct_work.follow, DUE, at=NOON + timedelta(days=1)).then_nothing()
