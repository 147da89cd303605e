"""Whatever happens to a practitioner, in whatever order screening hears of it: certificates stay right."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from attune_contracts.event import Event
from attune_contracts.workforce import (
    AbsenceEnded,
    AbsenceStarted,
    CompetenceAwarded,
    CompetenceExpired,
    CompetenceSuspended,
)
from chassis.decision import Cause, Due, Refused
from services.screening.domain import certificate
from services.screening.domain.certificate import Certificates, standing
from services.workforce.domain import absence, competence
from services.workforce.domain.commands import EndAbsence, SuspendCompetence
from services.workforce.domain.practitioner import Practitioner
from tests.support.given import NOON, some_id
from tests.workforce.examples import ANNA, anna, awarding
from tests.workforce.examples import absence as absence_from

COMPETENCES = st.sampled_from(["eao_administration", "infant_mental_health"])
DAYS = st.integers(-20, 60)
HEARD = {
    CompetenceAwarded: certificate.awarded,
    CompetenceSuspended: certificate.suspended,
    CompetenceExpired: certificate.expired,
}


class Career(RuleBasedStateMachine):
    """One practitioner, with a calendar by hand as the judge."""

    def __init__(self) -> None:
        super().__init__()
        self.at = NOON
        self.state: Practitioner = anna()
        self.told: list[Event] = []
        self.awards: list[dict[str, Any]] = []
        self.absences = 0

    def decide(self, what: Any, given: Any) -> bool:
        try:
            decision = what(self.state, given, Cause(some_id("cause"), self.at))
        except Refused:
            return False
        self.told += decision.events
        for row in decision.rows:
            self.state = row
        return True

    @rule(what=COMPETENCES, begins=DAYS, days=st.integers(1, 60))
    def award(self, what: str, begins: int, days: int) -> None:
        valid_from = NOON + timedelta(days=begins)
        valid_until = valid_from + timedelta(days=days)
        assert self.decide(competence.award, awarding(valid_from, valid_until, what))
        same = [a for a in self.awards if (a["what"], a["from"], a["until"]) == (what, valid_from, valid_until)]
        if all(a["suspended"] is not None for a in same):
            made = {"what": what, "from": valid_from, "until": valid_until, "suspended": None}
            self.awards.append(made)

    @rule(what=COMPETENCES)
    def suspend(self, what: str) -> None:
        command = SuspendCompetence(practitioner_id=ANNA, competence=what, reason="conduct")
        before = len(self.told)
        if self.decide(competence.suspend, command) and len(self.told) > before:
            for a in self.awards:
                if a["what"] == what and a["suspended"] is None:
                    a["suspended"] = self.at

    @rule(begins=st.integers(0, 20), days=st.one_of(st.none(), st.integers(1, 20)))
    def plan_absence(self, begins: int, days: int | None) -> None:
        starts_at = self.at + timedelta(days=begins)
        until = None if days is None else starts_at + timedelta(days=days)
        command = absence_from(starts_at, until, absence_id=some_id(f"absence {self.absences}"))
        assert self.decide(absence.plan, command)
        self.absences += 1

    @precondition(lambda self: self.absences > 0)
    @rule(data=st.data())
    def end_absence(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, self.absences - 1))
        assert self.decide(absence.end, EndAbsence(practitioner_id=ANNA, absence_id=some_id(f"absence {n}")))

    @rule(hours=st.integers(1, 24 * 30), swept=st.booleans())
    def time_passes(self, hours: int, swept: bool) -> None:
        self.at += timedelta(hours=hours)
        if swept:
            assert self.decide(absence.clock, Due(ANNA))
            before = (self.state, len(self.told))
            assert self.decide(absence.clock, Due(ANNA))
            assert (self.state, len(self.told)) == before

    def truth(self, what: str, at: datetime) -> str:
        begun = [a for a in self.awards if a["what"] == what and a["from"] <= at]
        if any(at < a["until"] and (a["suspended"] is None or at < a["suspended"]) for a in begun):
            return "valid"
        stopped = any(a["what"] == what and a["suspended"] is not None and a["suspended"] <= at for a in self.awards)
        return "lapsed" if begun or stopped else "none"

    @invariant()
    def screening_knows_the_truth_in_any_order(self) -> None:
        heard = [e for e in self.told if type(e) in HEARD]
        shuffled = heard + heard[: len(heard) // 2]
        random.Random(len(heard)).shuffle(shuffled)
        for order in (heard, shuffled):
            held: Certificates | None = None
            for event in order:
                for row in HEARD[type(event)](held, event, Cause(some_id("cause"), self.at)).rows:  # type: ignore[operator]
                    held = row
            for what in ("eao_administration", "infant_mental_health"):
                for days in (-10, 0, 30):
                    at = self.at + timedelta(days=days, hours=1)
                    assert standing(held, what, at) == self.truth(what, at)

    @invariant()
    def every_absence_is_told_at_most_once(self) -> None:
        begun = [e.absence_id for e in self.told if isinstance(e, AbsenceStarted)]
        over = [e.absence_id for e in self.told if isinstance(e, AbsenceEnded)]
        assert len(begun) == len(set(begun))
        assert len(over) == len(set(over))
        assert set(over) <= set(begun)

    @invariant()
    def nothing_that_is_due_is_forgotten(self) -> None:
        counting = [a for a in self.state.competences if a.counts]
        coming = [a.valid_until if a.end_noticed else a.renewal_due_at for a in counting]
        coming += [a.starts_at for a in self.state.absences if not a.started and not a.ended]
        coming += [a.until for a in self.state.absences if a.started and not a.ended and a.until is not None]
        assert self.state.next_due_at == min(coming, default=None)


TestCareer = Career.TestCase
TestCareer.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
