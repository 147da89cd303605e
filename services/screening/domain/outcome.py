"""From what was observed to an outcome and what follows: look-ups in loaded definitions, never a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from attune_contracts.screening import Follows, Outcome
from chassis.decision import Refused
from chassis.value import value
from services.screening.domain.commands import (
    Choice,
    Condition,
    InstrumentDefinition,
    OutcomeRule,
    PathwayDefinition,
    Scale,
    Step,
)
from services.screening.domain.definitions import TOTAL

Observed = Mapping[str, int | str]


class UnknownItem(Refused):
    """This version of the instrument has no such item."""

    status = 422


class ObservationIncomplete(Refused):
    """Every scale and choice of the instrument needs a value."""

    status = 422
    field = "observed"


class ValueNotOnScale(Refused):
    """A value is not on the item's scale, or not one of its words."""

    status = 422
    field = "observed"


class ObservationTooShort(Refused):
    """The observation was shorter than the instrument asks for; record it as not completed."""

    status = 422
    field = "seconds_observed"


@value(frozen=True, slots=True)
class Conclusion:
    """What the definitions say about one screening."""

    total: int
    rule: str
    """The instrument's rule that gave the outcome."""
    outcome_of_instrument: Outcome
    outcome: Outcome
    overridden: bool
    follows: Follows
    follow_up_on: date | None
    in_window: bool
    """The child was in the age window of the instrument. Outside of it a result counts, but not for coverage."""


def check_observed(definition: InstrumentDefinition, answers: Mapping[str, str], observed: Observed) -> None:
    """Refuses answers and values that the instrument does not know, and gaps."""
    texts = values = 0
    for item in definition.items:
        name = item.item
        if item.kind == "open_text":
            texts += name in answers
            continue
        if name not in observed:
            raise ObservationIncomplete
        values += 1
        _check_value(item, observed[name])
    if texts < len(answers):
        raise UnknownItem(field="answers")
    if values < len(observed):
        raise UnknownItem(field="observed")


def _check_value(item: Choice | Scale, value: int | str) -> None:
    if item.kind == "scale":
        if not isinstance(value, int) or not item.lowest <= value <= item.highest:
            raise ValueNotOnScale
    elif value not in item.choices:
        raise ValueNotOnScale


def conclude(
    instrument: InstrumentDefinition,
    pathway: PathwayDefinition,
    *,
    observed: Observed,
    age_days: int,
    screened_on: date,
    overridden_to: Outcome | None,
) -> Conclusion:
    """The outcome, and what the pathway says must follow from it."""
    rule, total = outcome_of(instrument, observed)
    outcome = overridden_to or rule.outcome
    step: Step = getattr(pathway.outcomes, outcome)
    return Conclusion(
        total=total,
        rule=rule.rule,
        outcome_of_instrument=rule.outcome,
        outcome=outcome,
        overridden=outcome != rule.outcome,
        follows=step.follows,
        follow_up_on=None if step.after_days is None else screened_on + timedelta(days=step.after_days),
        in_window=instrument.first_day <= age_days <= instrument.last_day,
    )


def outcome_of(instrument: InstrumentDefinition, observed: Observed) -> tuple[OutcomeRule, int]:
    """The instrument's rule that gives the outcome, and the total."""
    total = sum(value for value in observed.values() if isinstance(value, int))
    return next(rule for rule in instrument.outcome_rules if _holds(rule, observed, total)), total


def _holds(rule: OutcomeRule, observed: Observed, total: int) -> bool:
    return all(_met(condition, observed, total) for condition in rule.when)


def _met(condition: Condition, observed: Observed, total: int) -> bool:
    value = total if condition.of == TOTAL else observed[condition.of]
    if condition.any_of:
        return value in condition.any_of
    if isinstance(value, str):
        return False
    return (condition.at_least is None or value >= condition.at_least) and (
        condition.at_most is None or value <= condition.at_most
    )
