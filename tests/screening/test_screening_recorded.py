"""Recording a screening: outcome, what follows, how it is marked, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from attune_contracts.screening import ScreeningCompleted
from chassis.decision import Refused
from services.screening.domain import eligibility, outcome, screening
from services.screening.domain.child import NoLiveBirth, UnknownChild
from services.screening.domain.decision_record import DecisionRecord, recompute
from services.screening.domain.screening import Screening
from tests.screening import examples
from tests.support.given import NOON, given, some_id


def recorded(**changes: Any) -> Screening:
    decision = given(examples.at_screening(examples.child())).when(screening.record, examples.screening(**changes))
    row = decision.then_decided().rows[0]
    assert isinstance(row, Screening)
    return row


@pytest.mark.parametrize(
    ("seen", "expected", "follows", "rule"),
    [
        ({}, "no_concern", "nothing", "otherwise"),
        ({"answering": 3}, "no_concern", "nothing", "otherwise"),
        ({"answering": 3, "soothing": 1}, "monitor", "follow_up", "middle_total"),
        ({"mood_of_the_room": "cool"}, "monitor", "follow_up", "cool_or_tense_room"),
        ({"answering": 3, "soothing": 3}, "monitor", "follow_up", "middle_total"),
        ({"answering": 3, "soothing": 3, "playfulness": 1}, "concern", "consultation_routine", "high_total"),
        ({"fear": "unsure"}, "concern", "consultation_routine", "fear_unsure"),
        (
            {"soothing": 3, "mood_of_the_room": "tense"},
            "concern",
            "consultation_routine",
            "hard_to_soothe_in_a_tense_room",
        ),
        (
            {"answering": 3, "soothing": 3, "playfulness": 3, "fear": "unsure"},
            "urgent_concern",
            "consultation_urgent",
            "fear_unsure_and_high_total",
        ),
        ({"fear": "seen"}, "urgent_concern", "consultation_urgent", "fear_seen"),
    ],
)
def test_the_outcome_is_looked_up_in_the_definition(
    seen: dict[str, Any], expected: str, follows: str, rule: str
) -> None:
    command = examples.screening(observed=examples.observed(**seen))
    when = given(examples.at_screening(examples.child(), certificates=examples.certified())).when(
        screening.record, command
    )
    (event,) = when.events
    assert isinstance(event, ScreeningCompleted)
    row, _ = when.then_decided().rows
    assert (event.outcome, event.follows, row.record.conclusion.rule) == (expected, follows, rule)


def test_a_concern_is_told_thinly_and_explained_in_its_row() -> None:
    child, command = examples.child(), examples.screening(observed=examples.observed(fear="unsure"))
    when = (
        given(examples.at_screening(child, certificates=examples.certified()))
        .by(examples.HEALTH_VISITOR)
        .when(screening.record, command)
    )
    decision = when.then(
        ScreeningCompleted(
            screening_id=when.then_decided().rows[0].screening_id,
            child_id=child.child_id,
            pregnancy_id=child.pregnancy_id,
            team_id=child.team_id,
            outcome="concern",
            follows="consultation_routine",
            instrument=examples.INSTRUMENT,
            instrument_version=1,
            pathway=examples.PATHWAY,
            pathway_version=1,
            age_days=45,
            setting="home",
            interpreter=False,
            language="en",
            administered_by=examples.HEALTH_VISITOR,
            role="health_visitor",
            certificate="valid",
            overridden=False,
            screened_at=NOON,
        )
    )
    row, changed = decision.rows
    assert row.answers == {"first_weeks": "Drizzle, and now and then the sun."}
    assert row.record.decided_by == row.recorded_by == str(examples.HEALTH_VISITOR)
    assert (changed.last_outcome, changed.screened_at, changed.covered_at_days) == ("concern", NOON, 45)
    assert "Drizzle" not in decision.events[0].model_dump_json()


def test_monitor_is_followed_up_after_the_days_of_the_pathway() -> None:
    when = given(examples.at_screening(examples.child())).when(
        screening.record, examples.screening(observed=examples.observed(mood_of_the_room="cool"))
    )
    _, child = when.then_decided().rows
    assert child.follow_up_on == date(2026, 3, 30)
    assert when.then_decided().reply["follow_up_on"] == date(2026, 3, 30)


@pytest.mark.parametrize(("seconds_before_end", "expected"), [(1, "valid"), (0, "lapsed"), (-1, "lapsed")])
def test_a_lapsed_certificate_is_marked_and_the_result_taken(seconds_before_end: int, expected: str) -> None:
    certificates = examples.certified(valid_until=NOON + timedelta(seconds=seconds_before_end))
    command = examples.screening(observed=examples.observed(fear="seen"))
    when = given(examples.at_screening(examples.child(), certificates=certificates)).when(screening.record, command)
    (event,) = when.events
    assert isinstance(event, ScreeningCompleted)
    assert (event.certificate, event.outcome) == (expected, "urgent_concern")


def test_a_concern_from_a_person_without_certificate_is_taken() -> None:
    row = recorded(observed=examples.observed(fear="unsure"))
    assert row.outcome == "concern"
    assert row.record is not None
    assert row.record.inputs.certificate == "none"


@pytest.mark.parametrize(("age", "in_window"), [(28, False), (29, True), (70, True), (71, False), (0, False)])
def test_outside_the_age_window_a_result_counts_but_not_for_coverage(age: int, in_window: bool) -> None:
    when = given(examples.at_screening(examples.child(age_days=age))).when(screening.record, examples.screening())
    row, child = when.then_decided().rows
    assert row.record.conclusion.in_window is in_window
    assert child.covered_at_days == (age if in_window else None)
    assert child.last_outcome == "no_concern"


def test_a_clinicians_override_decides_and_is_recorded() -> None:
    changed = recorded(override={"outcome": "concern", "reason": "A gut feeling."})
    same = recorded(override={"outcome": "no_concern", "reason": "As the tool says."})
    assert changed.record is not None
    assert same.record is not None
    assert (changed.outcome, changed.record.conclusion.outcome_of_instrument) == ("concern", "no_concern")
    assert (changed.record.conclusion.overridden, same.record.conclusion.overridden) == (True, False)
    assert changed.record.conclusion.follows == "consultation_routine"


def test_a_result_recorded_late_does_not_overrule_a_later_one() -> None:
    child = examples.child(screened_at=NOON, last_outcome="concern", covered_at_days=45)
    earlier = examples.screening(screened_at=(NOON - timedelta(days=5)).isoformat())
    _, changed = given(examples.at_screening(child)).when(screening.record, earlier).then_decided().rows
    assert (changed.last_outcome, changed.screened_at, changed.covered_at_days) == ("concern", NOON, 40)


@pytest.mark.parametrize(
    ("state", "changes", "rule", "field"),
    [
        ({"child": None}, {}, UnknownChild, "child_id"),
        ({"instrument": None}, {}, eligibility.UnknownInstrumentVersion, "instrument_version"),
        ({"pathway": None}, {}, screening.NoPathwayForInstrument, "instrument"),
        ({"child": examples.child(age_days=None)}, {}, NoLiveBirth, "child_id"),
        ({"child": examples.child(birth="still")}, {}, NoLiveBirth, "child_id"),
        ({"child": examples.child(age_days=1101)}, {}, eligibility.ChildTooOldToScreen, "child_id"),
        (
            {"child": examples.child(age_days=0)},
            {"screened_at": "2026-03-01T23:59:59Z"},
            eligibility.BeforeBirth,
            "screened_at",
        ),
        ({}, {"screened_at": "2026-03-02T12:01:00.001Z"}, eligibility.InFuture, "screened_at"),
        ({}, {"second_rater": examples.HEALTH_VISITOR}, screening.SecondRaterIsTheFirst, "second_rater"),
        ({}, {"seconds_observed": 119}, outcome.ObservationTooShort, "seconds_observed"),
        ({}, {"answers": {"nonsense": "x"}}, outcome.UnknownItem, "answers"),
        ({}, {"answers": {"fear": "x"}}, outcome.UnknownItem, "answers"),
        ({}, {"observed": examples.observed(nonsense=1)}, outcome.UnknownItem, "observed"),
        ({}, {"observed": {"fear": "seen"}}, outcome.ObservationIncomplete, "observed"),
        ({}, {"observed": examples.observed(answering=4)}, outcome.ValueNotOnScale, "observed"),
        ({}, {"observed": examples.observed(answering=-1)}, outcome.ValueNotOnScale, "observed"),
        ({}, {"observed": examples.observed(answering="warm")}, outcome.ValueNotOnScale, "observed"),
        ({}, {"observed": examples.observed(fear="warm")}, outcome.ValueNotOnScale, "observed"),
        ({}, {"observed": examples.observed(fear=1)}, outcome.ValueNotOnScale, "observed"),
    ],
)
def test_refusals_name_rule_and_field(
    state: dict[str, Any], changes: dict[str, Any], rule: type[Refused], field: str
) -> None:
    parts = {"child": examples.child()} | state
    given(examples.at_screening(**parts)).when(screening.record, examples.screening(**changes)).then_refused(
        rule, field
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds_observed": 120},
        {"screened_at": "2026-03-02T12:01:00Z"},
        {"screened_at": "2026-01-16T00:00:00Z"},
        {"answers": {}},
    ],
)
def test_at_the_boundary_it_is_taken(changes: dict[str, Any]) -> None:
    recorded(**changes)


def test_days_are_those_of_england() -> None:
    """Half past midnight on 2 June in London is still 1 June in UTC."""
    child = examples.child(born_on=date(2026, 6, 2))
    command = examples.screening(screened_at="2026-06-01T23:30:00Z")
    state = given(examples.at_screening(child))
    decision = state.when(screening.record, command, at=NOON + timedelta(days=100)).then_decided()
    assert decision.reply["age_days"] == 0


def test_the_same_screening_again_gets_the_same_reply() -> None:
    command = examples.screening(screening_id=str(some_id("screening")))
    first = given(examples.at_screening(examples.child())).when(screening.record, command).then_decided()
    state = examples.at_screening(first.rows[1], certificates=examples.certified(), existing=first.rows[0])
    again = given(state).when(screening.record, command, at=NOON + timedelta(hours=1))
    again.then(rows=(), reply=first.reply)


@pytest.mark.parametrize(
    "changes",
    [
        {"child_id": str(some_id("another child"))},
        {"instrument_version": 2},
        {"observed": examples.observed(fear="seen")},
        {"answers": {"first_weeks": "Sun."}},
        {"setting": "clinic"},
        {"override": {"outcome": "concern", "reason": "Second thoughts."}},
    ],
)
def test_another_content_under_the_same_id_is_refused(changes: dict[str, Any]) -> None:
    row = recorded(screening_id=str(some_id("screening")))
    state = examples.at_screening(examples.child(), existing=row)
    command = examples.screening(screening_id=str(some_id("screening")), **changes)
    given(state).when(screening.record, command).then_refused(screening.ScreeningRecordedDifferently, "screening_id")


def test_a_decision_is_worked_out_again_from_its_stored_record() -> None:
    row = recorded(
        observed=examples.observed(mood_of_the_room="tense", soothing=2),
        override={"outcome": "concern", "reason": "A gut feeling."},
        caregiver_id=str(some_id("caregiver")),
        second_rater=str(some_id("another")),
    )
    assert row.record is not None
    adapter = TypeAdapter(DecisionRecord)
    stored = adapter.validate_json(adapter.dump_json(row.record))
    assert stored == row.record
    again = recompute(stored, examples.instrument().definition, examples.pathway().definition)
    assert again == stored


def test_a_record_of_other_definitions_is_not_worked_out_to_the_same() -> None:
    row = recorded(observed=examples.observed(fear="unsure"))
    assert row.record is not None
    rules = [{"rule": "always", "outcome": "no_concern"}]
    other = examples.instrument(outcome_rules=rules).definition
    assert recompute(row.record, other, examples.pathway().definition) != row.record
