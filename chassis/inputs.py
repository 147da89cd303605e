"""What may come into a service, declared: an event, a command or a due clock, with the rule that decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from attune_contracts.event import Event
from chassis.commands import Command
from chassis.decision import Cause, Decision
from chassis.needs import By, Given, Many
from chassis.tables import Table

Decide = Callable[[Any, Any, Cause], Decision]


@dataclass(frozen=True, slots=True, eq=False)
class AtOnce:
    """A clock that an input may set off, and that is then decided in the same batch, after all of its inputs.

    Saves a transaction and the time between the two. Where it cannot be (a lost race, a parked input), the clock goes
    by itself afterwards: its row is due, whoever looks.
    """

    table: Table
    key_of: Callable[[Any], UUID | None]
    """The row of the clock that an input would set off, as the input names it; None when it would not."""
    also: tuple[By | Many, ...] = ()
    """What the clock will want to know because of this input: its own reads cannot tell, before the input is stored."""


@dataclass(frozen=True, slots=True, eq=False)
class EventIntake:
    """An event of another service (or our own) that this service acts on."""

    event: type[Event]
    decide: Decide
    state: Given | None
    makes_due: Table | AtOnce | None

    @property
    def name(self) -> str:
        return self.event.type


@dataclass(frozen=True, slots=True, eq=False)
class CommandIntake:
    """A command by HTTP, or, without a route, one that the service gives itself."""

    method: str
    path: str
    model: type[Command]
    decide: Decide
    state: Given | None
    may: str
    status: int
    makes_due: Table | AtOnce | None

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def internal(self) -> bool:
        return not self.path

    @property
    def reply(self) -> Any:
        """What the rule says that it answers: a type, None for an empty object, Any where it does not say."""
        said = get_type_hints(self.decide).get("return")
        return get_args(said)[0] if get_origin(said) is Decision else Any


@dataclass(frozen=True, slots=True, eq=False)
class DueIntake:
    """Rows of a table whose due instant has come."""

    table: Table
    decide: Decide
    state: Given | None
    makes_due: Table | None

    @property
    def name(self) -> str:
        return f"due:{self.table.name}"


Intake = EventIntake | CommandIntake | DueIntake


def on(
    event: type[Event], *, decide: Decide, state: Given | None = None, makes_due: Table | AtOnce | None = None
) -> EventIntake:
    """An event that comes in by Kafka. `makes_due`: the table whose clock the decision may set off."""
    return EventIntake(event, decide, state, makes_due)


def command(
    route: str | None,
    model: type[Command],
    *,
    decide: Decide,
    state: Given | None = None,
    may: str | None = None,
    status: int = 200,
    makes_due: Table | AtOnce | None = None,
) -> CommandIntake:
    """A command that comes in by HTTP (`"POST /screenings"`), allowed to whoever holds the permission `may`.

    Without a route it is internal: the service submits it to itself, and nobody else can.
    """
    if route is None:
        return CommandIntake("", "", model, decide, state, "", status, makes_due)
    method, _, path = route.partition(" ")
    if not may:
        raise TypeError(f"{route} names no permission")
    return CommandIntake(method, path, model, decide, state, may, status, makes_due)


def due(table: Table, *, decide: Decide, state: Given | None = None, makes_due: Table | None = None) -> DueIntake:
    """The clock of a table: its due rows become inputs. Without `state` the rule is given the due row."""
    return DueIntake(table, decide, state if state is not None else table.by("key"), makes_due)
