"""Clocks by whole days in England: due soon once, breached once, paused for a reason, right over summer time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from attune_contracts.referral import ClockBreached, ClockDueSoon, ClockName, ClockPaused, ClockResumed, TaskRaised
from chassis.decision import Cause
from chassis.working_days import ENGLAND, Calendar, end_of, local_date
from services.referral.domain import pauses, rules
from services.referral.domain.clocks import Course, look, reckoned, running
from services.referral.domain.commands import ClockTerm, PauseClock, ResumeClock, SetConsultationRules
from services.referral.domain.consultation import Terms
from services.referral.domain.course_refusals import (
    ClockCannotPause,
    ClockNamedTwice,
    ClockNotPaused,
    ClockNotRunning,
    DueSoonTooEarly,
)
from services.referral.domain.progress import Pause, Report, begun
from services.referral.domain.rules import NAME, Rules
from tests.referral.builders import case, held, waiting, work
from tests.referral.courses import ANN, after, course, held_once, looked
from tests.support.given import NOON, given, some_id

A_MOMENT = timedelta(microseconds=1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def due_of(at_hand: Course, clock: ClockName, calendar: Calendar = ENGLAND) -> datetime | None:
    return next(c.due_at for c in running(at_hand, calendar) if c.term.clock == clock)


def clocks(at_hand: Course) -> set[str]:
    return {c.term.clock for c in running(at_hand, ENGLAND)}


def asked(at: str, **said: Any) -> Course:
    return course(held("a", by="ann", requested_at=instant(at), **said))


@pytest.mark.parametrize(
    ("requested", "clock", "due"),
    [
        pytest.param("2026-03-02T12:00Z", "acknowledged", "2026-03-05T00:00Z", id="monday: wednesday is over"),
        pytest.param("2026-03-06T17:59Z", "acknowledged", "2026-03-11T00:00Z", id="friday: over the weekend"),
        pytest.param("2026-03-07T00:00Z", "acknowledged", "2026-03-11T00:00Z", id="saturday counts from monday"),
        pytest.param("2026-03-02T12:00Z", "held", "2026-03-17T00:00Z", id="ten working days"),
        pytest.param("2026-03-23T12:00Z", "held", "2026-04-08T23:00Z", id="over summer time and Easter"),
        pytest.param("2026-10-19T12:00Z", "held", "2026-11-03T00:00Z", id="over the end of summer time"),
        pytest.param("2026-10-19T22:59Z", "held", "2026-11-03T00:00Z", id="still monday in England"),
        pytest.param("2026-10-19T23:00Z", "held", "2026-11-04T00:00Z", id="tuesday in England already"),
        pytest.param("2026-03-02T12:00Z", "ceiling", "2026-07-06T23:00Z", id="eighteen weeks end by summer time"),
    ],
)
def test_days_are_counted_whole_and_by_the_dates_of_england(requested: str, clock: ClockName, due: str) -> None:
    assert due_of(asked(requested), clock) == instant(due)


def test_which_clocks_run_depends_on_what_was_done() -> None:
    seen = held("a", by="ann", acknowledged_at=NOON, acknowledged_by=ANN)
    assert clocks(course(case("a", status="requested", unsettled=False, waiting_since=None, place=None))) == {
        "acknowledged",
        "triaged",
        "held",
        "ceiling",
    }
    assert clocks(course()) == {"acknowledged", "held", "contact", "ceiling"}
    assert clocks(course(seen)) == {"held", "contact", "ceiling"}
    assert clocks(course(waiting("a"))) == {"acknowledged", "held", "ceiling"}
    assert clocks(course(seen, holdings=(held_once("advice"),))) == {"reported", "ceiling"}
    assert clocks(course(seen, holdings=(held_once("repeat"),))) == {"held", "reported", "ceiling"}
    assert clocks(course(seen, holdings=(held_once("direct_work"),))) == {"reported", "first_contact", "ceiling"}
    met = replace(course(seen, holdings=(held_once("direct_work"),)), work=work("a", first_contact_at=NOON))
    assert clocks(met) == {"reported", "ceiling"}
    assert clocks(course(replace(seen, status="closed"))) == set()
    assert clocks(course(seen, stopped="child_died")) == set()


def test_a_repeated_consultation_is_held_again_ten_working_days_after_the_last_time() -> None:
    monday = NOON + timedelta(days=14)
    again = course(holdings=(held_once("repeat", monday),))
    assert due_of(again, "held") == instant("2026-03-30T23:00Z")


def test_due_soon_and_breached_are_told_once_each_at_their_instants() -> None:
    at_hand = course()
    soon_at, due_at = instant("2026-03-04T00:00Z"), instant("2026-03-05T00:00Z")
    first = looked(at_hand, soon_at - A_MOMENT)
    assert first.events == ()
    at_hand = after(first, at_hand)
    assert at_hand.progress is not None
    assert at_hand.progress.next_due_at == soon_at
    soon = looked(at_hand, soon_at)
    told = {
        "consultation_id": some_id("case a"),
        "child_id": some_id("child a"),
        "team_id": some_id("team"),
        "practitioner_id": ANN,
        "clock": "acknowledged",
        "clocks_version": 1,
        "due_at": due_at,
    }
    soon.then(ClockDueSoon(**told, noticed_at=soon_at))
    at_hand = after(soon, at_hand)
    assert looked(at_hand, due_at - A_MOMENT).events == ()
    breached = looked(at_hand, due_at)
    breached.then(ClockBreached(**told, noticed_at=due_at))
    at_hand = after(breached, at_hand)
    assert looked(at_hand, due_at).events == ()
    assert looked(at_hand, due_at + timedelta(days=1)).events == ()


def test_whoever_looks_too_late_tells_of_the_breach_alone() -> None:
    late = looked(course(), instant("2026-03-20T00:00Z"))
    assert [(type(e).__name__, getattr(e, "clock", None)) for e in late.events] == [
        ("ClockBreached", "acknowledged"),
        ("ClockBreached", "held"),
        ("ClockDueSoon", "contact"),
    ]


def test_who_has_a_case_with_which_nothing_happens_has_a_task_after_fifteen_working_days() -> None:
    """A failsafe. It counts from when they got it, and ends when the consultation is held or the family is met."""
    given_later = held("a", by="ann", assigned_at=instant("2026-03-09T12:00Z"))
    due_at = instant("2026-03-31T23:00Z")
    assert due_of(course(given_later), "contact") == due_at - timedelta(days=1)
    then = looked(course(given_later), due_at)
    assert [(e.kind, e.owner_id) for e in then.events if isinstance(e, TaskRaised)] == [("overdue_clock", ANN)]
    talked = course(given_later, holdings=(held_once("advice"),))
    assert [e for e in looked(talked, due_at).events if isinstance(e, TaskRaised)] == []


def test_what_was_begun_with_a_family_and_goes_on_with_nobody_is_a_task_after_fifteen_working_days() -> None:
    """Without an owner nothing else would say so: it was held, reported and met."""
    left_at = instant("2026-03-09T12:00Z")
    of = waiting("a", acknowledged_at=NOON, acknowledged_by=ANN, terms=Terms(without_owner_since=left_at))
    done = course(of, holdings=(held_once("direct_work"),), reports=(Report(1, "Look.", ANN, NOON),))
    at_hand = replace(done, work=work("a", first_contact_at=NOON))
    due_at = instant("2026-03-30T23:00Z")
    assert clocks(at_hand) == {"contact"}
    assert due_of(at_hand, "contact") == due_at
    then = looked(at_hand, due_at)
    assert [(e.kind, e.owner_id) for e in then.events if isinstance(e, TaskRaised)] == [("overdue_clock", None)]
    owned = held("a", by="ben", acknowledged_at=NOON, acknowledged_by=ANN)
    assert clocks(replace(at_hand, case=owned)) == set()
    assert due_of(replace(at_hand, case=replace(of, terms=None)), "contact") == instant("2026-03-24T00:00Z")


def test_a_breach_of_the_ceiling_is_a_task_too() -> None:
    seen = held("a", by="ann", acknowledged_at=NOON, acknowledged_by=ANN)
    done = {"holdings": (held_once("direct_work"),)}
    events = looked(course(seen, **done), instant("2026-07-06T23:00Z")).events
    (task,) = [e for e in events if isinstance(e, TaskRaised)]
    assert (task.kind, task.owner_id, task.about_id) == ("overdue_clock", ANN, some_id("case a"))


def test_what_has_ended_or_is_stopped_tells_nothing_any_more() -> None:
    long_after = instant("2026-12-01T00:00Z")
    over = held("a", by="ann", status="closed", end_reason="completed", ended_at=NOON)
    for at_hand in (course(over), course(stopped="moved_away")):
        then = looked(at_hand, long_after)
        assert then.events == ()
        progress = after(then, at_hand).progress
        assert progress is not None
        assert progress.next_due_at is None


def test_running_clocks_are_reckoned_anew_every_day() -> None:
    at_hand = after(looked(course(holdings=(held_once("direct_work"),)), NOON), course())
    assert at_hand.progress is not None
    assert at_hand.progress.next_due_at == NOON + timedelta(days=1)


def test_a_course_without_a_clock_is_reckoned_anew_too_since_rules_come_back() -> None:
    none = Rules(name=NAME, edition=2, terms=(), triaged_by_person=(), changed_at=None, changed_by="")
    bare = replace(course(held("a", by="ann")), rules=none)
    assert running(bare, ENGLAND) == ()
    assert bare.case is not None
    reckoned_ = reckoned(bare, bare.case, begun(bare.case), Cause(some_id("x"), NOON))
    assert reckoned_.next_due_at == NOON + timedelta(days=1)


def test_a_case_that_goes_on_is_to_be_met_again() -> None:
    met = work("a", status="ended", first_contact_at=NOON + timedelta(days=3))
    once = replace(
        course(held("a", by="ann"), holdings=(held_once("direct_work", NOON + timedelta(days=9)),)), work=met
    )
    assert "first_contact" not in clocks(once)
    assert once.progress is not None
    assert "first_contact" in clocks(
        replace(once, progress=replace(once.progress, started_at=NOON + timedelta(days=5)))
    )


def test_a_bank_holiday_announced_later_moves_the_targets_that_are_still_ahead() -> None:
    at_hand = after(looked(course(), NOON), course())
    assert due_of(at_hand, "acknowledged") == instant("2026-03-05T00:00Z")
    wednesday_off = Calendar(added=frozenset({date(2026, 3, 4)}))
    cause = Cause(id=some_id("sweep"), at=instant("2026-03-03T12:00Z"), calendar=wednesday_off)
    assert at_hand.case is not None
    assert at_hand.progress is not None
    moved = reckoned(at_hand, at_hand.case, at_hand.progress, cause)
    first, *_ = running(replace(at_hand, progress=moved), wednesday_off)
    assert (first.term.clock, first.due_at) == ("acknowledged", instant("2026-03-06T00:00Z"))
    decision = look(replace(at_hand, progress=moved), None, replace(cause, at=instant("2026-03-05T00:00Z")))  # type: ignore[arg-type]
    assert [type(e) for e in decision.told] == [ClockDueSoon]


def test_what_was_told_of_the_day_before_it_became_a_holiday_is_not_told_again() -> None:
    at_hand = course()
    at_hand = after(looked(at_hand, instant("2026-03-05T00:00Z")), at_hand)
    wednesday_off = Calendar(added=frozenset({date(2026, 3, 4)}))
    cause = Cause(id=some_id("sweep"), at=instant("2026-03-06T00:00Z"), calendar=wednesday_off)
    assert look(at_hand, None, cause).told == ()  # type: ignore[arg-type]


def test_a_paused_clock_is_never_due_and_keeps_what_it_had_left() -> None:
    at_hand = course()
    tuesday = NOON + timedelta(days=1)
    command = PauseClock(consultation_id=some_id("case a"), clock="held", reason="family_unavailable")
    then = given(at_hand).by(ANN).when(pauses.pause, command, at=tuesday)
    (event,) = then.events
    assert isinstance(event, ClockPaused)
    assert (event.reason, event.due_at) == ("family_unavailable", instant("2026-03-17T00:00Z"))
    at_hand = after(then, at_hand)
    assert due_of(at_hand, "held") is None
    given(at_hand).by(ANN).when(pauses.pause, command, at=tuesday).then_nothing()
    assert [e.clock for e in looked(at_hand, instant("2026-04-01T00:00Z")).events if isinstance(e, ClockBreached)] == [
        "acknowledged",
        "contact",
    ]
    # a week later, the nine days that were left are left
    resumed = (
        given(at_hand)
        .by(ANN)
        .when(
            pauses.resume, ResumeClock(consultation_id=some_id("case a"), clock="held"), at=tuesday + timedelta(days=7)
        )
    )
    (back,) = resumed.events
    assert isinstance(back, ClockResumed)
    assert back.due_at == instant("2026-03-24T00:00Z")


@pytest.mark.parametrize(
    ("since", "until", "due"),
    [
        pytest.param("2026-03-03T09:00Z", "2026-03-03T17:00Z", "2026-03-17T00:00Z", id="within a day: nothing"),
        pytest.param("2026-03-03T09:00Z", "2026-03-04T00:00Z", "2026-03-18T00:00Z", id="to the end of the day"),
        pytest.param("2026-03-04T00:00Z", "2026-03-04T23:59Z", "2026-03-17T00:00Z", id="from the start of a day"),
        pytest.param("2026-03-06T09:00Z", "2026-03-09T09:00Z", "2026-03-18T00:00Z", id="over a weekend: friday"),
        pytest.param("2026-03-07T09:00Z", "2026-03-08T09:00Z", "2026-03-17T00:00Z", id="within a weekend: nothing"),
        pytest.param("2026-02-20T09:00Z", "2026-02-27T09:00Z", "2026-03-17T00:00Z", id="before it started: nothing"),
    ],
)
def test_a_day_does_not_count_where_the_clock_stands_still_when_it_is_over(since: str, until: str, due: str) -> None:
    paused = Pause("held", "other", instant(since), instant(until), ANN)
    assert due_of(course(pauses=(paused,)), "held") == instant(due)


@pytest.mark.parametrize(
    ("clock", "refusal"),
    [("acknowledged", ClockCannotPause), ("ceiling", ClockCannotPause), ("first_contact", ClockNotRunning)],
)
def test_only_a_running_clock_that_may_stand_still_is_paused(clock: ClockName, refusal: Any) -> None:
    command = PauseClock(consultation_id=some_id("case a"), clock=clock, reason="other")
    given(course()).by(ANN).when(pauses.pause, command).then_refused(refusal, "clock")


def test_what_does_not_stand_still_is_not_resumed() -> None:
    command = ResumeClock(consultation_id=some_id("case a"), clock="held")
    given(course()).by(ANN).when(pauses.resume, command).then_refused(ClockNotPaused, "clock")


@drawn(st.integers(0, 400 * 24 * 60), st.integers(0, 40 * 24), st.integers(0, 40 * 24))
def test_a_pause_never_brings_a_target_forward_and_at_most_its_own_length_back(
    minutes: int, begins: int, lasts: int
) -> None:
    requested = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    of = held("a", by="ann", requested_at=requested)
    since = requested + timedelta(hours=begins)
    paused = Pause("first_contact", "other", since, since + timedelta(hours=lasts), ANN)
    with_family = {"holdings": (held_once("direct_work", requested),)}
    plain, later = (due_of(course(of, **with_family, pauses=p), "first_contact") for p in ((), (paused,)))
    assert plain is not None
    assert later is not None
    assert plain == end_of(local_date(requested) + timedelta(days=42))
    assert plain <= later <= plain + timedelta(hours=lasts + 25)


def term(clock: ClockName, days: int, soon: int) -> ClockTerm:
    return ClockTerm(clock=clock, days=days, working=True, soon=soon, may_pause=False, raises_task=False)


def test_a_service_sets_its_own_terms_and_each_edition_is_counted() -> None:
    command = SetConsultationRules(terms=(term("held", 3, 1),), triaged_by_person=("reflective_discussion",))
    then = given(None).by(some_id("operator")).when(rules.set_rules, command)
    assert (then.row.edition, then.row.triaged_by_person) == (2, ("reflective_discussion",))
    at_hand = course(rules=then.row)
    assert clocks(at_hand) == {"held"}
    assert due_of(at_hand, "held") == instant("2026-03-06T00:00Z")
    (breach,) = looked(at_hand, instant("2026-03-06T00:00Z")).events
    assert isinstance(breach, ClockBreached)
    assert breach.clocks_version == 2
    given(then.row).by(some_id("operator")).when(rules.set_rules, command).then_nothing()


def test_terms_that_make_no_sense_are_refused() -> None:
    twice = SetConsultationRules(terms=(term("held", 3, 1), term("held", 4, 1)))
    given(None).when(rules.set_rules, twice).then_refused(ClockNamedTwice, "terms")
    given(None).when(rules.set_rules, SetConsultationRules(terms=(term("held", 3, 3),))).then_refused(DueSoonTooEarly)
    given(None).when(rules.set_rules, SetConsultationRules(terms=(term("held", 3, 2),))).then()
