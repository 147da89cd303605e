"""Births: linked to the pregnancy where one is known, recorded once for each child."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from attune_contracts.screening import BirthRecorded, ChildMoved
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace, value
from chassis.working_days import local_date
from services.screening.domain.calendar import OLDEST_DAYS, told_age
from services.screening.domain.child import Child, Mother, RecordEnded, counted, in_team, moved_event
from services.screening.domain.commands import RecordBirth
from services.screening.domain.window import CohortWindow, begin

EARLY_DAYS, LATE_DAYS = 140, 30
"""A birth so many days before or after the expected date may belong to the pregnancy of the same mother (ours)."""
TWIN_DAYS = 2
"""Children of one mother born so close together are of one pregnancy (ours)."""


NOT_BORN = ("loss", "termination", "merged", "adopted")
"""Records that no birth belongs to any more."""


class BirthInFuture(Refused):
    """The date of birth is later than today."""

    status = 422
    field = "born_on"


class ChildTooOld(Refused):
    """The child is older than those this service is for."""

    status = 422
    field = "born_on"


class TeamNeeded(Refused):
    """Nobody here looks after this child, expected or not, so the team has to be named."""

    status = 422
    field = "team_id"


class ChildMustBeNamed(Refused):
    """More than one child of this pregnancy could be meant, or none is left: name the child."""

    field = "child_id"


class PregnancyDoesNotMatch(Refused):
    """The child belongs to another pregnancy."""

    field = "pregnancy_id"


class BirthRecordedDifferently(Refused):
    """The birth of this child is recorded with other particulars."""

    field = "child_id"


class NhsNumberInUse(Refused):
    """This NHS number belongs to another child."""

    field = "nhs_number"


@value(frozen=True, slots=True)
class AtBirth:
    """Every child that the birth may be about."""

    child: Child | None = None
    family: tuple[Child, ...] = ()
    """Children of the pregnancy that the command names."""
    of_mother: tuple[Child, ...] = ()
    same_number: tuple[Child, ...] = ()
    mother: Mother | None = None
    cohort: CohortWindow | None = None


class Born(Reply):
    """The child whose birth is recorded."""

    child_id: UUID
    pregnancy_id: UUID | None
    team_id: UUID


def record(state: AtBirth, command: RecordBirth, cause: Cause) -> Decision[Born]:
    """A child was born: linked to its pregnancy where one is known, recorded once for each child."""
    check_date(command.born_on, cause)
    child = _whose_birth(state, command) or _unexpected(state, command, cause)
    if command.pregnancy_id not in (None, child.pregnancy_id):
        raise PregnancyDoesNotMatch
    if any(other.child_id != child.child_id for other in state.same_number):
        raise NhsNumberInUse
    if child.born_on is not None:
        return _born_already(child, command)
    if child.ended not in (None, "moved_out"):
        raise RecordEnded
    here, returns = _back(child, command, cause)
    born = replace(
        here,
        born_on=command.born_on,
        birth=command.birth,
        children_born=command.children_born,
        nhs_number=command.nhs_number,
        mother_nhs_number=command.mother_nhs_number or child.mother_nhs_number,
    )
    begun = begin(born, state.cohort, cause.at, arrived=bool(returns))
    return Decision(
        rows=begun.rows + counted(state.mother, command.mother_nhs_number),
        events=(*returns, born_event(born, cause.at), *begun.events),
        reply=reply_of(born),
    )


def _back(child: Child, command: RecordBirth, cause: Cause) -> tuple[Child, tuple[ChildMoved, ...]]:
    """Whoever had moved out of the area and is then born in a team here has come back. A loss is taken without a team.

    A birth of before the move is only heard of late: the child stays away.
    """
    if child.ended != "moved_out" or (child.ended_at is not None and command.born_on < local_date(child.ended_at)):
        return child, ()
    if command.team_id is not None:
        return in_team(child, command.team_id, cause.at), (moved_event(child, None, command.team_id, cause.at),)
    if command.birth == "live":
        raise TeamNeeded
    return child, ()


def born_event(child: Child, at: datetime) -> BirthRecorded:
    """What is told of a birth."""
    assert child.born_on and child.birth and child.children_born  # noqa: S101, PT018
    return BirthRecorded(
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        birth=child.birth,
        children_born=child.children_born,
        age_days=told_age(child.born_on, local_date(at)),
        recorded_at=at,
    )


def check_date(born_on: date, cause: Cause) -> None:
    """Refuses a date of birth that has not come yet, or of a child that this service is not for."""
    age = (local_date(cause.at) - born_on).days
    if age < 0:
        raise BirthInFuture
    if age > OLDEST_DAYS:
        raise ChildTooOld


def _whose_birth(state: AtBirth, command: RecordBirth) -> Child | None:
    """The child that the command is about, where it is known; None for one that nobody expected."""
    if command.child_id is not None:
        return state.child
    if state.same_number:
        return state.same_number[0]
    siblings = tuple(c for c in state.family if c.ended not in NOT_BORN)
    if command.pregnancy_id is None:
        siblings = tuple(c for c in state.of_mother if _of_this_birth(c, command.born_on))
    if len(siblings) == 1 == command.children_born:
        return siblings[0]
    # Unborn twins cannot be told apart, so either will do, but only if a repeated command is recognised by its number.
    if siblings and command.nhs_number is None:
        raise ChildMustBeNamed
    return _here_first(c for c in siblings if c.born_on is None)


def _here_first(children: Iterable[Child]) -> Child | None:
    """The first of them that lives here, or else the first."""
    return min(children, key=lambda child: child.team_here is None, default=None)


def _of_this_birth(child: Child, born_on: date) -> bool:
    if child.ended in NOT_BORN:
        return False
    if child.born_on is not None:
        return abs((born_on - child.born_on).days) <= TWIN_DAYS
    return child.expected_on is not None and -EARLY_DAYS <= (born_on - child.expected_on).days <= LATE_DAYS


def _unexpected(state: AtBirth, command: RecordBirth, cause: Cause) -> Child:
    siblings = state.family or [c for c in state.of_mother if _of_this_birth(c, command.born_on)]
    sibling = _here_first(siblings) if command.pregnancy_id is None or state.family else None
    team_id = command.team_id or (sibling.team_here if sibling else None)
    if team_id is None:
        raise TeamNeeded
    return Child(
        child_id=command.child_id or cause.derive("child"),
        pregnancy_id=command.pregnancy_id or (sibling.pregnancy_id if sibling else cause.derive("pregnancy")),
        team_id=team_id,
        expected_on=sibling.expected_on if sibling else None,
        born_on=None,
        birth=None,
        children_born=None,
        nhs_number=None,
        mother_nhs_number=command.mother_nhs_number,
        registered_at=cause.at,
    )


def _born_already(child: Child, command: RecordBirth) -> Decision[Born]:
    known = (child.born_on, child.birth, child.children_born, child.nhs_number)
    if known != (command.born_on, command.birth, command.children_born, command.nhs_number):
        raise BirthRecordedDifferently
    return Decision(reply=reply_of(child))


def reply_of(child: Child) -> Born:
    """What is answered about a birth."""
    return {"child_id": child.child_id, "pregnancy_id": child.pregnancy_id, "team_id": child.team_id}
