"""Tries every input in every state that can be reached, on the rules themselves and without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.decision import Cause, Refused, derived_id
from chassis.inputs import CommandIntake, EventIntake, Intake
from chassis.needs import Many, State, needs_of
from chassis.rows import Rows
from chassis.tables import Table
from chassis.working_days import ENGLAND

Memory = dict[Table, dict[Any, Any]]
"""The rows of one small world, by table and key."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One input that is tried in every state, and how a diagram calls it."""

    name: str
    intake: Intake
    data: Any
    at: datetime
    by: UUID
    finds: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    """What the conditions of its reads mean, by field of the state; a read with another condition finds nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one state to another, by an input."""

    before: str
    by: str
    after: str


def intake_of(inputs: Iterable[Intake], what: type[Any] | Table) -> Intake:
    """How a service takes a command, an event, or the due rows of a table. Raises KeyError when it does not."""
    for intake in inputs:
        named: object
        if isinstance(intake, CommandIntake):
            named = intake.model
        elif isinstance(intake, EventIntake):
            named = intake.event
        else:
            named = intake.table
        if named is what:
            return intake
    raise KeyError(what)


def explore(
    begin: Memory,
    trials: Sequence[Trial],
    label: Callable[[Memory], str],
    *,
    beside: Callable[[Memory], Any] = lambda _: None,
) -> list[Step]:
    """Every step between two states that differ, each once, in the order in which it was found.

    `beside`: what makes two worlds of one label worth exploring both.
    """

    def kind(memory: Memory) -> tuple[str, Any]:
        return label(memory), beside(memory)

    reached, waiting, steps = {kind(begin)}, [begin], dict[Step, None]()
    while waiting:
        memory = waiting.pop(0)
        for trial in trials:
            after = applied(memory, trial)
            if after is None:
                continue
            if label(after) != label(memory):
                steps[Step(label(memory), trial.name, label(after))] = None
            if kind(after) not in reached:
                reached.add(kind(after))
                waiting.append(after)
    return list(steps)


def applied(memory: Memory, trial: Trial) -> Memory | None:
    """The world after an input; None when its rule refuses it."""
    intake, rows = trial.intake, _shown(memory, trial)
    cause = Cause(derived_id(trial.by, trial.name), trial.at, str(trial.by), derived_id(trial.by, "chain"), ENGLAND)
    try:
        given = intake.state.give(rows, trial.data) if intake.state is not None else None
        decision = intake.decide(given, trial.data, cause)
    except Refused:
        return None
    after = {table: dict(known) for table, known in memory.items()}
    for row in decision.rows:
        table = Table.of[type(row)]
        after.setdefault(table, {})[table.key_of(row)] = row
    return after


def _shown(memory: Memory, trial: Trial) -> Rows:
    rows = Rows()
    for table, known in memory.items():
        rows.read[table] = {key: (1, row) for key, row in known.items()}
    state = trial.intake.state
    names = [f.name for f in fields(state.shape)] if isinstance(state, State) else [""]
    for name, need in zip(names, needs_of(state), strict=True):
        if isinstance(need, Many) and (need.where == "true" or name in trial.finds):
            wanted, holds = need.key_of(trial.data), trial.finds.get(name, lambda _: True)
            rows.found[need, wanted] = [
                key
                for key, row in memory.get(need.table, {}).items()
                if getattr(row, need.column) == wanted and holds(row)
            ]
    return rows
