"""The window of a child, to the day: opens at 29, due by 56, closes after 70; offered again; followed up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from attune_contracts.screening import FollowUpDue, ScreeningDue, ScreeningMissed
from chassis.decision import Due
from services.screening.domain import attempt, screening, window
from services.screening.domain.attempt import AtAttempt
from services.screening.domain.child import Child
from services.screening.domain.commands import ScreeningWindow
from services.screening.domain.window import COHORT, CohortWindow, days_of
from tests.screening import examples
from tests.screening.test_attempt import not_completed
from tests.support.given import NOON, given, some_id

COHORT_NOW = CohortWindow(COHORT, examples.INSTRUMENT, f"{examples.PATHWAY}/1", ScreeningWindow())


def begun(born_on: date, at: datetime | None = None, **changes: Any) -> Child:
    """A child of that day whose birth was recorded on the same day."""
    child = examples.child(born_on=born_on, **changes)
    row: Child = window.begin(child, COHORT_NOW, at or datetime(*born_on.timetuple()[:3], 12, tzinfo=UTC)).rows[0]
    return row


def london(day: date, hours: int) -> datetime:
    """Midnight of that day in London is so many hours after midnight UTC of it."""
    return datetime(*day.timetuple()[:3], tzinfo=UTC) + timedelta(hours=hours)


def rung(child: Child, at: datetime) -> tuple[Child, tuple[Any, ...]]:
    decision = given(child).when(window.ring, Due(child.child_id), at=at).then_decided()
    return (decision.rows[0] if decision.rows else child), decision.told


@pytest.mark.parametrize(
    ("born_on", "opens", "due", "closes"),
    [
        pytest.param(date(2026, 1, 1), "2026-01-30T00:00Z", "2026-02-27T00:00Z", "2026-03-13T00:00Z", id="winter"),
        pytest.param(date(2026, 2, 27), "2026-03-28T00:00Z", "2026-04-24T23:00Z", "2026-05-08T23:00Z", id="forward"),
        pytest.param(date(2026, 2, 28), "2026-03-29T00:00Z", "2026-04-25T23:00Z", "2026-05-09T23:00Z", id="that day"),
        pytest.param(date(2026, 3, 1), "2026-03-29T23:00Z", "2026-04-26T23:00Z", "2026-05-10T23:00Z", id="after it"),
        pytest.param(date(2026, 9, 26), "2026-10-24T23:00Z", "2026-11-22T00:00Z", "2026-12-06T00:00Z", id="back"),
        pytest.param(date(2026, 9, 27), "2026-10-26T00:00Z", "2026-11-23T00:00Z", "2026-12-07T00:00Z", id="after back"),
        pytest.param(date(2028, 2, 29), "2028-03-28T23:00Z", "2028-04-25T23:00Z", "2028-05-09T23:00Z", id="leap day"),
        pytest.param(date(2028, 1, 31), "2028-02-29T00:00Z", "2028-03-27T23:00Z", "2028-04-10T23:00Z", id="onto it"),
    ],
)
def test_the_instants_of_a_window(born_on: date, opens: str, due: str, closes: str) -> None:
    found = days_of(begun(born_on))
    assert found is not None
    assert [i.isoformat() for i in found] == [datetime.fromisoformat(i).isoformat() for i in (opens, due, closes)]


@pytest.mark.parametrize(
    ("at", "kinds", "state"),
    [
        (london(date(2026, 1, 30), 0) - timedelta(microseconds=1), [], "before"),
        (london(date(2026, 1, 30), 0), [ScreeningDue], "open"),
        (london(date(2026, 3, 13), 0) - timedelta(microseconds=1), [ScreeningDue], "open"),
        (london(date(2026, 3, 13), 0), [ScreeningMissed], "missed"),
    ],
    ids=["28 days", "29 days", "70 days", "71 days"],
)
def test_what_a_look_at_an_age_tells(at: datetime, kinds: list[type], state: str) -> None:
    child, told = rung(begun(date(2026, 1, 1)), at)
    assert [type(e) for e in told] == kinds
    assert child.window_state == state
    assert rung(child, at) == (child, ())


def test_what_is_told_when_it_opens() -> None:
    _, (event,) = rung(begun(date(2026, 1, 1)), london(date(2026, 1, 30), 0))
    assert event == ScreeningDue(
        child_id=some_id("child"),
        pregnancy_id=some_id("pregnancy"),
        team_id=examples.TEAM,
        reason="first",
        window_opens_at=london(date(2026, 1, 30), 0),
        due_at=london(date(2026, 2, 27), 0),
        closes_at=london(date(2026, 3, 13), 0),
        pathway=examples.PATHWAY,
        pathway_version=1,
    )


@pytest.mark.parametrize(("days", "state"), [(70, "before"), (71, "too_late")])
def test_a_birth_that_becomes_known_late(days: int, state: str) -> None:
    child = examples.child(age_days=days)
    decision = window.begin(child, COHORT_NOW, NOON)
    assert decision.rows[0].window_state == state
    assert [e.reason for e in decision.told] == (["known_too_late"] if days == 71 else [])  # type: ignore[attr-defined]
    assert decision.rows[0].arrived_too_late is False
    arrived = window.begin(child, COHORT_NOW, NOON, arrived=True)
    assert arrived.told == ()
    assert arrived.rows[0].arrived_too_late is (days == 71)


@pytest.mark.parametrize("birth", ["still", None])
def test_who_was_not_born_alive_has_no_window(birth: Any) -> None:
    child = examples.child(birth=birth, age_days=None if birth is None else 3)
    assert window.begin(child, COHORT_NOW, NOON).rows == (child,)


def test_without_a_pathway_the_built_in_days_hold() -> None:
    child = window.begin(examples.child(age_days=0), None, NOON).rows[0]
    assert (child.window_of, child.opens_day, child.due_day, child.closes_day) == ("built-in/1", 29, 56, 70)
    _, (event,) = rung(child, NOON + timedelta(days=29))
    assert (event.pathway, event.pathway_version) == ("built-in", 1)


@pytest.mark.parametrize(
    ("age", "covered", "state"), [(28, None, "before"), (29, 29, "met"), (70, 70, "met"), (71, None, "before")]
)
def test_only_a_screening_inside_counts(age: int, covered: int | None, state: str) -> None:
    child = begun(NOON.date() - timedelta(days=age))
    at = given(examples.at_screening(child, certificates=examples.certified()))
    changed = at.when(screening.record, examples.screening()).then_decided().rows[1]
    assert (changed.covered_at_days, changed.window_state) == (covered, state)


def test_a_screening_of_the_last_day_that_is_recorded_after_the_failsafe_still_counts() -> None:
    missed, _ = rung(begun(NOON.date() - timedelta(days=71)), NOON)
    assert missed.window_state == "missed"
    command = examples.screening(screened_at=(NOON - timedelta(days=1)).isoformat())
    at = given(examples.at_screening(missed, certificates=examples.certified()))
    changed = at.when(screening.record, command).then_decided().rows[1]
    assert (changed.covered_at_days, changed.window_state) == (70, "met")


def test_a_screened_child_is_not_missed() -> None:
    child, _ = rung(begun(NOON.date() - timedelta(days=45)), NOON)
    at = given(examples.at_screening(child, certificates=examples.certified()))
    changed = at.when(screening.record, examples.screening()).then_decided().rows[1]
    assert changed.next_due_at == child.next_due_at, "the planned look stays: no index is touched"
    after, told = rung(changed, NOON + timedelta(days=40))
    assert (told, after.next_due_at) == ((), None)


# --- offered again, followed up ---------------------------------------------------------------------------------------


def tried(child: Child, attempted_at: datetime, reason: str = "unsettled", at: datetime = NOON) -> Child:
    command = not_completed(attempted_at=attempted_at.isoformat(), reason=reason)
    state = AtAttempt(child, examples.instrument(), examples.pathway(), None)
    row: Child = given(state).when(attempt.record_not_completed, command, at=at).then_decided().rows[-1]
    return row


@pytest.mark.parametrize(
    ("age", "again_at_age"), [(28, None), (29, 36), (62, 69), (63, 70), (69, 70), (70, None), (71, None)]
)
def test_an_attempt_without_result_is_offered_again_while_the_window_is_open(
    age: int, again_at_age: int | None
) -> None:
    born_on = NOON.date() - timedelta(days=age)
    child, _ = rung(begun(born_on), NOON)
    child = tried(child, NOON)
    again = None if again_at_age is None else london(born_on + timedelta(days=again_at_age), 0)
    if again is not None and again.month > 3:
        again -= timedelta(hours=1)
    assert child.offer_again_at == again
    if again is not None:
        child, (event,) = rung(child, again)
        assert event.reason == "offered_again"
        assert child.offer_again_at is None


@pytest.mark.parametrize("reason", ["declined", "done_elsewhere"])
def test_who_declined_is_not_offered_again_and_yet_shown_at_the_end(reason: str) -> None:
    child, _ = rung(begun(NOON.date() - timedelta(days=45)), NOON)
    child = tried(child, NOON, reason)
    assert child.offer_again_at is None
    _, (event,) = rung(child, NOON + timedelta(days=26))
    assert (type(event), event.reason) == (ScreeningMissed, reason)


def monitored(age: int = 45) -> Child:
    child, _ = rung(begun(NOON.date() - timedelta(days=age)), NOON)
    seen = examples.observed(turning_towards=2, answering=2)
    at = given(examples.at_screening(child, certificates=examples.certified()))
    row: Child = at.when(screening.record, examples.screening(observed=seen)).then_decided().rows[1]
    return row


def test_a_follow_up_is_due_after_28_days_by_the_local_day() -> None:
    """Recorded on 2 March: due as 30 March begins, which is in summer time."""
    child = monitored()
    assert child.follow_up_at == datetime(2026, 3, 29, 23, tzinfo=UTC)
    child, told = rung(child, datetime(2026, 3, 29, 22, 59, 59, tzinfo=UTC))
    assert told == ()
    child, (event,) = rung(child, datetime(2026, 3, 29, 23, tzinfo=UTC))
    assert isinstance(event, FollowUpDue)
    assert event.screening_id == child.last_screening_id
    assert child.next_due_at is None


@pytest.mark.parametrize(("age", "follow_up_first"), [(29, True), (43, True), (44, False)])
def test_the_next_look_is_never_later_than_needed(age: int, follow_up_first: bool) -> None:
    """The follow-up is due in 28 days, the look at the end of the window was planned for 71 days of age."""
    child = monitored(age)
    assert child.next_due_at is not None
    assert child.follow_up_at is not None
    assert child.next_due_at <= child.follow_up_at
    assert (child.next_due_at == child.follow_up_at) is follow_up_first


def test_a_follow_up_that_gave_no_result_is_due_again() -> None:
    at = NOON + timedelta(days=29)
    child, _ = rung(monitored(), at)
    child = tried(child, at, at=at)
    assert child.follow_up_at == datetime(2026, 4, 6, 23, tzinfo=UTC)


def test_an_attempt_without_result_before_the_follow_up_is_due_does_not_bring_it_forward() -> None:
    child = monitored()
    early = NOON + timedelta(days=3)
    assert tried(child, early, at=early).follow_up_at == child.follow_up_at


def test_a_later_result_ends_the_follow_up() -> None:
    child = monitored()
    later = NOON + timedelta(days=20)
    at = given(examples.at_screening(child, certificates=examples.certified()))
    command = examples.screening(screened_at=later.isoformat(), screening_id=str(some_id("second")))
    changed = at.when(screening.record, command, at=later).then_decided().rows[1]
    assert changed.follow_up_at is None
    assert rung(changed, NOON + timedelta(days=60))[1] == ()
