"""Does it grow? A straight line through medians of memory, with the doubt that the figures leave: pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP = 0.25
"""Of a process's life: caches, pools and the allocator take what they need."""
SLOTS = 12
"""The rest in so many parts; the median of each, so that a full batch here and there does not count."""
LEAST_SECONDS = 600.0
LIMIT_MIB_PER_HOUR = 16.0
"""More than this is a leak: a process that is left alone for a fortnight would reach 5 GiB."""
SURELY = 2.0
"""Standard errors between what is measured and what is claimed: about 95 %."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What a series of samples says."""

    verdict: str
    """`flat`, `grows`, or `not known` where the samples are too few or too restless."""
    mib_per_hour: float
    doubt: float
    """One standard error of it."""
    median_mib: float
    largest_mib: float


def growth(samples: Sequence[tuple[float, float]], *, limit: float = LIMIT_MIB_PER_HOUR) -> Growth:
    """Of (seconds, MiB) of one process, in order."""
    sizes = [size for _, size in samples] or [0.0]
    middle, largest = statistics.median(sizes), max(sizes)
    if len(samples) < 5 * SLOTS or samples[-1][0] - samples[0][0] < LEAST_SECONDS:
        return Growth("not known", 0.0, math.inf, middle, largest)
    kept = samples[round(len(samples) * WARM_UP) :]
    parts = [kept[len(kept) * n // SLOTS : len(kept) * (n + 1) // SLOTS] for n in range(SLOTS)]
    hours = [statistics.mean(at for at, _ in part) / 3600 for part in parts]
    medians = [statistics.median(size for _, size in part) for part in parts]
    slope, start = statistics.linear_regression(hours, medians)
    away = [size - (start + slope * at) for at, size in zip(hours, medians, strict=True)]
    spread = sum((at - statistics.mean(hours)) ** 2 for at in hours)
    doubt = math.sqrt(sum(a * a for a in away) / (SLOTS - 2) / spread)
    if slope + SURELY * doubt < limit:
        verdict = "flat"
    else:
        verdict = "grows" if slope - SURELY * doubt > 0 and slope > limit else "not known"
    return Growth(verdict, slope, doubt, middle, largest)
