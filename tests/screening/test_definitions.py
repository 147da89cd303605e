"""Loading instruments and pathways: versions never change, and contradictions never get in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.screening.domain import definitions
from services.screening.domain.commands import Choice, Scale
from services.screening.domain.definitions import AtLoadingPathway, CurrentPathway, PathwayRow
from services.screening.domain.outcome import check_observed, conclude
from tests.screening import examples
from tests.support.given import NOON, given

REPLY = {"instrument": examples.INSTRUMENT, "instrument_version": 1}


def test_a_version_is_loaded_once_and_never_changes() -> None:
    row = given(None).when(definitions.load_instrument, examples.load_instrument()).row
    assert row.reference == "early-attachment-demonstration/1"
    given(row).when(definitions.load_instrument, examples.load_instrument()).then(rows=(), reply=REPLY)
    given(row).when(definitions.load_instrument, examples.load_instrument(minimum_seconds=60)).then_refused(
        definitions.InstrumentVersionChanged, "instrument_version"
    )


def scale(item: str = "warmth", lowest: int = 0, highest: int = 3) -> dict[str, Any]:
    return {"item": item, "kind": "scale", "text": "?", "lowest": lowest, "highest": highest}


def choice(item: str = "mood", choices: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
    return {"item": item, "kind": "choice", "text": "?", "choices": choices}


def rules(*conditions: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"rule": "first", "outcome": "concern", "when": conditions}, {"rule": "last", "outcome": "no_concern"}]


OPEN = {"item": "question", "kind": "open_text", "text": "?"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"first_day": 71}, "last_day"),
        ({"items": [scale(), scale()]}, "items"),
        ({"items": [scale("total")]}, "items"),
        ({"items": [scale(lowest=3)]}, "items"),
        ({"items": [choice(choices=("a", "a"))]}, "items"),
        (
            {"outcome_rules": [{"rule": "a", "outcome": "concern"}, {"rule": "a", "outcome": "monitor"}]},
            "outcome_rules",
        ),
        (
            {"outcome_rules": [{"rule": "a", "outcome": "concern"}, {"rule": "b", "outcome": "monitor"}]},
            "outcome_rules",
        ),
        ({"outcome_rules": rules({"of": "total", "at_least": 1})[:1]}, "outcome_rules"),
        ({"outcome_rules": rules({"of": "fear"})}, "outcome_rules"),
        ({"outcome_rules": rules({"of": "fear", "any_of": ["seen"], "at_least": 1})}, "outcome_rules"),
        ({"outcome_rules": rules({"of": "fear", "any_of": ["warm"]})}, "outcome_rules"),
        ({"outcome_rules": rules({"of": "fear", "at_least": 1})}, "outcome_rules"),
        ({"outcome_rules": rules({"of": "soothing", "any_of": ["warm"]})}, "outcome_rules"),
        ({"outcome_rules": rules({"of": "unknown", "at_most": 1})}, "outcome_rules"),
        ({"outcome_rules": rules({"of": "first_weeks", "at_most": 1})}, "outcome_rules"),
        ({"items": [OPEN, choice()], "outcome_rules": rules({"of": "total", "at_least": 1})}, "outcome_rules"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(changes: dict[str, Any], field: str) -> None:
    given(None).when(definitions.load_instrument, examples.load_instrument(**changes)).then_refused(
        definitions.DefinitionInconsistent, f"definition.{field}"
    )


def test_the_highest_version_of_a_pathway_is_in_force() -> None:
    second = examples.load_pathway(version=2)
    loaded, in_force, cohort = given(AtLoadingPathway()).when(definitions.load_pathway, second).then_decided().rows
    assert (loaded.reference, in_force.pathway_version) == ("early-attachment-pathway/2", 2)
    assert (cohort.reference, cohort.days.closes_day) == ("early-attachment-pathway/2", 70)
    (late,) = (
        given(AtLoadingPathway(current=in_force)).when(definitions.load_pathway, examples.load_pathway()).then_decided()
    ).rows
    assert isinstance(late, PathwayRow)
    _, next_one, _ = (
        given(AtLoadingPathway(current=in_force))
        .when(definitions.load_pathway, examples.load_pathway(version=3))
        .then_decided()
    ).rows
    assert isinstance(next_one, CurrentPathway)
    assert next_one.pathway_version == 3


def test_a_pathway_version_never_changes() -> None:
    row, *_ = given(AtLoadingPathway()).when(definitions.load_pathway, examples.load_pathway()).then_decided().rows
    known = AtLoadingPathway(loaded=row)
    given(known).when(definitions.load_pathway, examples.load_pathway()).then(rows=())
    changed = examples.load_pathway(monitor={"follows": "nothing"})
    given(known).when(definitions.load_pathway, changed).then_refused(definitions.PathwayVersionChanged)


@pytest.mark.parametrize(
    "changes",
    [
        {"concern": {"follows": "nothing"}},
        {"concern": {"follows": "follow_up", "after_days": 28}},
        {"urgent_concern": {"follows": "consultation_routine"}},
    ],
)
def test_no_pathway_may_lose_a_concern(changes: dict[str, Any]) -> None:
    given(AtLoadingPathway()).when(definitions.load_pathway, examples.load_pathway(**changes)).then_refused(
        definitions.PathwayLosesConcern
    )


@pytest.mark.parametrize("step", [{"follows": "follow_up"}, {"follows": "nothing", "after_days": 28}])
def test_days_belong_to_a_follow_up(step: dict[str, Any]) -> None:
    given(AtLoadingPathway()).when(definitions.load_pathway, examples.load_pathway(monitor=step)).then_refused(
        definitions.DefinitionInconsistent
    )


SCALES = st.fixed_dictionaries({f"s{n}": st.integers(0, 3) for n in range(3)})
CHOICES = st.fixed_dictionaries({"c": st.sampled_from(["a", "b", "x"])})
CONDITIONS = st.one_of(
    st.builds(
        lambda of, low, high: {"of": of, "at_least": low, "at_most": high},
        st.sampled_from(["s0", "s1", "s2", "total"]),
        st.integers(-5, 10),
        st.integers(-5, 10),
    ),
    st.builds(
        lambda words: {"of": "c", "any_of": words}, st.lists(st.sampled_from(["a", "b", "x"]), min_size=1, max_size=3)
    ),
)
RULES = st.lists(st.lists(CONDITIONS, min_size=1, max_size=3), max_size=4)


@for_all(conditions=RULES, scales=SCALES, choices=CHOICES)
def test_outcome_rules_that_are_loaded_always_give_an_outcome(
    conditions: list[list[dict[str, Any]]], scales: dict[str, Any], choices: dict[str, Any]
) -> None:
    loaded = examples.load_instrument(
        items=[*(scale(f"s{n}") for n in range(3)), choice("c", ("a", "b", "x"))],
        outcome_rules=[
            *({"rule": f"r{n}", "outcome": "concern", "when": when} for n, when in enumerate(conditions)),
            {"rule": "last", "outcome": "no_concern"},
        ],
    )
    given(None).when(definitions.load_instrument, loaded).then_decided()
    conclusion = conclude(
        loaded.definition,
        examples.pathway().definition,
        observed=scales | choices,
        age_days=45,
        screened_on=NOON.date(),
        overridden_to=None,
    )
    assert conclusion.outcome in ("concern", "no_concern")


def test_the_demonstration_gives_every_outcome_and_one_for_everything() -> None:
    definition, pathway = examples.instrument().definition, examples.pathway().definition
    given(None).when(definitions.load_instrument, examples.load_instrument()).then_decided()
    values: list[list[tuple[str, Any]]] = []
    for item in definition.items:
        if isinstance(item, Scale):
            values.append([(item.item, value) for value in range(item.lowest, item.highest + 1)])
        elif isinstance(item, Choice):
            values.append([(item.item, word) for word in item.choices])
    seen = set()
    used = set()
    for combination in itertools.product(*values):
        check_observed(definition, {}, dict(combination))
        conclusion = conclude(
            definition,
            pathway,
            observed=dict(combination),
            age_days=45,
            screened_on=NOON.date(),
            overridden_to=None,
        )
        seen.add(conclusion.outcome)
        used.add(conclusion.rule)
    assert seen == {"no_concern", "monitor", "concern", "urgent_concern"}
    assert used == {rule.rule for rule in definition.outcome_rules}
