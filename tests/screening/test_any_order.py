"""Whatever comes in whatever order, late, twice or corrected: nobody is forgotten, nothing rings for who is gone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from hypothesis import given as some
from hypothesis import settings
from hypothesis import strategies as st

from attune_contracts.screening import ScreeningDue, ScreeningMissed
from chassis.decision import Cause, Decision, Due, Refused
from chassis.working_days import LONDON
from services.screening.domain import attempt, correcting, ending, moving, screening, window
from services.screening.domain.attempt import AtAttempt
from services.screening.domain.child import Child
from services.screening.domain.commands import CorrectBirth, MoveChild, RecordAdoption, RecordDeath
from services.screening.domain.correcting import AtCorrection
from services.screening.domain.screening import Screening
from tests.screening import examples
from tests.screening.test_attempt import not_completed
from tests.screening.test_window import begun
from tests.support.given import some_id

BORN = st.dates(date(2026, 1, 1), date(2028, 3, 31))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["screen", "monitor", "try", "decline", "out", "in", "die", "adopt", "correct", "look"]),
        st.integers(0, 100),
    ),
    max_size=12,
)


class Story:
    """One child through the rules alone, with everything that was told."""

    def __init__(self, born_on: date) -> None:
        self.child, self.born_on, self.at = begun(born_on), born_on, datetime.combine(born_on, time(12), LONDON)
        self.screenings: list[Screening] = []
        self.told: list[tuple[datetime, Any]] = []
        self.turn = 0

    def day(self, number: int) -> datetime:
        return datetime.combine(self.born_on + timedelta(days=number), time(12), LONDON)

    def take(self, decision: Decision[Any]) -> None:
        for row in decision.rows:
            if isinstance(row, Child):
                self.child = row
            elif isinstance(row, Screening):
                self.screenings.append(row)
        self.told += [(self.at, e) for e in decision.told]

    def look(self) -> None:
        """Every clock that is due by now, at its own instant: as a service that is never late would."""
        now = self.at
        while self.child.next_due_at is not None and self.child.next_due_at <= now:
            self.at = self.child.next_due_at
            self.turn += 1
            before = self.child
            self.take(window.ring(self.child, Due(self.child.child_id), self.cause()))
            assert self.child != before, "a clock that rings moves on"
        self.at = now

    def cause(self) -> Cause:
        return Cause(some_id(f"turn {self.turn}"), self.at)

    def step(self, what: str, day: int) -> None:
        self.at = max(self.at, self.day(day))
        self.look()
        self.turn += 1
        try:
            self.take(self._decide(what))
        except Refused:
            return

    def _decide(self, what: str) -> Decision[Any]:
        now = self.at
        if what in ("screen", "monitor"):
            seen = examples.observed(turning_towards=2, answering=2) if what == "monitor" else examples.observed()
            command = examples.screening(
                screening_id=some_id(str(self.turn)), screened_at=now.isoformat(), observed=seen
            )
            return screening.record(examples.at_screening(self.child), command, self.cause())
        if what in ("try", "decline"):
            reason = "declined" if what == "decline" else "unsettled"
            tried = not_completed(
                screening_id=str(some_id(str(self.turn))), attempted_at=now.isoformat(), reason=reason
            )
            state = AtAttempt(self.child, examples.instrument(), examples.pathway(), None)
            return attempt.record_not_completed(state, tried, self.cause())
        return self._changed(what)

    def _changed(self, what: str) -> Decision[Any]:
        child_id, now = self.child.child_id, self.at
        if what in ("out", "in"):
            to = None if what == "out" else examples.TEAM
            return moving.move(self.child, MoveChild(child_id=child_id, to_team_id=to, moved_at=now), self.cause())
        if what == "die":
            return ending.record_death(self.child, RecordDeath(child_id=child_id, died_on=now.date()), self.cause())
        if what == "adopt":
            return ending.record_adoption(self.child, RecordAdoption(child_id=child_id), self.cause())
        if what == "correct":
            state_ = AtCorrection(self.child, tuple(self.screenings))
            moved = CorrectBirth(child_id=child_id, born_on=self.born_on - timedelta(days=self.turn % 5))
            return correcting.correct_birth(state_, moved, self.cause())
        return Decision()


def after(story: Story) -> Story:
    story.at = max(story.at, story.day(110))
    story.look()
    return story


@some(BORN, STEPS)
@settings(max_examples=400, deadline=None)
def test_nobody_is_forgotten(born_on: date, steps: list[tuple[str, int]]) -> None:
    story = Story(born_on)
    for what, day in steps:
        story.step(what, day)
    child = after(story).child
    missed = [e for _, e in story.told if isinstance(e, ScreeningMissed)]
    if child.ended is not None:
        assert child.next_due_at is None
    elif child.window_state == "met":
        assert child.covered_at_days is not None
        assert 29 <= child.covered_at_days <= 70
    else:
        assert child.window_state in ("missed", "too_late")
        away = any(type(e).__name__ == "ChildMoved" for _, e in story.told)
        assert missed or away, "shown as missed, unless it was away when the window closed"
    assert len(missed) <= 1 + sum(what == "correct" for what, _ in steps)


@some(BORN, STEPS)
@settings(max_examples=200, deadline=None)
def test_nothing_is_told_after_the_end(born_on: date, steps: list[tuple[str, int]]) -> None:
    story = Story(born_on)
    for what, day in steps:
        story.step(what, day)
    after(story)
    ends = [n for n, (_, e) in enumerate(story.told) if type(e).__name__ in ("ChildDied", "ChildAdopted")]
    assert len(ends) <= 1
    assert not ends or story.told[ends[0] + 1 :] == []


@some(BORN, STEPS)
@settings(max_examples=200, deadline=None)
def test_it_is_due_only_in_its_window(born_on: date, steps: list[tuple[str, int]]) -> None:
    """Without corrections: from 29 to 70 days of age, by the local day."""
    story = Story(born_on)
    for what, day in steps:
        if what != "correct":
            story.step(what, day)
    for at, event in after(story).told:
        if isinstance(event, ScreeningDue):
            assert 29 <= (at.astimezone(LONDON).date() - born_on).days <= 70


@some(BORN, st.lists(st.integers(0, 120), max_size=10))
def test_looking_early_or_twice_changes_nothing(born_on: date, looks: list[int]) -> None:
    """What is told is the same whether somebody looks exactly when it is due or also in between."""
    exact, often = Story(born_on), Story(born_on)
    for day in sorted(looks):
        often.at = often.day(day)
        often.look()
        often.take(window.ring(often.child, Due(often.child.child_id), often.cause()))
    assert [e for _, e in after(exact).told] == [e for _, e in after(often).told]
