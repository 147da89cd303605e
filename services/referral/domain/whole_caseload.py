"""A person hands over a whole caseload: first what it would come to, then exactly that, or nothing."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

from chassis.decision import Cause, Decision, Following, Reply
from chassis.value import replace, value
from services.referral.domain.assignment import Seats
from services.referral.domain.commands import HandOverCaseload, WhereNoPlace
from services.referral.domain.consultation import Consultation
from services.referral.domain.placing import case_handed_over, given_back, named, nobody_takes
from services.referral.domain.pool import Pool
from services.referral.domain.refusals import NotInThisPool, PreviewOutOfDate, TooManyCases

LIMIT = 500
"""Open cases of one team that one hand-over looks at."""


@value(frozen=True, slots=True)
class Caseloads:
    """A pool and its assigned open cases, the longest assigned first."""

    pool: Pool | None
    cases: tuple[Consultation, ...]


@value(frozen=True, slots=True)
class Move:
    """One case and where it goes; null: back on the list. A case that would stay has no move."""

    consultation_id: UUID
    to_practitioner_id: UUID | None


@value(frozen=True, slots=True)
class Load:
    """Points of one practitioner before and after."""

    practitioner_id: UUID
    capacity_points: int
    before: int
    after: int


@value(frozen=True, slots=True)
class Preview:
    """The effect of a hand-over, and the version under which it can be asked for."""

    version: str
    moves: tuple[Move, ...]
    stays: tuple[UUID, ...]
    loads: tuple[Load, ...]


class CaseloadHandedOver(Reply):
    """How many cases went to others and back on the list, and how many stayed."""

    version: str
    to_others: int
    to_the_list: int
    stayed: int


def preview(found: Caseloads, leaves: UUID, no_place: WhereNoPlace, cause: Cause) -> Preview:
    """Each case in turn by the rule of assignment, within the capacities; changes nothing."""
    return _effect(found, leaves, no_place, cause)[0]


def hand_over(found: Caseloads, command: HandOverCaseload, cause: Cause) -> Decision[CaseloadHandedOver]:
    """Refused where anything has changed since the preview that changes its effect."""
    effect, seats = _effect(found, command.from_practitioner_id, command.no_place, cause)
    if effect.version != command.preview:
        raise PreviewOutOfDate
    pool, cases = found.pool, {c.consultation_id: c for c in found.cases}
    assert pool is not None  # noqa: S101
    rows: list[object] = []
    events: list[Following] = []
    for move in effect.moves:
        case = cases[move.consultation_id]
        event = case_handed_over(case, command.from_practitioner_id, move.to_practitioner_id, "manual", cause.at)
        events.append(Following(event, case.correlation_id))
        if move.to_practitioner_id is None:
            waits = replace(given_back(case, pool.policy, cause.at), not_to=command.from_practitioner_id)
            rows.append(waits)
            raised = nobody_takes(waits, seats, cause)
            if raised is not None:
                rows.append(raised.task)
                events.append(raised.told)
        else:
            rows.append(named(case, move.to_practitioner_id, cause.at))
    if rows:
        rows.append(replace(seats.pool(pool), next_due_at=cause.at))
    back = sum(m.to_practitioner_id is None for m in effect.moves)
    reply: CaseloadHandedOver = {
        "version": effect.version,
        "to_others": len(effect.moves) - back,
        "to_the_list": back,
        "stayed": len(effect.stays),
    }
    return Decision(rows=tuple(rows), events=tuple(events), reply=reply, due=(pool.team_id,))


def _effect(found: Caseloads, leaves: UUID, no_place: WhereNoPlace, cause: Cause) -> tuple[Preview, Seats]:
    pool = found.pool
    if pool is None or leaves not in {m.practitioner_id for m in pool.members}:
        raise NotInThisPool(field="from_practitioner_id")
    if len(found.cases) >= LIMIT:
        raise TooManyCases
    seats = Seats(pool.members, cause.at)
    homes = {c.family_id: c.assigned_to for c in found.cases if c.family_id and c.assigned_to != leaves}
    moves: list[Move] = []
    stays: list[UUID] = []
    for case in found.cases:
        if case.assigned_to != leaves or case.status != "accepted":
            continue
        known = case.terms.prefers if case.terms is not None else None
        kin = homes.get(case.family_id) if case.family_id else None
        choice = seats.choose(case.points, case.language, kin, (*case.barred, leaves), known)
        if choice is None and no_place == "stays":
            stays.append(case.consultation_id)
            continue
        seats.give_back(leaves, case.points)
        if choice is not None:
            choice.seat.put(choice.seat.used + case.points)
            if case.family_id:
                homes[case.family_id] = choice.seat.id
        moves.append(Move(case.consultation_id, choice.seat.id if choice is not None else None))
    loads = tuple(
        Load(m.practitioner_id, m.capacity_points, m.used_points, seats.all[m.practitioner_id].used)
        for m in pool.members
        if m.left_at is None or m.used_points
    )
    return Preview(_version(moves, stays, loads), tuple(moves), tuple(stays), loads), seats


def _version(moves: list[Move], stays: list[UUID], loads: tuple[Load, ...]) -> str:
    """The same for the same effect: what does not change it may change meanwhile."""
    said = repr((moves, stays, loads)).encode()
    return blake2b(said, digest_size=8).hexdigest()
