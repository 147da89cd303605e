"""Whether the rate holds when ten times as many cases are stored."""

from __future__ import annotations

import statistics
from typing import Any

from bench import load, stored
from bench.load import Figures, Load
from bench.real import Real
from bench.rounds import Sizes, Told

TIMES = 10


async def measure(real: Real, sizes: Sizes, cases: int, seed: int, told: Told) -> dict[str, Any]:
    """The rate with `cases` stored and with ten times as many; medians of the rounds at each size."""
    found: dict[int, list[Figures]] = {}
    have = 0
    for wanted in (cases, cases * TIMES):
        told(f"growth: storing {wanted - have:,} more cases in the tables of all services")
        await stored.store_cases(real.connections, real.people, have, wanted, told)
        have = wanted
        await real.start()
        found[wanted] = await _rounds(real, sizes, seed + wanted, told)
        await real.stop()
    few, many = (statistics.median(f.rate for f in rounds) for rounds in found.values())
    few_core, many_core = (statistics.median(f.rate_per_core for f in rounds) for rounds in found.values())
    return {
        "growth_10x": many / few,
        "growth_10x_per_core": many_core / few_core,
        "growth": {
            str(size): {
                "cases_per_second": statistics.median(f.rate for f in rounds),
                "cases_per_second_per_core": statistics.median(f.rate_per_core for f in rounds),
            }
            for size, rounds in found.items()
        },
    }


async def _rounds(real: Real, sizes: Sizes, seed: int, told: Told) -> list[Figures]:
    await load.run(real, Load(sizes.lead_in, sizes.connections), seed)
    measured = []
    for number in range(1, sizes.rounds + 1):
        figures = await load.run(real, Load(sizes.closed, sizes.connections), seed + number)
        told(f"  {figures.rate:,.0f} cases/s, {figures.rate_per_core:,.0f} per core")
        measured.append(figures)
    return measured
