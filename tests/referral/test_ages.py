"""The second birthday: told of at 21 months and 30 days before, and at the day itself, never silently passed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from attune_contracts.referral import AgeLimitNear, CaseClosed, TaskRaised
from attune_contracts.screening import BirthCorrected
from chassis.value import replace
from chassis.working_days import ENGLAND, local_date, start_of
from services.referral.domain import ages, losses
from services.referral.domain.clocks import Born, Course
from services.referral.domain.losses import AboutChild
from services.referral.domain.tasks import Task
from services.referral.domain.worklist import worklist
from tests.referral.builders import TEAM, held, work
from tests.referral.courses import ANN, after, child, course, looked
from tests.support.given import NOON, given, some_id

A_MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("born", "at_21_months", "thirty_days", "birthday"),
    [
        ("2024-03-15", "2025-12-15", "2026-02-13", "2026-03-15"),
        ("2024-02-29", "2025-11-29", "2026-01-30", "2026-03-01"),
        ("2023-05-31", "2025-02-28", "2025-05-01", "2025-05-31"),
        ("2022-02-28", "2023-11-28", "2024-01-29", "2024-02-28"),
    ],
)
def test_the_days_of_the_limits(born: str, at_21_months: str, thirty_days: str, birthday: str) -> None:
    found = ages.limits(start_of(date.fromisoformat(born)))
    assert [local_date(limit.at).isoformat() for limit in found] == [at_21_months, thirty_days, birthday]
    assert [limit.age_days for limit in found] == [
        (local_date(limit.at) - date.fromisoformat(born)).days for limit in found
    ]


@drawn(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 800), st.integers(0, 24 * 60 - 1))
def test_the_day_of_birth_follows_from_an_age_and_an_instant(born: date, age: int, minute: int) -> None:
    instant = start_of(born + timedelta(days=age)) + timedelta(minutes=min(minute, 23 * 60 - 1))
    assert ages.born_at(age, instant) == start_of(born)


FAMILY = some_id("family a")
BORN = start_of(date(2024, 4, 15))
WARNED_AT = datetime(2026, 1, 15, tzinfo=UTC)
THIRTY_AT = datetime(2026, 3, 16, tzinfo=UTC)
BIRTHDAY_AT = datetime(2026, 4, 14, 23, tzinfo=UTC)
"""The fifteenth begins by summer time."""


def old(**done: Any) -> Course:
    """A case of somebody soon two, of which nothing else is to be told."""
    seen = {"acknowledged_at": NOON, "acknowledged_by": ANN, "assigned_at": BIRTHDAY_AT}
    mine = held("a", by="ann", requested_at=WARNED_AT - timedelta(days=1), **seen)
    return course(mine, child=Born(mine.consultation_id, BORN, None), **{"stopped": None, **done})


def told(at_hand: Course, at: datetime) -> list[AgeLimitNear]:
    return [e for e in looked(at_hand, at).events if isinstance(e, AgeLimitNear)]


def test_each_limit_is_told_once_at_its_instant() -> None:
    at_hand = old()
    for at, reason, age in (
        (WARNED_AT, "21_months", 640),
        (THIRTY_AT, "30_days", 700),
        (BIRTHDAY_AT, "second_birthday", 730),
    ):
        assert told(at_hand, at - A_MOMENT) == []
        (event,) = told(at_hand, at)
        assert (event.reason, event.age_days, event.onward_plan, event.practitioner_id) == (reason, age, False, ANN)
        at_hand = after(looked(at_hand, at), at_hand)
        assert told(at_hand, at + timedelta(days=1)) == []


def test_without_an_onward_plan_it_is_a_task_and_the_case_is_shown_as_aged_out() -> None:
    assert [e.kind for e in looked(old(), THIRTY_AT).events if isinstance(e, TaskRaised)] == ["age_limit"]
    then = looked(old(), BIRTHDAY_AT)
    assert [e.kind for e in then.events if isinstance(e, TaskRaised)] == ["age_limit"]
    at_hand = after(then, old())
    assert at_hand.case is not None
    assert at_hand.case.status == "accepted"
    items = [i for i in worklist([at_hand], [], BIRTHDAY_AT, ENGLAND, 10) if i["item"] == "age_limit"]
    assert [(i["what"], i["stands"], i["due_at"]) for i in items] == [("second_birthday", "breached", BIRTHDAY_AT)]


def test_with_an_onward_plan_the_case_leaves_on_the_birthday() -> None:
    planned = old(onward_plan="The health visitor goes on.")
    assert [e for e in looked(planned, THIRTY_AT).events if isinstance(e, TaskRaised)] == []
    then = looked(planned, BIRTHDAY_AT)
    (left,) = [e for e in then.events if isinstance(e, CaseClosed)]
    assert (left.reason, left.practitioner_id) == ("aged_out", ANN)
    at_hand = after(then, planned)
    assert at_hand.case is not None
    assert (at_hand.case.status, at_hand.case.ended_by, at_hand.case.unsettled) == ("closed", None, True)
    assert at_hand.progress is not None
    assert at_hand.progress.next_due_at is None
    assert then.then_decided().due == (some_id("team"),)


def test_a_plan_written_at_the_end_of_direct_work_counts_too() -> None:
    planned = replace(old(), work=work("a", onward_plan="The health visitor goes on."))
    assert [type(e) for e in looked(planned, BIRTHDAY_AT).events][-2:] == [AgeLimitNear, CaseClosed]


def test_of_limits_that_passed_unseen_only_the_latest_is_told() -> None:
    assert [e.reason for e in told(old(), BIRTHDAY_AT + timedelta(days=9))] == ["second_birthday"]
    assert told(course(held("a", by="ann")), BIRTHDAY_AT) == []


def test_a_limit_that_was_told_of_a_wrong_day_is_told_again_on_the_right_one() -> None:
    at_hand = old()
    for at in (WARNED_AT, THIRTY_AT, BIRTHDAY_AT):
        at_hand = after(looked(at_hand, at), at_hand)
    assert at_hand.case is not None
    assert at_hand.progress is not None
    known = child(gone=None, born_at=BORN)
    corrected = BirthCorrected(
        child_id=known.child_id,
        pregnancy_id=FAMILY,
        team_id=TEAM,
        age_days=710,
        recorded_at=BIRTHDAY_AT + timedelta(hours=1),
    )
    state = AboutChild(known, (at_hand.case,), (at_hand.progress,), ())
    now, again = given(state).when(losses.birth_corrected, corrected, at=corrected.recorded_at).then_decided().rows
    assert (again.ages_told, again.next_due_at) == (("21_months", "30_days"), corrected.recorded_at)
    at_hand = replace(at_hand, progress=again, child=Born(at_hand.case.consultation_id, now.born_at, None))
    birthday = ages.limits(now.born_at)[-1].at
    assert told(at_hand, birthday - A_MOMENT) == []
    then = looked(at_hand, birthday)
    assert [e.reason for e in then.events if isinstance(e, AgeLimitNear)] == ["second_birthday"]
    tasks_then = [r.task_id for r in then.then_decided().rows if isinstance(r, Task)]
    first = [r.task_id for r in looked(old(), BIRTHDAY_AT).then_decided().rows if isinstance(r, Task)]
    assert len({*tasks_then, *first}) == 2


def test_a_birth_that_is_corrected_forth_and_back_raises_a_task_of_its_own_each_time() -> None:
    at_hand, raised = old(), []
    known = child(gone=None, born_at=BORN)
    for age in (None, 700, 731):
        if age is not None:
            assert at_hand.case is not None
            assert at_hand.progress is not None
            corrected = BirthCorrected(
                child_id=known.child_id, pregnancy_id=FAMILY, team_id=TEAM, age_days=age, recorded_at=BIRTHDAY_AT
            )
            state = AboutChild(known, (at_hand.case,), (at_hand.progress,), ())
            now, course_ = given(state).when(losses.birth_corrected, corrected, at=BIRTHDAY_AT).then_decided().rows
            at_hand = replace(at_hand, progress=course_, child=Born(at_hand.case.consultation_id, now.born_at, None))
        then = looked(at_hand, BIRTHDAY_AT)
        raised += [r.task_id for r in then.then_decided().rows if isinstance(r, Task)]
        at_hand = after(then, at_hand)
    assert len(set(raised)) == len(raised) > 1


@pytest.mark.parametrize("gone", ["child_died", "moved_away"])
def test_no_birthday_is_on_the_list_of_whoever_works_with_a_family_that_is_gone(gone: Any) -> None:
    def shown(at_hand: Course) -> list[str]:
        return [i["item"] for i in worklist([at_hand], [], BIRTHDAY_AT, ENGLAND, 10) if i["item"] == "age_limit"]

    at_hand = old()
    assert at_hand.case is not None
    assert shown(at_hand) == ["age_limit"]
    assert shown(replace(at_hand, child=Born(at_hand.case.consultation_id, BORN, gone))) == []
    assert shown(old(stopped=gone)) == []
