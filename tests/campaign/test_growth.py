"""What counts as growth: judged on made-up processes of which we know."""

from __future__ import annotations

import random

import pytest

from faults.growth import growth
from faults.plan import BY_NAME
from faults.soak import SPARING, sparing_plan


def life(leak: float, *, hours: float = 1.0, noise: float = 3.0, start: float = 90.0) -> list[tuple[float, float]]:
    """Memory of a process that warms up, is restless, and leaks so many MiB an hour."""
    chance = random.Random(f"{leak}/{noise}")
    seconds = range(0, int(hours * 3600), 5)
    return [(s, start + 20 * min(1.0, s / 300) + leak * s / 3600 + chance.gauss(0, noise)) for s in seconds]


@pytest.mark.parametrize("leak", [0.0, 2.0, -3.0])
def test_a_process_that_warms_up_and_is_restless_is_flat(leak: float) -> None:
    found = growth(life(leak))
    assert found.verdict == "flat"
    assert found.mib_per_hour == pytest.approx(leak, abs=3)


@pytest.mark.parametrize("leak", [25.0, 60.0, 500.0])
def test_a_leak_is_seen(leak: float) -> None:
    found = growth(life(leak))
    assert found.verdict == "grows"
    assert found.mib_per_hour == pytest.approx(leak, abs=5)


def test_one_large_batch_now_and_then_is_no_leak() -> None:
    restless = [(at, size + (200 if at % 300 == 0 else 0)) for at, size in life(0.0)]
    assert growth(restless).verdict == "flat"


@pytest.mark.parametrize(("hours", "noise"), [(0.1, 1.0), (0.3, 60.0)])
def test_what_cannot_be_known_is_not_claimed(hours: float, noise: float) -> None:
    assert growth(life(0.0, hours=hours, noise=noise)).verdict == "not known"
    assert growth([]).verdict == "not known"


def test_the_same_seed_strikes_the_same_and_only_what_services_live_through() -> None:
    plan = sparing_plan(7, 3600, 20, 60)
    assert plan == sparing_plan(7, 3600, 20, 60)
    assert (plan.cases, len(plan.faults)) == (72_000, 60)
    assert {f.kind for f in plan.faults} == set(SPARING)
    assert all(name in BY_NAME for name in SPARING)
