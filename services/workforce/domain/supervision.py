"""Supervision: a norm as data, a log of what took place, and word when less took place than the norm asks for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace, value
from services.workforce.domain.commands import DefineNorm, RecordSupervision, SetNorm
from services.workforce.domain.practitioner import Norm, Practitioner, decided, here


class NormVersionChanged(Refused):
    """This version of the norm is defined otherwise; a change is a new version."""

    field = "norm_version"


class UnknownNorm(Refused):
    """No such version of a norm is defined."""

    status = 404
    field = "norm"


class SupervisedByThemselves(Refused):
    """Nobody supervises their own work."""

    status = 422
    field = "supervisor_id"


class SupervisionRecordedDifferently(Refused):
    """This supervision is recorded with other particulars."""

    field = "supervision_id"


class SupervisionInTheFuture(Refused):
    """What took place took place before now."""

    status = 422
    field = "held_at"


@value(frozen=True, slots=True)
class DefinedNorm:
    """One version of a norm."""

    reference: str
    every_days: int
    minutes_at_least: int
    defined_by: str
    defined_at: datetime


@value(frozen=True, slots=True)
class Supervision:
    """One supervision that took place: the log, without a word of what was said."""

    supervision_id: UUID
    practitioner_id: UUID
    supervisor_id: UUID
    kind: str
    minutes: int
    held_at: datetime
    recorded_by: str
    recorded_at: datetime


@value(frozen=True, slots=True)
class AtNorm:
    practitioner: Practitioner | None
    norm: DefinedNorm | None


@value(frozen=True, slots=True)
class AtLog:
    practitioner: Practitioner | None
    supervision: Supervision | None


class NormDefined(Reply):
    """The version of a norm that is defined."""

    norm: str
    norm_version: int


class Supervised(Reply):
    """By when the next supervision is due; null where no norm was set."""

    practitioner_id: UUID
    due_by: datetime | None


def reference(norm: str, version: int) -> str:
    """How a version of a norm is called."""
    return f"{norm}/{version}"


def define(known: DefinedNorm | None, command: DefineNorm, cause: Cause) -> Decision[NormDefined]:
    """A version of a norm: how often, and how long a supervision has to be to count."""
    reply: NormDefined = {"norm": command.norm, "norm_version": command.norm_version}
    if known is not None:
        if (known.every_days, known.minutes_at_least) != (command.every_days, command.minutes_at_least):
            raise NormVersionChanged
        return Decision(reply=reply)
    made = DefinedNorm(
        reference(command.norm, command.norm_version),
        command.every_days,
        command.minutes_at_least,
        cause.by,
        cause.at,
    )
    return Decision(rows=(made,), reply=reply)


def set_norm(at: AtNorm, command: SetNorm, cause: Cause) -> Decision[Supervised]:
    """A practitioner's work is measured by this norm from now on; what took place before counts."""
    practitioner = here(at.practitioner)
    if at.norm is None:
        raise UnknownNorm
    before = practitioner.norm
    now = Norm(
        norm=command.norm,
        norm_version=command.norm_version,
        every_days=at.norm.every_days,
        minutes_at_least=at.norm.minutes_at_least,
        since=cause.at,
        last_at=before.last_at if before is not None else None,
    )
    if before is not None and replace(now, since=before.since, told=before.told) == before:
        return Decision(reply=_reply(practitioner))
    changed = replace(practitioner, norm=now)
    return decided(changed, (), _reply(changed))


def record(at: AtLog, command: RecordSupervision, cause: Cause) -> Decision[Supervised]:
    """A supervision that took place goes into the log; one that is long enough counts for the norm."""
    practitioner = here(at.practitioner)
    if command.supervisor_id == command.practitioner_id:
        raise SupervisedByThemselves
    if command.held_at > cause.at:
        raise SupervisionInTheFuture
    made = Supervision(
        supervision_id=command.supervision_id or cause.derive("supervision"),
        practitioner_id=command.practitioner_id,
        supervisor_id=command.supervisor_id,
        kind=command.kind,
        minutes=command.minutes,
        held_at=command.held_at,
        recorded_by=cause.by,
        recorded_at=cause.at,
    )
    if at.supervision is not None:
        if replace(at.supervision, recorded_by=made.recorded_by, recorded_at=made.recorded_at) != made:
            raise SupervisionRecordedDifferently
        return Decision(reply=_reply(practitioner))
    norm = practitioner.norm
    if norm is None or command.minutes < norm.minutes_at_least or (norm.last_at and norm.last_at >= command.held_at):
        return Decision(rows=(made,), reply=_reply(practitioner))
    counted = replace(norm, last_at=command.held_at)
    # One that was held too long ago leaves it overdue: that was told.
    changed = replace(practitioner, norm=replace(counted, told=norm.told and counted.due_by <= cause.at))
    return decided(changed, (), _reply(changed), more=(made,))


def _reply(practitioner: Practitioner) -> Supervised:
    norm = practitioner.norm
    return {"practitioner_id": practitioner.practitioner_id, "due_by": norm.due_by if norm is not None else None}
