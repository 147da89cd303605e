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
from services.referral.domain.placing import (
    assigned,
    case_assigned,
    case_handed_over,
    given_back,
    grown,
    in_line,
    joined_list,
    nobody_takes,
    on_the_list,
    weighed,
)
from services.referral.domain.pool import Pool, hand_over_reason
from services.referral.domain.tasks import Task

ASKED, WAITING, LEAVING, ENDED = 500, 100, 100, 500
"""Cases of each kind that one look reads at most; a pool with more stays due."""
KIN = 12
"""Open cases of one family that are looked at."""


@value(frozen=True, slots=True)
class PoolAtWork:
    """A pool and the cases that want something of it."""

    pool: Pool | None
    asked: tuple[Consultation, ...]
    """Accepted and not yet looked at, or about to begin direct work, in the order of the waiting list."""
    waiting: tuple[Consultation, ...]
    """Looked at before, in the order of the list; read only where the pool had free points."""
    leaving: tuple[Consultation, ...]
    """Assigned to somebody who must hand over, latest first; read only where the pool has such a member."""
    ended: tuple[Consultation, ...]
    """Closed or withdrawn: with points to give back, or gone from a place that may have held up others; or open and
    to leave its practitioner, who refused it."""
    siblings: tuple[Consultation, ...]
    """Open assigned cases of the families that want a place; read only where the pool had free points."""
    asking: tuple[Consultation, ...] = ()
    """Accepted in this very moment, by an input that set the pool to work; no read can find them yet."""
    kin: tuple[Consultation, ...] = ()
    """Open assigned cases of the families of `asking`."""


def allocate(work: PoolAtWork, due: Due, cause: Cause) -> Decision:
    """Points of ended cases come back, cases leave those who cannot keep them, and whoever is first gets a place."""
    look = _Look(work, due.key, cause)
    look.take_points_back()
    look.take_refused_away()
    if look.list_was_read:
        look.take_cases_away()
    look.place_in_order()
    return look.decision()


class _Look:
    """One look at one pool: the seats as they fill, and what follows for the cases."""

    def __init__(self, work: PoolAtWork, team_id: UUID, cause: Cause) -> None:
        self.work, self.team_id, self.cause, self.at = work, team_id, cause, cause.at
        self.before = work.pool or Pool(team_id, (), 0, hands_over=False, next_due_at=None)
        self.policy = self.before.policy
        self.seats = Seats(self.before.members, self.at)
        # By number, because a UUID computes its hash in Python, twice for each case.
        self.homes = {
            c.family_id.int: c.assigned_to
            for c in (*work.kin, *work.siblings)
            if c.status == "accepted" and c.family_id
        }
        self.again = len(work.asked) == ASKED or len(work.leaving) == LEAVING or len(work.ended) == ENDED
        self.leaving: dict[UUID, tuple[UUID, HandOverReason]] = {}
        self.taken: list[Consultation] = []
        self.rows: list[Consultation] = []
        self.tasks: list[Task] = []
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

    def take_refused_away(self) -> None:
        """Cases whose practitioner declined them, or let the offer pass."""
        for case in self.work.ended:
            if case.unsettled and case.status == "accepted" and case.assigned_to is not None and case.terms is not None:
                refused_by = (*case.terms.refused_by, case.assigned_to)
                refused = replace(case, terms=replace(case.terms, refused_by=refused_by))
                self._take(refused, case.assigned_to, case.terms.leaves or "manual")

    def take_cases_away(self) -> None:
        """Cases that leave their practitioner: all of them, or the latest ones where the capacity became smaller."""
        for case in self.work.leaving:
            if case.status != "accepted" or case.assigned_to is None or case.consultation_id in self.leaving:
                continue
            reason = hand_over_reason(self.seats.all[case.assigned_to].as_it_stands(), self.at)
            if reason is not None:
                self._take(case, case.assigned_to, reason)

    def _take(self, case: Consultation, owner: UUID, reason: HandOverReason) -> None:
        self.seats.give_back(owner, case.points)
        self.leaving[case.consultation_id] = owner, reason
        self.taken.append(in_line(case, self.policy))

    def place_in_order(self) -> None:
        """Nobody is overtaken: whoever could take a waiting case, if enough points were free, takes none behind it."""
        seats = self.seats
        if not self.list_was_read:
            for case in self.taken:
                self._keep_waiting(case)
            return
        last_read = _last_read(self.work)
        for case in sorted(self._line(), key=_rank):
            if last_read is not None and case.rank > last_read:
                seats.open.clear()
            if case.waiting_since is None and case.consultation_id not in self.leaving:
                self._grow(case)
                continue
            if seats.open:
                barred = case.barred
                choice = self._choice(case, barred)
                if choice is not None:
                    self._place(case, choice)
                    continue
                seats.keep_for(case.points, barred)
            self._keep_waiting(case)

    def _line(self) -> list[Consultation]:
        """Everybody who wants points: a place, another owner, or more of their practitioner's for direct work."""
        asked = [c for c in self.work.asked if c.unsettled and c.place is not None]
        if self.work.asking:
            read = {c.consultation_id.int for c in self.work.asked}
            asked += [c for c in self.work.asking if c.consultation_id.int not in read]
        if self.policy is not None:
            asked = [weighed(c, self.policy) for c in asked]
        line = [*asked, *[c for c in self.work.waiting if not c.unsettled and c.place is not None]]
        if self.leaving:
            line = [*self.taken, *[c for c in line if c.consultation_id not in self.leaving]]
        return line

    def _choice(self, case: Consultation, barred: tuple[UUID, ...]) -> Choice | None:
        kin = self.homes.get(case.family_id.int) if case.family_id is not None else None
        known = case.terms.prefers if case.terms is not None else None
        return self.seats.choose(case.points, case.language, kin, barred, known)

    def _grow(self, case: Consultation) -> None:
        """Direct work begins as soon as its practitioner has the points for it; who is behind does not get them."""
        row = grown(case)
        seat = self.seats.of(case)
        if row.points <= case.points or self.seats.could_add(seat, row.points - case.points):
            seat.put(seat.used + row.points - case.points)
            self.rows.append(row)
            self.again = self.again or len(self.work.waiting) == WAITING
            return
        self.seats.keep(seat, row.points)
        if case.unsettled:
            self.rows.append(replace(case, unsettled=False))

    def _place(self, case: Consultation, choice: Choice) -> None:
        choice.seat.put(choice.seat.used + case.points)
        if case.family_id is not None:
            self.homes[case.family_id.int] = choice.seat.id
        placed = assigned(case, choice, self.policy, self.cause)
        self.rows.append(placed)
        left = self.leaving.get(case.consultation_id) if self.leaving else None
        if left is None:
            self._tell(case, case_assigned(placed, choice, self.at))
            self.again = self.again or (not case.unsettled and len(self.work.waiting) == WAITING)
        else:
            self._tell(case, case_handed_over(placed, left[0], choice.seat.id, left[1], self.at))
        self.again = self.again or placed.place is not None

    def _keep_waiting(self, case: Consultation) -> None:
        left = self.leaving.get(case.consultation_id)
        if left is None and not case.unsettled:
            return
        waits = on_the_list(case, self.policy) if left is None else given_back(case, self.policy, self.at)
        self.rows.append(waits)
        if left is None:
            self._tell(case, joined_list(case, anybody=bool(self.seats.takers), at=self.at))
        else:
            self._tell(case, case_handed_over(case, left[0], None, left[1], self.at))
        raised = nobody_takes(waits, self.seats, self.cause)
        if raised is not None:
            self.tasks.append(raised.task)
            self.events.append(raised.told)

    def _cases_unread(self, pool: Pool) -> bool:
        """Somebody must hand over only since this look: their cases were not among those that it read."""
        known = {m.practitioner_id for m in self.before.members if m.must_hand_over}
        return pool.hands_over and any(m.must_hand_over and m.practitioner_id not in known for m in pool.members)

    def _tell(self, case: Consultation, event: Event) -> None:
        self.events.append(Following(event, case.correlation_id))

    def decision(self) -> Decision:
        pool = self.seats.pool(self.before)
        again = self.again or not self.list_was_read or self._cases_unread(pool)
        if again:
            pool = replace(pool, next_due_at=self.at)
        unchanged = pool == self.before
        if unchanged and not self.rows:
            return NOTHING
        rows = (*self.rows, *self.tasks)
        if not unchanged or self.work.pool is None:
            rows = (*rows, pool)
        return Decision(rows=rows, events=tuple(self.events), due=(self.team_id,) if again else ())


def _rank(case: Consultation) -> tuple[datetime, int]:
    return case.rank


def _last_read(work: PoolAtWork) -> tuple[datetime, int] | None:
    """The last case read of a kind that has more than one look reads: behind it somebody unseen may be first."""
    full: Sequence[Sequence[Consultation]] = [
        cases for cases, limit in ((work.asked, ASKED), (work.waiting, WAITING)) if len(cases) == limit
    ]
    return min((cases[-1].rank for cases in full), default=None)
