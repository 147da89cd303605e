"""A quarter of a minute of what `make soak` does for an hour: everything is seen, nothing is claimed."""

from __future__ import annotations

from faults.plan import SERVICES
from faults.soak import soak, sparing_plan


async def test_a_short_soak_samples_every_service_and_comes_to_rest() -> None:
    seen = await soak(sparing_plan(3, 15, 2, 8), 15, lambda _what, _facts: None)
    assert seen.came_to_rest
    assert seen.cases > 5
    assert not seen.cases_failed
    assert not seen.ends
    assert len(seen.faults) == 1
    assert {s.service for s in seen.samples} == set(SERVICES)
    assert {g.verdict for g in seen.growths().values()} == {"not known"}
    assert all(least > 3 for least, _ in seen.files().values())
    assert seen.holds
