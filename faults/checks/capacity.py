"""The journals replayed commit by commit: nobody was ever given more than they can take, and no case had two owners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from attune.fault import Fault
from attune_contracts.event import Event
from attune_contracts.referral import (
    CaseAssigned,
    CaseClosed,
    CaseHandedOver,
    ConsultationWithdrawn,
    DirectWorkEnded,
    DirectWorkStarted,
)
from attune_contracts.workforce import CapacityChanged, PractitionerRegistered
from faults.checks.facts import Judged, Observed

_GIVES_CAPACITY = (PractitionerRegistered, CapacityChanged)
_ENDS = (CaseClosed, ConsultationWithdrawn)
_MOVES_A_CASE = (CaseAssigned, CaseHandedOver, *_ENDS, DirectWorkStarted, DirectWorkEnded)


def capacity_is_never_exceeded(seen: Observed) -> Judged:
    """After each transaction of referral in which somebody was given a case, they hold no more than their capacity.

    What workforce says about capacity counts from the transaction in which referral handled it. Who has more than a
    reduced capacity may keep it until it is handed over, but is given nothing. Direct work weighs from the moment in
    which it is told.
    """
    steps = sorted(_steps(seen), key=itemgetter(0, 1, 2))
    given = sum(isinstance(event, CaseAssigned | CaseHandedOver) for *_, event in steps)
    return given, _Replay().faults(steps)


_Step = tuple[int, int, int, Event]
"""Transaction, capacity before cases, sequence within the key, event."""


def _steps(seen: Observed) -> Iterator[_Step]:
    applied = seen.inbox.get("referral", {})
    for t in seen.kept.journal:
        if t.service == "referral" and isinstance(t.event, _MOVES_A_CASE):
            yield t.transaction, 1, t.sequence, t.event
        elif isinstance(t.event, _GIVES_CAPACITY) and t.event_id in applied:
            yield applied[t.event_id].transaction, 0, t.sequence, t.event


class _Replay:
    """Who has which case, and how many points that makes."""

    def __init__(self) -> None:
        self.capacity: dict[UUID, int] = {}
        self.owner: dict[UUID, tuple[UUID, int]] = {}
        self.held: Counter[UUID] = Counter()
        self.before_work: dict[UUID, int] = {}
        """What each case weighed before its direct work."""

    def faults(self, steps: list[_Step]) -> Iterator[Fault]:
        for transaction, together in groupby(steps, key=itemgetter(0)):
            given: set[UUID] = set()
            for *_, event in together:
                yield from self._apply(event, given)
            for who in sorted(given):
                if self.held[who] > self.capacity.get(who, 0):
                    points = f"{self.held[who]} points of {self.capacity.get(who, 0)}"
                    yield Fault("wrong", f"{who} was given a case in transaction {transaction} and had {points}")

    def _apply(self, e: Event, given: set[UUID]) -> Iterator[Fault]:
        if isinstance(e, PractitionerRegistered | CapacityChanged):
            self.capacity[e.practitioner_id] = e.capacity_points
        elif isinstance(e, CaseAssigned):
            if e.consultation_id in self.owner:
                yield Fault("twice", f"case {e.consultation_id} was assigned while it had a practitioner")
            self._give(e.consultation_id, e.practitioner_id, e.points, given)
        elif isinstance(e, CaseHandedOver):
            if self.owner.get(e.consultation_id, (None, 0))[0] != e.from_practitioner_id:
                yield Fault("wrong", f"case {e.consultation_id} was handed over by somebody who did not have it")
            self._take(e.consultation_id)
            if e.to_practitioner_id is not None:
                self._give(e.consultation_id, e.to_practitioner_id, e.points, given)
        elif isinstance(e, DirectWorkStarted):
            self.before_work[e.consultation_id] = self.owner.get(e.consultation_id, (None, e.points))[1]
            self._weigh(e.consultation_id, e.points)
        elif isinstance(e, DirectWorkEnded):
            _, weighs = self.owner.get(e.consultation_id, (None, 0))
            self._weigh(e.consultation_id, min(weighs, self.before_work.pop(e.consultation_id, weighs)))
        elif isinstance(e, _ENDS):
            self._take(e.consultation_id)

    def _give(self, case: UUID, who: UUID, points: int, given: set[UUID]) -> None:
        self._take(case)
        self.owner[case] = who, points
        self.held[who] += points
        given.add(who)

    def _weigh(self, case: UUID, points: int) -> None:
        who, before = self.owner.get(case, (None, 0))
        if who is not None:
            self.owner[case] = who, points
            self.held[who] += points - before

    def _take(self, case: UUID) -> None:
        who, points = self.owner.pop(case, (None, 0))
        if who is not None:
            self.held[who] -= points
