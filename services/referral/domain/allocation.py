"""The pool at work: one look decides a batch of cases, so that capacity, caseload and waiting list never disagree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.referral import HandOverReason
from chassis.decision import NOTHING, Cause, Decision, Due, Following
from chassis.value import replace, value
from services.referral.domain.assignment import Choice, Seats
from services.referral.domain.consultation import Consultation
from services.referral.domain.placing import assigned, case_assigned, case_handed_over, joined_list, on_the_list
from services.referral.domain.pool import Pool, hand_over_reason

ASKED, WAITING, LEAVING, ENDED = 500, 100, 100, 500
"""Cases of each kind that one look reads at most; a pool with more stays due."""


@value(frozen=True, slots=True)
class PoolAtWork:
    """A pool and the cases that want something of it."""

    pool: Pool | None
    asked: tuple[Consultation, ...]
    """Accepted and not yet looked at, in the order of the waiting list."""
    waiting: tuple[Consultation, ...]
    """Looked at before, in the order of the list; read only where the pool had free points."""
    leaving: tuple[Consultation, ...]
    """Assigned to somebody who must hand over, latest first; read only where the pool has such a member."""
    ended: tuple[Consultation, ...]
    """Closed or withdrawn: with points to give back, or gone from a place that may have held up others."""
    siblings: tuple[Consultation, ...]
    """Open assigned cases of the families that want a place; read only where the pool had free points."""


def allocate(work: PoolAtWork, due: Due, cause: Cause) -> Decision:
    """Points of ended cases come back, cases leave those who cannot keep them, and whoever is first gets a place."""
    look = _Look(work, due.key, cause.at)
    look.take_points_back()
    if look.list_was_read:
        look.place_in_order(look.take_cases_away())
    return look.decision()


class _Look:
    """One look at one pool: the seats as they fill, and what follows for the cases."""

    def __init__(self, work: PoolAtWork, team_id: UUID, at: datetime) -> None:
        self.work, self.team_id, self.at = work, team_id, at
        self.before = work.pool or Pool(team_id, (), 0, hands_over=False, next_due_at=None)
        self.seats = Seats(self.before.members, at)
        # By number, because a UUID computes its hash in Python, twice for each case.
        self.homes = {c.family_id.int: c.assigned_to for c in work.siblings if c.status == "accepted" and c.family_id}
        self.again = len(work.asked) == ASKED or len(work.leaving) == LEAVING or len(work.ended) == ENDED
        self.leaving: dict[UUID, tuple[UUID, HandOverReason]] = {}
        self.rows: list[Consultation] = []
        self.events: list[Following] = []

    @property
    def list_was_read(self) -> bool:
        """False once points became free only now: nobody may be placed before the waiting list has been seen."""
        return self.before.free_points > 0 or not self.seats.any_free()

    def take_points_back(self) -> None:
        for case in self.work.ended:
            if case.unsettled and case.status != "accepted":
                if case.assigned_to is not None:
                    self.seats.give_back(case.assigned_to, case.points)
                self.rows.append(replace(case, unsettled=False))

    def take_cases_away(self) -> list[Consultation]:
        """Cases that leave their practitioner: all of them, or the latest ones where the capacity became smaller."""
        taken: list[Consultation] = []
        for case in self.work.leaving:
            if case.status != "accepted" or case.assigned_to is None:
                continue
            reason = hand_over_reason(self.seats.all[case.assigned_to].as_it_stands(), self.at)
            if reason is not None:
                self.seats.give_back(case.assigned_to, case.points)
                self.leaving[case.consultation_id] = case.assigned_to, reason
                taken.append(case)
        return taken

    def place_in_order(self, leaving: list[Consultation]) -> None:
        """Nobody is overtaken: whoever could take a waiting case, if enough points were free, takes none behind it."""
        work, seats = self.work, self.seats
        if not self.list_was_read:
            for case in leaving:
                self._keep_waiting(case)
            return
        asked = [c for c in work.asked if c.unsettled and c.status == "accepted"]
        waiting = [c for c in work.waiting if not c.unsettled and c.waiting_since is not None]
        last_read = _last_read(work)
        for case in sorted([*leaving, *asked, *waiting], key=_rank):
            if last_read is not None and case.rank > last_read:
                seats.open.clear()
            choice = None
            if seats.open:
                kin = self.homes.get(case.family_id.int) if case.family_id is not None else None
                choice = seats.choose(case.points, case.language, kin, case.not_to)
                if choice is not None:
                    self._place(case, choice)
                    continue
                seats.keep_for(case.points, case.not_to)
            self._keep_waiting(case)

    def _place(self, case: Consultation, choice: Choice) -> None:
        choice.seat.put(choice.seat.used + case.points)
        if case.family_id is not None:
            self.homes[case.family_id.int] = choice.seat.id
        placed = assigned(case, choice, self.at)
        self.rows.append(placed)
        left = self.leaving.get(case.consultation_id) if self.leaving else None
        if left is None:
            self._tell(case, case_assigned(placed, choice, self.at))
            self.again = self.again or (not case.unsettled and len(self.work.waiting) == WAITING)
        else:
            self._tell(case, case_handed_over(placed, left[0], choice.seat.id, left[1], self.at))

    def _keep_waiting(self, case: Consultation) -> None:
        left = self.leaving.get(case.consultation_id)
        if left is not None:
            self._tell(case, case_handed_over(case, left[0], None, left[1], self.at))
        elif case.unsettled:
            self._tell(case, joined_list(case, anybody=bool(self.seats.takers), at=self.at))
        else:
            return
        self.rows.append(on_the_list(case))

    def _cases_unread(self, pool: Pool) -> bool:
        """Somebody must hand over only since this look: their cases were not among those that it read."""
        known = {m.practitioner_id for m in self.before.members if m.must_hand_over}
        return pool.hands_over and any(m.must_hand_over and m.practitioner_id not in known for m in pool.members)

    def _tell(self, case: Consultation, event: Event) -> None:
        self.events.append(Following(event, case.correlation_id))

    def decision(self) -> Decision:
        pool = self.seats.pool(self.team_id)
        again = self.again or not self.list_was_read or self._cases_unread(pool)
        if again:
            pool = replace(pool, next_due_at=self.at)
        unchanged = pool == self.before
        if unchanged and not self.rows:
            return NOTHING
        rows = tuple(self.rows) if unchanged and self.work.pool is not None else (*self.rows, pool)
        return Decision(rows=rows, events=tuple(self.events), due=(self.team_id,) if again else ())


def _rank(case: Consultation) -> tuple[int, datetime, int]:
    return case.band, case.requested_at, case.consultation_id.int


def _last_read(work: PoolAtWork) -> tuple[int, datetime, int] | None:
    """The last case read of a kind that has more than one look reads: behind it somebody unseen may be first."""
    full: Sequence[Sequence[Consultation]] = [
        cases for cases, limit in ((work.asked, ASKED), (work.waiting, WAITING)) if len(cases) == limit
    ]
    return min((cases[-1].rank for cases in full), default=None)
