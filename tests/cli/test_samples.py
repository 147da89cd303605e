"""The sample day is synthetic, fits together, and shows everything that it is meant to show."""

import json
import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from nhs_number.validate import is_valid

from attune.clinic.sample import (
    SAMPLES,
    Closure,
    Consultation,
    Leaving,
    Sample,
    SampleBroken,
    Screenings,
    definitions,
    load,
)
from services.screening.domain.commands import InstrumentDefinition, PathwayDefinition
from services.screening.domain.outcome import check_observed, conclude


@pytest.fixture(scope="module")
def sample() -> Sample:
    return load()


def test_a_day_has_at_least_forty_screenings_of_all_outcomes(sample: Sample) -> None:
    outcomes = Counter(s.outcome or "not_completed" for s in sample.screenings)
    assert sum(outcomes.values()) >= 40
    assert set(outcomes) == {"no_concern", "monitor", "concern", "urgent_concern", "not_completed"}
    assert outcomes["urgent_concern"] == 2


def test_it_has_twins_a_lapsed_certificate_a_leaving_and_requests_by_professionals(sample: Sample) -> None:
    twins = [{c.key for c in f.children} for f in sample.families if len(f.children) == 2]
    concerned = {s.child for s in sample.screenings if s.outcome == "concern"}
    assert any(pair <= concerned for pair in twins)
    lapsed = {p.key for p in sample.people.people if p.certificates and all(c.until_days < 0 for c in p.certificates)}
    assert sum(s.by in lapsed for s in sample.screenings) == 1
    steps = sample.day.steps
    assert sum(isinstance(s, Leaving) for s in steps) == 1
    assert sum(isinstance(s, Closure) for s in steps) == 1
    requests = [s for s in steps if isinstance(s, Consultation)]
    assert sorted((s.kind, s.child is None) for s in requests) == [
        ("case_consultation", False),
        ("case_consultation", False),
        ("reflective_discussion", True),
    ]


def test_there_are_more_concerns_than_free_places(sample: Sample) -> None:
    leaving = {s.practitioner for s in sample.day.steps if isinstance(s, Leaving)}
    places = sum(
        p.capacity_points // 2
        for p in sample.people.people
        if p.key not in leaving
        and any(c.competence == "infant_mental_health" and c.until_days > 0 for c in p.certificates)
    )
    assert sum(s.outcome in ("concern", "urgent_concern") for s in sample.screenings) > places


def test_the_loaded_instrument_gives_the_outcomes_that_the_file_says(sample: Sample) -> None:
    (instrument,) = [text for name, version, text in definitions("instruments") if name == sample.day.instrument]
    (pathway,) = [text for _, _, text in definitions("pathways")]
    definition = InstrumentDefinition.model_validate_json(json.dumps(json.loads(instrument)["definition"]))
    follows = PathwayDefinition.model_validate_json(json.dumps(json.loads(pathway)["definition"]))
    for s in sample.screenings:
        if s.observed is None:
            continue
        check_observed(definition, s.answers or {}, s.observed)
        concluded = conclude(
            definition, follows, observed=s.observed, age_days=48, screened_on=date(2026, 3, 2), overridden_to=None
        )
        assert concluded.outcome == s.outcome, s.child


def test_nobody_in_it_is_real(sample: Sample) -> None:
    numbers = [f.mother_nhs_number for f in sample.families]
    numbers += [c.nhs_number for f in sample.families for c in f.children if c.nhs_number]
    assert len(set(numbers)) == len(numbers)
    assert all(n.startswith("9") and is_valid(n) for n in numbers)
    assert all(p.mail.endswith(".invalid") for p in sample.people.people)


def test_every_screening_is_of_a_child_that_was_born_and_of_each_child_once(sample: Sample) -> None:
    born = {c.key for f in sample.families for c in f.children if c.age_days is not None and c.age_days <= 70}
    screened = Counter(s.child for step in sample.day.steps if isinstance(step, Screenings) for s in step.screenings)
    assert set(screened) == born
    assert set(screened.values()) == {1}


def test_a_broken_sample_is_named_with_file_and_place(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True)
    day = json.loads((tmp_path / "clinic_day.json").read_text())
    day["steps"][0]["screenings"][0]["child"] = "c99"
    (tmp_path / "clinic_day.json").write_text(json.dumps(day))
    with pytest.raises(SampleBroken, match="c99"):
        load(tmp_path)
    day["steps"][0]["screenings"][0]["colour"] = "blue"
    (tmp_path / "clinic_day.json").write_text(json.dumps(day))
    with pytest.raises(SampleBroken, match=r"clinic_day\.json: steps\.0.*colour"):
        load(tmp_path)
    (tmp_path / "people.json").unlink()
    with pytest.raises(SampleBroken, match="cannot be read"):
        load(tmp_path)
