"""The people of the simulated city: the same for the same seed, synthetic all of them, and as many as was asked for."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from nhs_number.validate import is_valid

from attune.simulate.acts import Act, instant
from attune.simulate.chance import chance_of, nhs_number_of
from attune.simulate.family import families, life, observed
from attune.simulate.hands import stretches
from attune.simulate.parameters import City, UnknownParameter
from attune.simulate.people import Staff
from services.screening.domain.outcome import outcome_of
from tests.screening import examples

CITY = City(births=400)
STAFF = Staff(7, CITY, date(2026, 11, 24))


def acts(seed: int = 7) -> list[Act]:
    staff = Staff(seed, CITY, STAFF.begins)
    return [act for family in families(seed, CITY, staff) for act in life(family)]


def test_the_same_seed_gives_the_same_lives_and_another_seed_others() -> None:
    assert [(a, a.body) for a in acts()] == [(a, a.body) for a in acts()]
    assert {a.key for a in acts(8)} != {a.key for a in acts()}


def test_every_act_has_a_key_of_its_own() -> None:
    keys = Counter(a.key for a in [*acts(), *STAFF.acts()])
    assert [key for key, n in keys.items() if n > 1] == []


def test_as_many_children_are_born_as_the_city_has() -> None:
    born = sum(2 if any(a.key.startswith("birth 1") for a in life(f)) else 1 for f in families(7, CITY, STAFF))
    assert CITY.births - 2 <= born <= CITY.births + 1


def test_everybody_is_synthetic() -> None:
    numbers = {nhs_number_of(n) for n in range(5_000)}
    assert len(numbers) == 5_000
    assert all(is_valid(n) and n.startswith("9") for n in numbers)


def test_nothing_happens_before_the_year_or_before_its_reason() -> None:
    for family in families(7, CITY, STAFF):
        by_key = {a.key.rsplit(" ", 1)[0]: a.at for a in life(family)}
        assert min(by_key.values()).date() >= STAFF.begins
        if "birth 0" in by_key:
            assert by_key["birth 0"].date() >= family.born_on
            assert all(at > by_key["birth 0"] for key, at in by_key.items() if key.startswith(("screening", "attempt")))


@pytest.mark.parametrize("outcome", ["no_concern", "monitor", "concern", "urgent_concern"])
def test_observations_give_the_outcome_that_they_are_meant_to_give(outcome: str) -> None:
    definition = examples.instrument().definition
    for n in range(30):
        rule, _ = outcome_of(definition, observed(outcome, chance_of(n, outcome)))
        assert rule.outcome == outcome


def test_other_numbers_are_checked() -> None:
    assert City().with_({"births": "10", "concern": "0.5"}).concern == 0.5
    for wrong in ({"storks": "1"}, {"births": "many"}, {"concern": "-1"}):
        with pytest.raises(UnknownParameter):
            City().with_(wrong)


def test_what_another_service_has_to_hear_first_waits_for_a_turn_of_its_own() -> None:
    def act(service: str, key: str) -> Act:
        return Act(instant(date(2026, 3, 2), 9), key, service, "POST /x", "records", {}, "family 1")

    day = [act("screening", "birth 0"), act("screening", "birth 1"), act("notification", "caregiver"),
           act("notification", "contact"), act("screening", "screening")]  # fmt: skip
    assert [[a.key for a in turn] for turn in stretches(day)] == [
        ["birth 0"], ["birth 1"], ["caregiver", "contact"], ["screening"],
    ]  # fmt: skip
    assert stretches([]) == []
