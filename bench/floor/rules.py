"""What the yardstick decides at each of its three steps: values in, values out."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

POOLS, PRACTITIONERS = 20, 10
_SPREAD = 0x9E3779B97F4A7C15


class Wire(BaseModel):
    """Everything that travels, by HTTP or Kafka: closed and strict, as in the real system."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class RecordScreening(Wire):
    """The body of POST /screenings as the real system takes it."""

    screening_id: UUID
    child_id: UUID
    instrument: str
    instrument_version: int
    answers: dict[str, str]
    observed: dict[str, int | str]
    seconds_observed: int
    setting: Literal["home", "clinic", "video"]
    interpreter: bool
    language: str
    administered_by: UUID
    role: str
    screened_at: AwareDatetime


class ScreeningRecorded(Wire):
    screening_id: UUID
    child_id: UUID
    pool: int
    outcome: str
    total: int
    language: str
    requested_by: UUID
    recorded_at: datetime


class CaseAssigned(Wire):
    consultation_id: UUID
    screening_id: UUID
    child_id: UUID
    pool: int
    practitioner: int
    language: str
    requested_by: UUID
    assigned_at: datetime


class MessageRecorded(Wire):
    message_id: UUID
    consultation_id: UUID
    child_id: UUID
    practitioner: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Screening:
    screening_id: UUID
    outcome: str
    total: int
    answers: dict[str, str]
    observed: dict[str, int | str]
    administered_by: UUID
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    consultation_id: UUID
    screening_id: UUID
    practitioner: int
    assigned_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    message_id: UUID
    consultation_id: UUID
    recipient: int
    text: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Pool:
    """Points of the practitioners of one team, by position."""

    capacity: tuple[int, ...]
    used: tuple[int, ...]


def derived(source: UUID, number: int) -> UUID:
    """An id that follows from another one, the same at every repetition."""
    return UUID(int=source.int ^ (number * _SPREAD & 0xFFFF_FFFF_FFFF))


def notification_input(command_id: UUID) -> UUID:
    """Id of the event by which the case of this command reaches the notification step."""
    return derived(derived(command_id, 1), 1)


def record_screening(
    held: tuple[Screening, ...], given: RecordScreening, _pool: None, at: datetime
) -> tuple[tuple[Screening, ...], None, Wire] | None:
    if any(s.screening_id == given.screening_id for s in held):
        return None
    total = sum(v for v in given.observed.values() if isinstance(v, int))
    outcome = "concern" if total >= 7 else "monitor" if total >= 4 else "no_concern"
    made = Screening(given.screening_id, outcome, total, given.answers, given.observed, given.administered_by, at)
    event = ScreeningRecorded(
        screening_id=given.screening_id, child_id=given.child_id, pool=given.child_id.int % POOLS, outcome=outcome,
        total=total, language=given.language, requested_by=given.administered_by, recorded_at=at,
    )  # fmt: skip
    return (*held, made), None, event


def assign_case(
    held: tuple[Case, ...], given: ScreeningRecorded, pool: Pool, at: datetime
) -> tuple[tuple[Case, ...], Pool, Wire] | None:
    if any(c.screening_id == given.screening_id for c in held):
        return None
    free = [(used, n) for n, (used, most) in enumerate(zip(pool.used, pool.capacity, strict=True)) if used < most]
    if not free:
        raise LookupError("no free place; the yardstick has no waiting list")
    used, n = min(free)
    made = Case(derived(given.screening_id, 7), given.screening_id, given.pool * PRACTITIONERS + n, at)
    event = CaseAssigned(
        consultation_id=made.consultation_id, screening_id=given.screening_id, child_id=given.child_id,
        pool=given.pool, practitioner=made.practitioner, language=given.language,
        requested_by=given.requested_by, assigned_at=at,
    )  # fmt: skip
    return (*held, made), replace(pool, used=(*pool.used[:n], used + 1, *pool.used[n + 1 :])), event


def record_message(
    held: tuple[Message, ...], given: CaseAssigned, _pool: None, at: datetime
) -> tuple[tuple[Message, ...], None, Wire] | None:
    if any(m.consultation_id == given.consultation_id for m in held):
        return None
    text = f"Practitioner {given.practitioner}: a case was assigned to you. Please open {given.consultation_id}."
    made = Message(derived(given.consultation_id, 9), given.consultation_id, given.practitioner, text, at)
    event = MessageRecorded(
        message_id=made.message_id, consultation_id=given.consultation_id, child_id=given.child_id,
        practitioner=given.practitioner, recorded_at=at,
    )  # fmt: skip
    return (*held, made), None, event


@dataclass(frozen=True, slots=True)
class Step:
    """One process of the chain."""

    decide: Any
    state: TypeAdapter[Any]
    reads: str | None
    """The step whose topic it reads; None for the step that takes HTTP."""
    takes: type[Wire]


STEPS = {
    "screening": Step(record_screening, TypeAdapter(tuple[Screening, ...]), None, RecordScreening),
    "referral": Step(assign_case, TypeAdapter(tuple[Case, ...]), "screening", ScreeningRecorded),
    "notification": Step(record_message, TypeAdapter(tuple[Message, ...]), "referral", CaseAssigned),
}
