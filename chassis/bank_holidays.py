"""Bank holidays of England as the `holidays` library reckons them, in a table that is written when Attune is made.

The library brings the calendars of every country: 16 MiB that each service would hold for eight days a year. So it is
asked beforehand (`python -m chassis.bank_holidays` writes `bank_holidays.json`), and a test holds that both agree.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date
from functools import cache
from pathlib import Path

YEARS = range(1999, 2101)
"""The library reckons no further than 2100."""
TABLE = Path(__file__).with_suffix(".json")


@cache
def _table() -> dict[str, str]:
    found: dict[str, str] = json.loads(TABLE.read_text())
    return found


@cache
def of_year(year: int) -> frozenset[date]:
    """The bank holidays of one year; none for a year outside YEARS."""
    return frozenset(date.fromisoformat(f"{year}-{day}") for day in _table().get(str(year), "").split())


def as_text(by_year: dict[int, Collection[date]]) -> str:
    """What the file holds, with a line for each year."""
    days = {str(year): " ".join(f"{day:%m-%d}" for day in sorted(found)) for year, found in by_year.items()}
    return json.dumps(days, indent=0) + "\n"


def reckoned() -> dict[int, Collection[date]]:
    """What the library says today; it is not there where services run."""
    import holidays

    return {year: frozenset(holidays.country_holidays("GB", subdiv="ENG", years=year)) for year in YEARS}


if __name__ == "__main__":
    TABLE.write_text(as_text(reckoned()))
