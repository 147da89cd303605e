"""Instruments and pathways as loaded, versioned data: a version never changes once it is there."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import value
from services.screening.domain.commands import (
    Choice,
    Condition,
    InstrumentDefinition,
    LoadInstrument,
    LoadPathway,
    PathwayDefinition,
    Scale,
    Step,
)
from services.screening.domain.window import COHORT, CohortWindow

TOTAL = "total"
"""What a condition calls the sum of all scales."""


class InstrumentVersionChanged(Refused):
    """This version of the instrument is loaded with another content; a change needs a new version."""

    field = "instrument_version"


class PathwayVersionChanged(Refused):
    """This version of the pathway is loaded with another content; a change needs a new version."""

    field = "pathway_version"


class DefinitionInconsistent(Refused):
    """The definition contradicts itself."""

    status = 422


class WindowOfAnotherPathway(Refused):
    """Another instrument's pathway gives the window already; every child has one."""

    field = "definition.window"


class PathwayLosesConcern(Refused):
    """A concern must lead to a consultation, and an urgent concern to an urgent one."""

    status = 422
    field = "definition.outcomes"


@value(frozen=True, slots=True)
class InstrumentRow:
    """A loaded version of an instrument."""

    reference: str
    """Name and version: `early-attachment-demonstration/1`."""
    definition: InstrumentDefinition
    loaded_at: datetime
    loaded_by: str


@value(frozen=True, slots=True)
class PathwayRow:
    """A loaded version of a pathway."""

    reference: str
    definition: PathwayDefinition
    loaded_at: datetime
    loaded_by: str


@value(frozen=True, slots=True)
class CurrentPathway:
    """The pathway in force for an instrument."""

    instrument: str
    pathway: str
    pathway_version: int
    definition: PathwayDefinition


@value(frozen=True, slots=True)
class AtLoadingPathway:
    """The version itself, where it is loaded, and the one in force for its instrument."""

    loaded: PathwayRow | None = None
    current: CurrentPathway | None = None
    cohort: CohortWindow | None = None


def reference(name: str, version: int) -> str:
    """How a version of a definition is called in keys and records."""
    return f"{name}/{version}"


class InstrumentLoaded(Reply):
    """The version of an instrument that is loaded."""

    instrument: str
    instrument_version: int


class PathwayLoaded(Reply):
    """The version of a pathway that is loaded."""

    pathway: str
    pathway_version: int


def load_instrument(state: InstrumentRow | None, command: LoadInstrument, cause: Cause) -> Decision[InstrumentLoaded]:
    """A version of an instrument becomes available; the same again changes nothing."""
    made = reference(command.instrument, command.instrument_version)
    reply: InstrumentLoaded = {"instrument": command.instrument, "instrument_version": command.instrument_version}
    if state is not None:
        if state.definition != command.definition:
            raise InstrumentVersionChanged
        return Decision(reply=reply)
    _check_instrument(command.definition)
    return Decision(rows=(InstrumentRow(made, command.definition, cause.at, cause.by),), reply=reply)


def load_pathway(state: AtLoadingPathway, command: LoadPathway, cause: Cause) -> Decision[PathwayLoaded]:
    """A version of a pathway becomes available, and is in force unless a higher version of it is."""
    made = reference(command.pathway, command.pathway_version)
    reply: PathwayLoaded = {"pathway": command.pathway, "pathway_version": command.pathway_version}
    if state.loaded is not None:
        if state.loaded.definition != command.definition:
            raise PathwayVersionChanged
        return Decision(reply=reply)
    _check_pathway(command.definition)
    row = PathwayRow(made, command.definition, cause.at, cause.by)
    current = state.current
    if current and current.pathway == command.pathway and current.pathway_version > command.pathway_version:
        return Decision(rows=(row,), reply=reply)
    definition = command.definition
    in_force = CurrentPathway(definition.instrument, command.pathway, command.pathway_version, definition)
    if definition.window is None:
        return Decision(rows=(row, in_force), reply=reply)
    if state.cohort is not None and state.cohort.instrument != definition.instrument:
        raise WindowOfAnotherPathway
    cohort = CohortWindow(COHORT, definition.instrument, made, definition.window)
    return Decision(rows=(row, in_force, cohort), reply=reply)


def _inconsistent(field: str, detail: str) -> DefinitionInconsistent:
    return DefinitionInconsistent(detail, field=f"definition.{field}")


def _check_instrument(definition: InstrumentDefinition) -> None:
    if definition.first_day > definition.last_day:
        raise _inconsistent("last_day", "The age window ends before it begins.")
    names = Counter(item.item for item in definition.items)
    if TOTAL in names or max(names.values()) > 1:
        raise _inconsistent("items", "Each item needs a name of its own, other than total.")
    if any(isinstance(item, Scale) and item.lowest >= item.highest for item in definition.items):
        raise _inconsistent("items", "The highest value of a scale must be above the lowest.")
    if any(isinstance(item, Choice) and len(set(item.choices)) < len(item.choices) for item in definition.items):
        raise _inconsistent("items", "The words of a choice must differ.")
    rules = definition.outcome_rules
    if len({rule.rule for rule in rules}) < len(rules):
        raise _inconsistent("outcome_rules", "Each rule needs a name of its own.")
    if rules[-1].when or not all(rule.when for rule in rules[:-1]):
        raise _inconsistent(
            "outcome_rules", "Exactly the last rule has no conditions, so that there is always an outcome."
        )
    for rule in rules:
        for condition in rule.when:
            _check_condition(definition, condition)


def _check_condition(definition: InstrumentDefinition, condition: Condition) -> None:
    numeric = condition.at_least is not None or condition.at_most is not None
    if numeric == bool(condition.any_of):
        raise _inconsistent("outcome_rules", "A condition has words, or a bound, and not both.")
    item = next((item for item in definition.items if item.item == condition.of), None)
    if condition.any_of:
        if not isinstance(item, Choice) or not set(condition.any_of) <= set(item.choices):
            raise _inconsistent("outcome_rules", "A condition with words is about a choice that has these words.")
    elif condition.of == TOTAL:
        if not any(isinstance(item, Scale) for item in definition.items):
            raise _inconsistent("outcome_rules", "There is no scale to add up.")
    elif not isinstance(item, Scale):
        raise _inconsistent("outcome_rules", "A condition with a bound is about a scale or the total.")


def _check_pathway(definition: PathwayDefinition) -> None:
    window = definition.window
    if window is not None and not window.opens_day <= window.due_day <= window.closes_day:
        raise _inconsistent("window", "The window opens, then screening is due, then it closes.")
    steps = definition.outcomes
    for name in ("no_concern", "monitor", "concern", "urgent_concern"):
        step: Step = getattr(steps, name)
        if (step.follows == "follow_up") != (step.after_days is not None):
            raise _inconsistent(f"outcomes.{name}.after_days", "Days belong to a follow-up and to nothing else.")
    if steps.concern.follows not in ("consultation_routine", "consultation_urgent"):
        raise PathwayLosesConcern
    if steps.urgent_concern.follows != "consultation_urgent":
        raise PathwayLosesConcern
