"""The rule by which a case finds its practitioner: `lightest-share` version 2, which anybody can repeat by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from attune_contracts.referral import Preference
from chassis.value import replace
from services.referral.domain.consultation import Consultation
from services.referral.domain.pool import Member, Pool, available, seen

RULE = "lightest-share"
RULE_VERSION = 2


class Seat:
    """One member while a batch is decided."""

    __slots__ = ("capacity", "id", "languages", "member", "share", "used")

    def __init__(self, member: Member) -> None:
        self.member = member
        self.id = member.practitioner_id
        self.languages = frozenset(member.languages)
        self.capacity = member.capacity_points
        self.put(member.used_points)

    def put(self, used: int) -> None:
        """The points in use and what they are of the contracted capacity."""
        self.used = used
        self.share = used / self.capacity if self.capacity else 1.0

    def as_it_stands(self) -> Member:
        return self.member if self.used == self.member.used_points else replace(self.member, used_points=self.used)


class Choice(NamedTuple):
    """Who takes the case, why this one, and among how many who could have."""

    seat: Seat
    because: Preference
    candidates: int


class Seats:
    """The members of a pool while a batch is decided: the only place where points are taken and given back."""

    def __init__(self, members: Iterable[Member], at: datetime) -> None:
        self.at = at
        self.all = {m.practitioner_id: Seat(m) for m in members}
        takers = [s for s in self.all.values() if available(s.member, at)]
        self.takers = sorted(takers, key=lambda s: s.id.int)
        self.open = list(self.takers)
        """Takers for whose points nobody in front waits."""

    def choose(
        self, points: int, language: str, kin: UUID | None, barred: Sequence[UUID], known: UUID | None = None
    ) -> Choice | None:
        """The sibling's practitioner, else whom the family knows, else one who speaks the language, else any.

        Of these the lightest share, then the id.
        """
        best: Seat | None = None
        speaker: Seat | None = None
        of_kin: Seat | None = None
        familiar: Seat | None = None
        candidates = speakers = 0
        for seat in self.open:
            if seat.capacity - seat.used < points or (barred and seat.id in barred):
                continue
            candidates += 1
            if best is None or seat.share < best.share:
                best = seat
            if language in seat.languages:
                speakers += 1
                if speaker is None or seat.share < speaker.share:
                    speaker = seat
            if kin is not None and seat.id == kin:
                of_kin = seat
            if known is not None and seat.id == known:
                familiar = seat
        if best is None:
            return None
        if of_kin is not None:
            return Choice(of_kin, "same_practitioner_for_sibling", candidates)
        if familiar is not None:
            return Choice(familiar, "continuity", candidates)
        if speaker is not None:
            return Choice(speaker, "language" if speakers < candidates else "lightest_share", candidates)
        return Choice(best, "lightest_share", candidates)

    def keep_for(self, points: int, barred: Sequence[UUID]) -> None:
        """A case waits: whoever could hold it, if only enough points were free, is closed to everybody behind it."""
        self.open = [s for s in self.open if s.capacity < points or s.id in barred]

    def of(self, case: Consultation) -> Seat:
        """Whoever has the case."""
        assert case.assigned_to is not None  # noqa: S101
        return self.all[case.assigned_to]

    def could_add(self, seat: Seat, points: int) -> bool:
        """Nobody in front waits for these points, and there are enough."""
        return seat in self.open and seat.capacity - seat.used >= points

    def keep(self, seat: Seat, points: int) -> None:
        """A case waits for points of its own practitioner, who is closed to everybody behind it, if it can ever be."""
        if seat in self.open and seat.capacity >= points:
            self.open.remove(seat)

    def any_free(self) -> bool:
        return any(s.used < s.capacity for s in self.takers)

    def give_back(self, practitioner_id: UUID, points: int) -> None:
        seat = self.all[practitioner_id]
        seat.put(seat.used - points)

    def pool(self, before: Pool) -> Pool:
        """The pool as it stands when the batch is decided."""
        return seen(before.team_id, [s.as_it_stands() for s in self.all.values()], before.policy, self.at)
