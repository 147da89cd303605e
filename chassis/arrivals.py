"""One thing that came in, whichever way, and what became of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.decision import Due, Refused
from chassis.inputs import CommandIntake, DueIntake, Intake
from chassis.parked import Record


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a command, as it goes over the wire and as the inbox keeps it."""

    status: int
    body: bytes


@dataclass(slots=True, eq=False)
class Input:
    """One thing that came in, with an id and, for what must stay in order, a key."""

    intake: Intake | None
    """None for what could not even be read: it can only be parked."""
    id: UUID
    data: Any
    correlation_id: UUID
    key: str | None = None
    traceparent: str | None = None
    by: str = ""
    fingerprint: bytes | None = None
    record: Record | None = None
    unreadable: tuple[str, str] | None = None
    """Reason and detail, where the record could not be read."""
    contradicts: str | None = None
    """Table in which a row of this input's making stands already."""
    parked_id: UUID | None = None
    """The parked row that is tried again."""
    since: float = field(default_factory=time.monotonic)

    @property
    def streamed(self) -> bool:
        return self.record is not None

    @property
    def name(self) -> str:
        """Of its intake."""
        return self.intake.name if self.intake is not None else "unreadable"

    @property
    def kind(self) -> str:
        return "event" if self.record is not None else "command" if isinstance(self.intake, CommandIntake) else "clock"


def due_input(intake: DueIntake, key: UUID) -> Input:
    """The input that a due row gives."""
    id_ = uuid7()
    return Input(intake, id_, Due(key), id_, key=f"{intake.name}:{key}")


class Done:
    """Outcomes of an input that has no reply."""

    HANDLED = "done"
    DUPLICATE = "duplicate"
    PARKED = "parked"


Outcome = Answer | Exception | str


class KeyReused(Refused):
    """This Idempotency-Key was used before with another request."""

    status = 422
    field = "Idempotency-Key"


class AlreadyExists(Refused):
    """Something with this id exists already."""


class Contradiction(Refused):
    """What is asked for contradicts what is already recorded."""
