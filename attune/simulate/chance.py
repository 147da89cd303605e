"""Seeded chance: each person has a generator of its own, so that nobody's fate depends on the order of things."""

from __future__ import annotations

import random
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

_VERSION_7 = 7 << 76 | 2 << 62
_FREE_BITS = (1 << 80) - 1 & ~(0xF << 76) & ~(0x3 << 62)


def chance_of(seed: int, name: str) -> random.Random:
    """The generator of one person or thing."""
    return random.Random(f"{seed}:{name}")  # noqa: S311 - a simulation, no secret


def id_of(seed: int, name: str, at: datetime) -> UUID:
    """A UUIDv7 that is the same for the same seed, name and instant."""
    digest = int.from_bytes(blake2b(f"{seed}:{name}".encode(), digest_size=10).digest(), "big")
    return UUID(int=int(at.timestamp() * 1000) << 80 | digest & _FREE_BITS | _VERSION_7)


def nhs_number_of(number: int) -> str:
    """The `number`th valid one of the range that begins with 9, which is never given to a person."""
    nine = 900_000_000 + number * 2
    for candidate in (nine, nine + 1):
        digits = [int(d) for d in str(candidate)]
        check = 11 - sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return f"{candidate}{0 if check == 11 else check}"
    raise AssertionError("two neighbours cannot both be without a check digit")  # their sums differ by two
