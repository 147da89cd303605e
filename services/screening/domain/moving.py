"""Children who move: to another team, out of the area, back again, or here for the first time."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace
from services.screening.domain.birth import (
    AtBirth,
    BirthRecordedDifferently,
    NhsNumberInUse,
    PregnancyDoesNotMatch,
    born_event,
    check_date,
)
from services.screening.domain.calendar import age_days
from services.screening.domain.child import Child, NoLiveBirth, alive_here, counted, in_team, moved_event
from services.screening.domain.commands import MoveChild, RecordArrival
from services.screening.domain.eligibility import CLOCK_TOLERANCE, BeforeBirth, InFuture
from services.screening.domain.window import begin, come_back, wind


class MovedSince(Refused):
    """A later move of this child is recorded already."""

    field = "moved_at"


class Moved(Reply):
    """Who looks after the child now; nobody here, where it moved out of the area."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID | None


def move(child: Child | None, command: MoveChild, cause: Cause) -> Decision[Moved]:
    """A child comes to another team, leaves the area, or comes back to it; its clocks rest while it is away."""
    child = alive_here(child)
    if child.birth == "still":
        raise NoLiveBirth
    moved_at = command.moved_at.astimezone(UTC)
    if moved_at > cause.at + CLOCK_TOLERANCE:
        raise InFuture(field="moved_at")
    here = child.team_here
    if here == command.to_team_id:
        return Decision(reply=_moved(child))
    if child.moved_at is not None and moved_at < child.moved_at:
        raise MovedSince
    return _to(child, here, command.to_team_id, moved_at, cause)


def arrive(state: AtBirth, command: RecordArrival, cause: Cause) -> Decision[Moved]:
    """A child came to live here: a new record for one that nobody here knew, the old one for one that is back."""
    arrived_at = command.arrived_at.astimezone(UTC)
    if arrived_at > cause.at + CLOCK_TOLERANCE:
        raise InFuture(field="arrived_at")
    check_date(command.born_on, cause)
    if age_days(command.born_on, arrived_at) < 0:
        raise BeforeBirth(field="arrived_at")
    known = state.child if command.child_id is not None else next(iter(state.same_number), None)
    if known is not None:
        return _comes_back(known, command, arrived_at, cause)
    if state.same_number:
        raise NhsNumberInUse
    if any(other.ended == "adopted" for other in state.family):
        raise PregnancyDoesNotMatch  # nothing leads from the family of birth to whoever an adopted child is now
    child = Child(
        child_id=command.child_id or cause.derive("child"),
        pregnancy_id=command.pregnancy_id or cause.derive("pregnancy"),
        team_id=command.team_id,
        expected_on=None,
        born_on=command.born_on,
        birth="live",
        children_born=command.children_born,
        nhs_number=command.nhs_number,
        mother_nhs_number=command.mother_nhs_number,
        registered_at=cause.at,
        moved_at=arrived_at,
    )
    event = born_event(child, cause.at)
    begun = begin(child, state.cohort, cause.at, arrived=True)
    return Decision(
        rows=begun.rows + counted(state.mother, command.mother_nhs_number),
        events=(event, moved_event(child, None, child.team_id, arrived_at), *begun.events),
        reply=_moved(child),
    )


def _comes_back(child: Child, command: RecordArrival, arrived_at: datetime, cause: Cause) -> Decision[Moved]:
    if (child.born_on, child.birth) != (command.born_on, "live"):
        raise BirthRecordedDifferently
    here = alive_here(child).team_here
    if here == command.team_id:
        return Decision(reply=_moved(child))
    if child.moved_at is not None and arrived_at < child.moved_at:
        raise MovedSince(field="arrived_at")
    return _to(child, here, command.team_id, arrived_at, cause)


def _to(child: Child, here: UUID | None, to: UUID | None, at: datetime, cause: Cause) -> Decision[Moved]:
    if to is None:
        row = wind(replace(child, ended="moved_out", ended_at=at, moved_at=at))
    else:
        moved = in_team(child, to, at)
        row = come_back(moved, cause.at) if here is None else wind(moved)
    return Decision(rows=(row,), events=(moved_event(child, here, to, at),), reply=_moved(row))


def _moved(child: Child) -> Moved:
    return {"child_id": child.child_id, "pregnancy_id": child.pregnancy_id, "team_id": child.team_here}
