"""A team's pool: its practitioners, the points each has in use, and what the passing of time does to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from attune_contracts.referral import HandOverReason
from chassis.value import replace, value
from services.referral.domain.policy import Policy

COMPETENCE = "infant_mental_health"
"""What a practitioner has to be certified for to take a case."""


@value(frozen=True, slots=True)
class Competence:
    """Counts from `valid_from` until just before `valid_until`."""

    code: str
    valid_from: datetime
    valid_until: datetime


@value(frozen=True, slots=True)
class Absence:
    """Ends at `until` even where nobody reports the return; with null only when the return is reported."""

    absence_id: UUID
    until: datetime | None
    hand_over: bool


@value(frozen=True, slots=True)
class Member:
    """A practitioner of the pool. `used_points` is the sum over the cases whose points have not been given back."""

    practitioner_id: UUID
    capacity_points: int
    capacity_since: datetime
    used_points: int
    languages: tuple[str, ...]
    competences: tuple[Competence, ...] = ()
    absences: tuple[Absence, ...] = ()
    left_at: datetime | None = None
    must_hand_over: HandOverReason | None = None
    """Why the cases, or those beyond the capacity, need another owner; as of the last look at the pool."""


@value(frozen=True, slots=True)
class Pool:
    """The row whose version guards the capacity: every change of anybody's used points goes through it."""

    team_id: UUID
    members: tuple[Member, ...]
    free_points: int
    """Largest number of free points of one member who could take a case; the list is only read where it is not 0."""
    hands_over: bool
    """Somebody must hand over cases; they are only read where this is true."""
    next_due_at: datetime | None
    """When to look again: at once, or when a competence begins or ends or an absence ends."""
    policy: Policy | None = None
    """The team's own; null for the standard."""


def competent(member: Member, at: datetime) -> bool:
    return any(c.code == COMPETENCE and c.valid_from <= at < c.valid_until for c in member.competences)


def away(member: Member, at: datetime) -> bool:
    return any(a.until is None or at < a.until for a in member.absences)


def available(member: Member, at: datetime) -> bool:
    """May take cases as far as points allow."""
    return member.left_at is None and competent(member, at) and not away(member, at)


def hand_over_reason(member: Member, at: datetime) -> HandOverReason | None:
    """Why cases of this member need another owner; null where there are none or they can stay."""
    if not member.used_points:
        return None
    if member.left_at is not None:
        return "practitioner_left"
    if not competent(member, at):
        return "competence_lost"
    if any(a.hand_over and (a.until is None or at < a.until) for a in member.absences):
        return "absence"
    return "capacity_reduced" if member.used_points > member.capacity_points else None


def seen(team_id: UUID, members: Iterable[Member], policy: Policy | None, at: datetime) -> Pool:
    """The pool as it stands at `at`: who is free, who must hand over, and when that changes by itself."""
    looked_at: list[Member] = []
    free, hands_over = 0, False
    changes: list[datetime] = []
    for found in members:
        member, reason = found, hand_over_reason(found, at)
        if reason != member.must_hand_over:
            member = replace(member, must_hand_over=reason)
        hands_over = hands_over or reason is not None
        if available(member, at):
            free = max(free, member.capacity_points - member.used_points)
        if member.left_at is None:
            changes += [t for c in member.competences if c.code == COMPETENCE for t in (c.valid_from, c.valid_until)]
            changes += [a.until for a in member.absences if a.until is not None]
        looked_at.append(member)
    return Pool(
        team_id=team_id,
        members=tuple(looked_at),
        free_points=free,
        hands_over=hands_over,
        next_due_at=min((t for t in changes if t > at), default=None),
        policy=policy,
    )
