"""What the staff of the city do about what they are told: consultations to their end, second ratings, tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from attune.simulate.acts import LONDON, Act, instant, working
from attune.simulate.chance import chance_of
from attune.simulate.family import observed
from attune.simulate.parameters import City
from attune.simulate.people import Staff
from attune_contracts.event import Event
from attune_contracts.referral import (
    CaseAssigned,
    CaseClosed,
    CaseHandedOver,
    ConsultationReported,
    ConsultationTriaged,
    ConsultationWithdrawn,
    DirectWorkEnded,
    DirectWorkStarted,
    TaskRaised,
    WaitingListJoined,
)
from attune_contracts.screening import SecondRatingRequested

NOT_NOW = frozenset((
    "consultation-not-open", "unknown-consultation", "held-before", "not-assigned", "direct-work-ended",
    "case-has-no-practitioner", "case-of-somebody-else", "case-only-offered", "no-direct-work", "direct-work-goes-on",
    "not-held-for-direct-work", "nothing-to-report", "reported-before",
))  # fmt: skip
"""What work on a case is refused with when it ended meanwhile (a family's loss, its moving away, a decision), was
handed over, or waits for whoever takes it next."""
_OUT_OF_HAND = (ConsultationReported, ConsultationTriaged, ConsultationWithdrawn, CaseClosed, CaseHandedOver,
                WaitingListJoined)  # fmt: skip
"""Reported, ended, or with nobody any more; who gets it next is told by a `CaseAssigned` of its own."""
DONE = frozenset({"task-not-open", "unknown-task"})
_OUTCOMES = ("advice", "health_visitor_plan", "joint_visit", "signposted")
_SESSIONS = 6


@dataclass(frozen=True, slots=True)
class Work:
    """The same events in the order of their key lead to the same acts, whenever they are heard."""

    seed: int
    city: City
    staff: Staff
    under_way: dict[UUID, DirectWorkStarted] = field(default_factory=dict)
    """Direct work that has begun: who is given its case goes on with it."""
    in_hand: set[UUID] = field(default_factory=set)
    """Consultations that somebody has and has not reported."""

    def after(self, event: Event) -> list[Act]:
        """What somebody does about an event, in the days that follow."""
        if isinstance(event, _OUT_OF_HAND):
            self.in_hand.discard(event.consultation_id)
        if isinstance(event, CaseAssigned):
            self.in_hand.add(event.consultation_id)
            return self._consultation(event)
        if isinstance(event, DirectWorkStarted):
            self.under_way[event.consultation_id] = event
            return self._direct_work(event, _local(event.started_at))
        if isinstance(event, DirectWorkEnded):
            self.under_way.pop(event.consultation_id, None)
        if isinstance(event, SecondRatingRequested):
            return self._second_rating(event)
        if isinstance(event, TaskRaised):
            return self._task(event)
        return []

    def _consultation(self, event: CaseAssigned) -> list[Act]:
        chance = chance_of(self.seed, f"case {event.consultation_id} {event.practitioner_id}")
        day = _local(event.assigned_at)
        acts = [
            self._act(event, "acknowledged", _later(day, 4 if chance.random() < 0.05 else 1), "acknowledgement", {})
        ]
        if event.consultation_id in self.under_way:
            return acts + self._direct_work(event, day)
        if chance.random() < 0.03:
            no = {"decision": "declined", "reason": "other_service_involved", "team_id": str(event.team_id),
                  "note": "Another service works with the family already."}  # fmt: skip
            return [*acts, self._act(event, "declined", _later(day, 2), "triage", no)]
        held = _later(day, chance.randint(3, 9) if chance.random() < 0.93 else 14)
        works = event.child_id is not None and chance.random() < self.city.direct_work
        outcome = "direct_work" if works else chance.choice(_OUTCOMES)
        acts.append(self._act(event, "held", held, "holding", {"outcome": outcome}))
        reported = _later(held, chance.randint(1, 3))
        plan = {"plan": "We thought about what helps, and agreed on the next steps."}
        acts.append(self._act(event, "reported", reported, "report", plan))
        if works:  # it begins when its practitioner has the points for it
            wanted = {"intervention": "video_interaction_guidance", "family_agrees": True,
                      "goals": ["More ease at bedtime."], "planned_sessions": _SESSIONS}  # fmt: skip
            return [*acts, self._act(event, "planned", _later(reported, 3), "direct-work", wanted, at="cases")]
        return [*acts, self._act(event, "closed", _later(reported, 2), "closure", {"reason": "completed"}, at="cases")]

    def _direct_work(self, event: CaseAssigned | DirectWorkStarted, day: date) -> list[Act]:
        chance = chance_of(self.seed, f"work {event.consultation_id} {event.practitioner_id}")
        acts = []
        for n in range(_SESSIONS):
            day = _later(day, 5)
            how = chance.choices(
                ("attended", "missed", "cancelled_by_family"), (0.8, self.city.missed, self.city.cancelled)
            )[0]
            session = {"attendance": how, "session_at": instant(day, 9).isoformat(), "setting": "home"}
            acts.append(self._act(event, f"session {n}", day, "sessions", session, at="cases"))
        last = _later(day, 2)
        end = {"reason": "goals_met", "goals": ["met"], "team_id": str(event.team_id),
               "onward_plan": "The health visitor goes on with the family."}  # fmt: skip
        acts.append(self._act(event, "ended", last, "direct-work/end", end, at="cases"))
        closed = _later(last, 2)
        return [*acts, self._act(event, "closed", closed, "closure", {"reason": "completed"}, at="cases")]

    def _act(
        self,
        event: CaseAssigned | DirectWorkStarted,
        what: str,
        day: date,
        route: str,
        body: dict[str, Any],
        *,
        at: str = "consultations",
    ) -> Act:
        case = str(event.consultation_id)
        path = f"POST /{at}/{case}/{route}"
        frees = route in ("closure", "triage", "direct-work", "direct-work/end")
        key = f"{what} {day} {case} {event.practitioner_id}"
        return Act(instant(day, 11), key, "referral", path, "specialist", body, case,
                   by=str(event.practitioner_id), alone=frees, may_be_refused=NOT_NOW)  # fmt: skip

    def _second_rating(self, event: SecondRatingRequested) -> list[Act]:
        screening = str(event.screening_id)
        chance = chance_of(self.seed, f"rating {screening}")
        day = _later(_local(event.requested_at), 2)
        raters = [p for p in self.staff.health_visitors if p.certified_from < 0 and p.id != event.first_rater_id]
        rater = str(chance.choice(raters).id)
        seen = observed(chance.choice(("no_concern", "no_concern", "monitor", "concern")), chance)
        body = {"observed": seen, "rated_by": rater, "rated_at": instant(day, 9).isoformat()}
        path = f"POST /screenings/{screening}/second-rating"
        return [Act(instant(day, 11), f"rated {screening}", "screening", path, "health_visitor", body, screening,
                    by=rater, may_be_refused=frozenset({"no-second-rating-asked", "rated-already"}))]  # fmt: skip

    def _task(self, event: TaskRaised) -> list[Act]:
        task = str(event.task_id)
        chance = chance_of(self.seed, f"task {event.kind} {event.about_id}")
        day = _later(_local(event.raised_at), chance.randint(1, 4))
        path = f"POST /tasks/{task}/completion"
        return [Act(instant(day, 11), f"done {task}", "referral", path, "team_lead", {}, task, may_be_refused=DONE)]


def _local(at: datetime) -> date:
    return at.astimezone(LONDON).date()


def _later(day: date, working_days: int) -> date:
    """So many days of the week later, bank holidays not left out: people are held up by them, and clocks know."""
    day = working(day)
    for _ in range(working_days):
        day = working(day + timedelta(days=1))
    return day
