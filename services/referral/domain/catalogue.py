"""Interventions and measures as loaded, versioned data: a version never changes once it is there."""

from __future__ import annotations

from datetime import datetime

from chassis.decision import Cause, Decision, Reply
from chassis.value import value
from services.referral.domain.refusals import (
    DefinitionInconsistent,
    InterventionVersionChanged,
    MeasureVersionChanged,
)
from services.referral.domain.work_commands import (
    InterventionDefinition,
    LoadIntervention,
    LoadMeasure,
    MeasureDefinition,
)


@value(frozen=True, slots=True)
class Intervention:
    """A loaded version of an intervention."""

    reference: str
    """Name and version: `watch_wait_and_wonder/1`."""
    definition: InterventionDefinition
    loaded_at: datetime
    loaded_by: str


@value(frozen=True, slots=True)
class Measure:
    """A loaded version of a measure."""

    reference: str
    definition: MeasureDefinition
    loaded_at: datetime
    loaded_by: str


class InterventionLoaded(Reply):
    """The version of an intervention that is loaded."""

    intervention: str
    intervention_version: int


class MeasureLoaded(Reply):
    """The version of a measure that is loaded."""

    measure: str
    measure_version: int


def reference(name: str, version: int) -> str:
    """How a version of a definition is called in keys and records."""
    return f"{name}/{version}"


def load_intervention(
    found: Intervention | None, command: LoadIntervention, cause: Cause
) -> Decision[InterventionLoaded]:
    """A version of an intervention becomes available; the same again changes nothing."""
    reply: InterventionLoaded = {
        "intervention": command.intervention,
        "intervention_version": command.intervention_version,
    }
    if found is not None:
        if found.definition != command.definition:
            raise InterventionVersionChanged
        return Decision(reply=reply)
    name = reference(command.intervention, command.intervention_version)
    return Decision(rows=(Intervention(name, command.definition, cause.at, cause.by),), reply=reply)


def load_measure(found: Measure | None, command: LoadMeasure, cause: Cause) -> Decision[MeasureLoaded]:
    """A version of a measure becomes available; the same again changes nothing."""
    reply: MeasureLoaded = {"measure": command.measure, "measure_version": command.measure_version}
    if found is not None:
        if found.definition != command.definition:
            raise MeasureVersionChanged
        return Decision(reply=reply)
    _check(command.definition)
    name = reference(command.measure, command.measure_version)
    return Decision(rows=(Measure(name, command.definition, cause.at, cause.by),), reply=reply)


def _check(definition: MeasureDefinition) -> None:
    items = definition.items
    if definition.lowest >= definition.highest:
        raise DefinitionInconsistent("The highest total must be above the lowest.", field="definition.highest")
    if any(i.lowest >= i.highest for i in items):
        raise DefinitionInconsistent("The highest value of an item must be above the lowest.", field="definition.items")
    if len({i.item for i in items}) != len(items):
        raise DefinitionInconsistent("Each item needs a name of its own.", field="definition.items")
    reached = (sum(i.lowest for i in items), sum(i.highest for i in items))
    if items and reached != (definition.lowest, definition.highest):
        raise DefinitionInconsistent("The items do not add up to the range of the total.", field="definition.items")


def shown(measure: Measure) -> MeasureDefinition:
    """The definition as it may be read: without the words of items that are not free."""
    definition = measure.definition
    if definition.licence != "permission_required":
        return definition
    items = [item.model_copy(update={"text": None}) for item in definition.items]
    return definition.model_copy(update={"items": items})
