"""What ends a child's record: loss of the pregnancy, death, adoption. Every clock stops with it, at once."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from attune_contracts.screening import ChildAdopted, ChildDied, PregnancyEnded
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace, value
from chassis.working_days import local_date, start_of
from services.screening.domain.calendar import told_age
from services.screening.domain.child import Child, Ended, NoLiveBirth, RecordEnded, known
from services.screening.domain.commands import EndPregnancy, RecordAdoption, RecordDeath
from services.screening.domain.eligibility import CLOCK_TOLERANCE, InFuture
from services.screening.domain.pregnancy import Pregnancy
from services.screening.domain.window import wind


class UnknownPregnancy(Refused):
    """No pregnancy is known under this id."""

    status = 404
    field = "pregnancy_id"


class BirthIsRecorded(Refused):
    """A birth is recorded for a child of this pregnancy: what ended was not the pregnancy."""

    field = "pregnancy_id"


class NotOfThisPregnancy(Refused):
    """The child belongs to another pregnancy."""

    status = 422
    field = "child_ids"


class EndedDifferently(Refused):
    """It is recorded that this record ended in another way."""

    field = "child_id"


class DiedBeforeBirth(Refused):
    """The date of death lies before the date of birth."""

    status = 422
    field = "died_on"


class DeathInFuture(Refused):
    """The date of death is later than today."""

    status = 422
    field = "died_on"


@value(frozen=True, slots=True)
class AtPregnancyEnd:
    """The pregnancy and everyone that it was to bring."""

    pregnancy: Pregnancy | None = None
    family: tuple[Child, ...] = ()


class PregnancyIsOver(Reply):
    """The children whose record ended."""

    pregnancy_id: UUID
    child_ids: list[UUID]


class RecordIsOver(Reply):
    """The child whose record ended, and why."""

    child_id: UUID
    ended: Ended


def end_pregnancy(state: AtPregnancyEnd, command: EndPregnancy, cause: Cause) -> Decision[PregnancyIsOver]:
    """A pregnancy ended without a birth, for all its children or for some: nothing more is due for them."""
    if state.pregnancy is None:
        raise UnknownPregnancy
    ended_at = command.ended_at.astimezone(UTC)
    if ended_at > cause.at + CLOCK_TOLERANCE:
        raise InFuture(field="ended_at")
    family = {child.child_id: child for child in state.family}
    if not family.keys() >= set(command.child_ids):
        raise NotOfThisPregnancy
    meant = [family[child_id] for child_id in command.child_ids] or list(family.values())
    for child in meant:
        if child.born_on is not None:
            raise BirthIsRecorded
        if child.ended not in (None, "moved_out", command.reason):
            raise EndedDifferently(field="child_ids")
    ending = [child for child in meant if child.ended != command.reason]
    rows = tuple(_ended(child, command.reason, ended_at) for child in ending)
    events = tuple(
        PregnancyEnded(
            child_id=child.child_id,
            pregnancy_id=child.pregnancy_id,
            team_id=child.team_id,
            reason=command.reason,
            ended_at=ended_at,
        )
        for child in ending
    )
    reply: PregnancyIsOver = {"pregnancy_id": command.pregnancy_id, "child_ids": sorted(c.child_id for c in meant)}
    return Decision(rows=rows, events=events, reply=reply)


def record_death(child: Child | None, command: RecordDeath, cause: Cause) -> Decision[RecordIsOver]:
    """A child died: nothing more is due, and everybody stops at once."""
    child = known(child)
    if child.born_on is None or child.birth != "live":
        raise NoLiveBirth
    if child.ended == "died":
        return Decision(reply=_over(child, "died"))
    if child.ended not in (None, "moved_out"):
        raise RecordEnded
    if command.died_on < child.born_on:
        raise DiedBeforeBirth
    if command.died_on > local_date(cause.at):
        raise DeathInFuture
    event = ChildDied(
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        age_days=told_age(child.born_on, command.died_on),
        recorded_at=cause.at,
    )
    row = _ended(child, "died", start_of(command.died_on))
    return Decision(rows=(row,), events=(event,), reply=_over(child, "died"))


def record_adoption(child: Child | None, command: RecordAdoption, cause: Cause) -> Decision[RecordIsOver]:  # noqa: ARG001
    """A child was adopted: its history is sealed. The new identity arrives by itself, without a link to this one."""
    child = known(child)
    if child.ended == "adopted":
        return Decision(reply=_over(child, "adopted"))
    if child.born_on is None or child.birth != "live":
        raise NoLiveBirth
    if child.ended not in (None, "moved_out"):
        raise RecordEnded
    event = ChildAdopted(
        child_id=child.child_id, pregnancy_id=child.pregnancy_id, team_id=child.team_id, recorded_at=cause.at
    )
    return Decision(rows=(_ended(child, "adopted", cause.at),), events=(event,), reply=_over(child, "adopted"))


def _ended(child: Child, how: Ended, at: datetime) -> Child:
    return wind(replace(child, ended=how, ended_at=at, offer_again_at=None, follow_up_at=None))


def _over(child: Child, how: Ended) -> RecordIsOver:
    return {"child_id": child.child_id, "ended": how}
