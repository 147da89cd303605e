"""The words of a rule: cause, decision, refusal. With `value` and `working_days` all that a domain may import."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Generic
from uuid import UUID

from typing_extensions import TypedDict as Reply
from typing_extensions import TypeVar

from attune_contracts.event import Event
from attune_contracts.ids import uuid_of
from chassis.value import value
from chassis.working_days import ENGLAND, Calendar

__all__ = ["NOTHING", "Cause", "Decision", "Due", "Following", "Refused", "Reply", "derived_id"]

ReplyT = TypeVar("ReplyT", default=Any)

_FREE_BITS = (1 << 80) - 1 & ~(0xF << 76) & ~(0x3 << 62)
_VERSION_7 = 7 << 76 | 2 << 62


def derived_id(source: UUID, name: str) -> UUID:
    """An id that follows from `source` and `name`: the same again whenever the same input is decided again.

    Keeps the time prefix of a UUIDv7 source, so that indexes stay compact.
    """
    whole = source.int
    digest = int.from_bytes(blake2b(whole.to_bytes(16, "big") + name.encode(), digest_size=10).digest(), "big")
    return uuid_of(whole >> 80 << 80 | digest & _FREE_BITS | _VERSION_7)


@value(frozen=True, slots=True)
class Cause:
    """Why a decision is asked for: the input's id, the instant of the decision (UTC) and who asked."""

    id: UUID
    at: datetime
    by: str = ""
    """Subject of the caller's token for a command, empty for an event or a clock."""
    correlation_id: UUID = UUID(int=0)
    """The input that began the chain: a command's own id, or what the event says. A clock has none to give."""
    calendar: Calendar = ENGLAND
    """England's working days, with the bank holidays that this system was told of since."""

    def derive(self, name: str) -> UUID:
        """An id for something new that this cause brings about."""
        return derived_id(self.id, name)


@value(frozen=True, slots=True)
class Due:
    """The input that a clock gives: the row `key` has reached its due instant."""

    key: UUID


@value(frozen=True, slots=True)
class Following:
    """An event that continues a chain begun earlier, where the input at hand does not know it: a clock, a result."""

    event: Event
    correlation_id: UUID


@value(frozen=True, slots=True)
class Decision(Generic[ReplyT]):
    """What follows from one input. Rows are whole new states of frozen dataclasses that `store.py` knows as tables.

    A rule for a command says what it answers: `-> Decision[Registered]`, where `class Registered(Reply)` names the
    fields. That is checked, and published in the description of the service's HTTP interface.
    """

    rows: tuple[Any, ...] = ()
    events: tuple[Event | Following, ...] = ()
    reply: ReplyT = None  # type: ignore[assignment]
    """Answer to a command. None is written as `{}`; ignored for events and clocks."""
    due: tuple[UUID, ...] = ()
    """Keys that this decision made due in the table named by `makes_due`. A hint: the sweep finds them without it."""

    @property
    def told(self) -> tuple[Event, ...]:
        """The events without the chains that they follow."""
        return tuple(e.event if isinstance(e, Following) else e for e in self.events)


NOTHING: Decision[Any] = Decision()


@value(frozen=True, slots=True)
class Recalled:
    """A command that is lost with a database, as an event that it led to says all of it; for `Service.recalls`."""

    command: Any
    by: str = ""
    with_others: bool = False
    """Also where its cause told more than this event: the rule tells that again too."""
    row: UUID | None = None
    """A row whose clock must not decide by itself what this command is about to say."""


class Refused(Exception):
    """A rule says no: an answer to a command, with the rule's name and the field it is about, never the value.

    Subclasses set `status` (a 4xx) and may set `field`; the class name in kebab-case is the rule.
    """

    status = 409
    field: str | None = None

    def __init__(self, detail: str = "", *, field: str | None = None) -> None:
        super().__init__(detail or (type(self).__doc__ or "").strip())
        if field is not None:
            self.field = field
