"""A person moves a case to another practitioner, or back on the list: answered at once, within the capacity."""

from __future__ import annotations

from uuid import UUID

from chassis.decision import Cause, Decision, Reply
from chassis.value import replace, value
from services.referral.domain.assignment import Seat, Seats
from services.referral.domain.commands import HandOverCase
from services.referral.domain.consultation import Consultation, still_open
from services.referral.domain.placing import case_handed_over, given_back, named, nobody_takes
from services.referral.domain.pool import Pool, available
from services.referral.domain.refusals import (
    CaseAlreadyTheirs,
    CaseHasNoPractitioner,
    CaseOfAnotherTeam,
    NotInThisPool,
    PractitionerHasNoFreePlace,
    PractitionerUnavailable,
)


@value(frozen=True, slots=True)
class CaseInPool:
    """A case, and the pool of the team that the command names."""

    case: Consultation | None
    pool: Pool | None


class HandedOver(Reply):
    """Who has a case now; null while it waits."""

    consultation_id: UUID
    assigned_to: UUID | None


def hand_over(at_hand: CaseInPool, command: HandOverCase, cause: Cause) -> Decision[HandedOver]:
    """The case changes hands in the same step in which the points do."""
    case = still_open(at_hand.case)
    pool = at_hand.pool
    if case.team_id != command.team_id or pool is None:
        raise CaseOfAnotherTeam
    if case.assigned_to is None:
        raise CaseHasNoPractitioner
    if case.assigned_to == command.to_practitioner_id:
        raise CaseAlreadyTheirs
    seats = Seats(pool.members, cause.at)
    if command.to_practitioner_id is None:
        moved = replace(given_back(case, pool.policy, cause.at), not_to=case.assigned_to)
    else:
        seat = _free_seat(seats, command, case)
        seat.put(seat.used + case.points)
        moved = named(case, seat.id, cause.at)
    seats.give_back(case.assigned_to, case.points)
    event = case_handed_over(case, case.assigned_to, moved.assigned_to, "manual", cause.at)
    after = replace(seats.pool(pool), next_due_at=cause.at)
    reply: HandedOver = {"consultation_id": case.consultation_id, "assigned_to": moved.assigned_to}
    raised = nobody_takes(moved, seats, cause) if moved.assigned_to is None else None
    rows, events = ((), ()) if raised is None else ((raised.task,), (raised.told,))
    return Decision(rows=(moved, after, *rows), events=(event, *events), reply=reply, due=(pool.team_id,))


def _free_seat(seats: Seats, command: HandOverCase, case: Consultation) -> Seat:
    seat = seats.all.get(command.to_practitioner_id) if command.to_practitioner_id else None
    if seat is None:
        raise NotInThisPool
    if not available(seat.member, seats.at):
        raise PractitionerUnavailable
    if seat.capacity - seat.used < case.points:
        raise PractitionerHasNoFreePlace
    return seat
