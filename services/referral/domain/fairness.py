"""How work is spread over a team: figures for its lead, of shares and refusals, without a ranking of people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from chassis.value import value
from services.referral.domain.pool import Pool, available


@value(frozen=True, slots=True)
class Count:
    """What is counted of one practitioner in the period."""

    practitioner_id: UUID
    open_cases: int = 0
    assigned: int = 0
    declined: int = 0
    lapsed: int = 0


@value(frozen=True, slots=True)
class Spread:
    """One practitioner among the others of the team."""

    practitioner_id: UUID
    available: bool
    capacity_points: int
    used_points: int
    share: float | None
    """Of the contracted capacity; null without one."""
    open_cases: int
    assigned: int
    declined: int
    lapsed: int


@value(frozen=True, slots=True)
class Fairness:
    """A team and everybody in it."""

    team_id: UUID
    since: datetime
    capacity_points: int
    used_points: int
    share: float | None
    difference: float
    """Between the largest and the smallest share of those who could take a case."""
    declined: int
    lapsed: int
    refused_share: float | None
    """Refusals among all that was given or offered in the period."""
    members: tuple[Spread, ...]


def fairness(pool: Pool, counts: Mapping[UUID, Count], since: datetime, at: datetime) -> Fairness:
    """Who left and has nothing any more is not shown; what they refused still counts for the team."""
    shown = [m for m in pool.members if m.left_at is None or m.used_points]
    members = tuple(
        Spread(
            practitioner_id=m.practitioner_id,
            available=available(m, at),
            capacity_points=m.capacity_points,
            used_points=m.used_points,
            share=_share(m.used_points, m.capacity_points),
            open_cases=(c := counts.get(m.practitioner_id, Count(m.practitioner_id))).open_cases,
            assigned=c.assigned,
            declined=c.declined,
            lapsed=c.lapsed,
        )
        for m in shown
    )
    shares = [m.share for m in members if m.available and m.share is not None]
    capacity, used = sum(m.capacity_points for m in members), sum(m.used_points for m in members)
    declined, lapsed = _sum(c.declined for c in counts.values()), _sum(c.lapsed for c in counts.values())
    return Fairness(
        team_id=pool.team_id,
        since=since,
        capacity_points=capacity,
        used_points=used,
        share=_share(used, capacity),
        difference=round(max(shares) - min(shares), 3) if shares else 0.0,
        declined=declined,
        lapsed=lapsed,
        refused_share=_share(declined + lapsed, declined + lapsed + _sum(c.assigned for c in counts.values())),
        members=members,
    )


def _sum(numbers: Iterable[int]) -> int:
    return sum(numbers)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
