"""The referral service without I/O: the same rules over dictionaries, with an inbox, a journal and a clock to set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.screening import ScreeningCompleted
from chassis.decision import Cause, Decision, Due, Refused
from services.referral.domain import allocation, direct_work, offer
from services.referral.domain.allocation import PoolAtWork, allocate
from services.referral.domain.catalogue import Intervention
from services.referral.domain.clocks import Course, look
from services.referral.domain.commands import (
    AcknowledgeConsultation,
    HandOverCase,
    HandOverCaseload,
    HoldConsultation,
    ReopenConsultation,
    RequestConsultation,
    TriageConsultation,
)
from services.referral.domain.consultation import Consultation, RequestAtHand, concern_id
from services.referral.domain.direct_work import AtEnd, AtPlanning, AtWork, DirectWork
from services.referral.domain.hand_over import CaseInPool
from services.referral.domain.offer import Refusal
from services.referral.domain.pool import Pool
from services.referral.domain.progress import Holding, Progress
from services.referral.domain.rules import Rules
from services.referral.domain.triage import AtTriage
from services.referral.domain.whole_caseload import Caseloads
from services.referral.domain.work_commands import EndDirectWork, PlanDirectWork
from tests.support.given import NOON, some_id

Decide = Callable[[Any, Any, Cause], Decision]


class Ledger:
    """Everything the service has stored and told. `handle` is one input in a batch of its own."""

    catalogue: Intervention
    """The one intervention that anybody plans."""

    def __init__(self) -> None:
        self.now: datetime = NOON
        self.cases: dict[UUID, Consultation] = {}
        self.pools: dict[UUID, Pool] = {}
        self.courses: dict[UUID, Progress] = {}
        self.rules: Rules | None = None
        self.inbox: set[UUID] = set()
        self.journal: list[Event] = []
        self.refusals: list[Refusal] = []
        self.works: dict[UUID, DirectWork] = {}

    def handle(self, decide: Decide, data: Any, input_id: UUID, *, by: UUID | None = None) -> Decision | None:
        """The decision, or None where the input was a duplicate or was refused."""
        if input_id in self.inbox:
            return None
        try:
            decision = decide(self._state(data), data, Cause(input_id, self.now, str(by) if by else ""))
        except Refused:
            return None
        self.inbox.add(input_id)
        self._save(decision)
        return decision

    def look(self, team: UUID) -> Decision:
        """A sweep, whether or not the pool is due."""
        decision = allocate(self.at_work(team), Due(team), Cause(some_id("clock"), self.now))
        self._save(decision)
        return decision

    def due(self) -> list[UUID]:
        unsettled = {c.team_id for c in self.cases.values() if c.unsettled}
        timed = {p.team_id for p in self.pools.values() if p.next_due_at is not None and p.next_due_at <= self.now}
        return sorted(unsettled | timed)

    def lapse(self) -> None:
        """The clock of the offers."""
        for case in [c for c in self.cases.values() if c.accept_by is not None and c.accept_by <= self.now]:
            self._save(offer.lapse(case, Due(case.consultation_id), Cause(some_id("clock"), self.now)))

    def follow(self) -> None:
        """The clock of direct work, which is looked at whether or not it is due."""
        for work in list(self.works.values()):
            found = AtWork(self.cases[work.consultation_id], work)
            self._save(direct_work.follow(found, Due(work.consultation_id), Cause(some_id("clock"), self.now)))

    def pass_time(self, by: timedelta) -> None:
        self.now += by

    def _save(self, decision: Decision) -> None:
        for row in decision.rows:
            if isinstance(row, Pool):
                self.pools[row.team_id] = row
            elif isinstance(row, Consultation):
                self.cases[row.consultation_id] = row
            elif isinstance(row, DirectWork):
                self.works[row.consultation_id] = row
            elif isinstance(row, Progress):
                self.courses[row.consultation_id] = row
            elif isinstance(row, Refusal):
                self.refusals.append(row)
        self.journal += decision.told

    def _state(self, data: Any) -> Any:
        if isinstance(data, ScreeningCompleted):
            return self.cases.get(concern_id(data.screening_id))
        if isinstance(data, RequestConsultation):
            about = [c for c in self.cases.values() if data.child_id and c.child_id == data.child_id and c.family_id]
            existing = self.cases.get(data.consultation_id) if data.consultation_id else None
            return RequestAtHand(existing, tuple(about[:1]), rules=self.rules)
        if isinstance(data, HandOverCase):
            return CaseInPool(self.cases.get(data.consultation_id), self.pools.get(data.team_id))
        if isinstance(data, PlanDirectWork | EndDirectWork | HandOverCaseload):
            return self._state_of_work(data)
        if hasattr(data, "consultation_id"):
            return self._of_consultation(data)
        return self.pools.get(data.team_id)

    def _state_of_work(self, data: PlanDirectWork | EndDirectWork | HandOverCaseload) -> Any:
        if isinstance(data, HandOverCaseload):
            held = [c for c in self.cases.values() if c.status == "accepted" and c.assigned_to]
            return Caseloads(self.pools.get(data.team_id), tuple(c for c in held if c.team_id == data.team_id))
        case, work = self.cases.get(data.consultation_id), self.works.get(data.consultation_id)
        if isinstance(data, PlanDirectWork):
            return AtPlanning(case, work, self.catalogue, self._held(data.consultation_id))
        return AtEnd(case, work, self.pools.get(data.team_id), None)

    def _of_consultation(self, data: Any) -> Any:
        if isinstance(data, TriageConsultation):
            other = self.pools.get(data.to_team_id) if data.to_team_id else None
            return AtTriage(*self._course(data.consultation_id), self.pools.get(data.team_id), other)
        if isinstance(data, AcknowledgeConsultation | HoldConsultation | ReopenConsultation):
            return Course(*self._course(data.consultation_id))
        return self.cases.get(data.consultation_id)

    def _course(self, id_: UUID) -> tuple[Any, ...]:
        return self.cases.get(id_), self.courses.get(id_), self.rules, None, self.works.get(id_)

    def look_at_clocks(self) -> None:
        """The sweep of the courses: those that are due, and whatever is old enough to get a row."""
        late = {p.consultation_id for p in self.courses.values() if p.next_due_at and p.next_due_at <= self.now}
        new = {c.consultation_id for c in self.cases.values() if c.acknowledged_at is None and c.ended_at is None}
        for id_ in sorted(late | (new - self.courses.keys())):
            self._save(look(Course(*self._course(id_)), Due(id_), Cause(some_id("clock"), self.now)))

    def _held(self, consultation_id: UUID) -> Progress:
        """As if every consultation had been held and come to direct work."""
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        holding = Holding(1, "direct_work", NOON, some_id("ann"))
        return Progress(consultation_id, None, long_ago, holdings=(holding,))

    def at_work(self, team: UUID) -> PoolAtWork:
        """What `store.pool_at_work` reads, in the same order and within the same limits."""
        pool = self.pools.get(team)
        ours = [c for c in self.cases.values() if c.team_id == team]
        accepted = [c for c in ours if c.status == "accepted"]
        free = pool is not None and pool.free_points > 0
        handing = {m.practitioner_id for m in pool.members if m.must_hand_over} if pool and pool.hands_over else set()
        asked = sorted((c for c in accepted if c.unsettled and c.place), key=lambda c: c.rank)[: allocation.ASKED]
        listed = sorted((c for c in accepted if c.place and not c.unsettled), key=lambda c: c.rank)
        waiting = listed[: allocation.WAITING] if free else []
        families = {c.family_id for c in (*asked, *waiting) if c.family_id}
        held = sorted((c for c in accepted if c.assigned_at), key=lambda c: c.assigned_at or NOON)
        return PoolAtWork(
            pool=pool,
            asked=tuple(asked),
            waiting=tuple(waiting),
            leaving=tuple(c for c in reversed(held) if c.assigned_to in handing)[: allocation.LEAVING],
            ended=tuple(c for c in ours if c.unsettled and not c.place)[: allocation.ENDED],
            siblings=tuple(c for c in held if free and c.family_id in families),
        )
