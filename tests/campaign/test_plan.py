"""The plan: a pure function of its seed that leaves nothing out."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis import failpoints
from faults.campaign import STRIKES as STRIKES_OF_A_CAMPAIGN
from faults.plan import BY_NAME, FIRST, KINDS, NOT_MORE_THAN, POINTS, STRIKES, plan

sizes = st.integers(1, 120)
seeds = st.integers(0, 2**31)


@settings(deadline=None)
@given(seeds, sizes)
def test_the_same_seed_gives_the_same_plan(seed: int, faults: int) -> None:
    assert plan(seed, 200, faults) == plan(seed, 200, faults)
    assert len(plan(seed, 200, faults).faults) == faults


def test_other_seeds_give_other_plans() -> None:
    told = {str([f.as_dict() for f in plan(seed, 200, 12).faults]) for seed in range(20)}
    assert len(told) == 20


@settings(deadline=None)
@given(seeds, sizes)
def test_faults_are_in_order_and_within_their_bounds(seed: int, faults: int) -> None:
    made = plan(seed, 200, faults).faults
    assert [f.number for f in made] == list(range(faults))
    assert [f.at for f in made] == sorted(f.at for f in made)
    for f in made:
        kind = BY_NAME[f.kind]
        assert kind.lasts[0] - 0.1 <= f.lasts <= kind.lasts[1] + 0.1
        assert f.target in kind.targets
        assert all(low <= f.numbers[name] <= high for name, (low, high) in kind.numbers.items())
        assert (f.point is not None) == (f.kind in ("dies_at", "stops_at"))
        assert f.point is None or f.target in POINTS[f.point]


@settings(deadline=None)
@given(seeds, sizes)
def test_two_at_most_are_struck_together_and_never_on_the_same_thing(seed: int, faults: int) -> None:
    for group in plan(seed, 200, faults).groups():
        assert len(group) <= 2
        kinds = [BY_NAME[f.kind] for f in group]
        assert len(group) == 1 or not any(k.alone for k in kinds)
        assert len({k.touches for k in kinds}) == len(group)


@pytest.mark.parametrize("seed", range(5))
def test_the_default_size_has_every_kind_and_pairs(seed: int) -> None:
    made = plan(seed, 2000, 60)
    assert {f.kind for f in made.faults} == set(BY_NAME)
    assert 5 <= sum(f.together for f in made.faults) <= 25


@pytest.mark.parametrize("seed", range(5))
def test_the_full_size_strikes_at_every_point_twenty_times(seed: int) -> None:
    made = plan(seed, 10_000, 200).faults
    strikes = Counter(dict.fromkeys(POINTS, 0))
    for f in made:
        if f.point is not None:
            strikes[f.point] += STRIKES
    assert min(strikes.values()) >= 20, strikes
    used = Counter(f.kind for f in made)
    assert all(used[name] <= most for name, most in NOT_MORE_THAN.items())
    assert min(used[k.name] for k in KINDS) >= 2


@pytest.mark.parametrize("seed", range(5))
def test_the_short_size_has_the_worst(seed: int) -> None:
    assert set(FIRST) <= {f.kind for f in plan(seed, 200, 12).faults}


def test_every_point_of_the_services_is_in_the_plans() -> None:
    assert set(POINTS) == set(failpoints.POINTS)


def test_every_kind_of_fault_can_be_made() -> None:
    assert set(STRIKES_OF_A_CAMPAIGN) == set(BY_NAME)
