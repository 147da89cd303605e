"""When a message may leave: the quiet hours, a person's own safe hours, and the times of a digest, where they live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chassis.value import value

HOME = "Europe/London"
OPENS, CLOSES = time(8), time(18)
OPEN_DAYS = frozenset(range(5))
"""Outside of these days (0 is Monday) and times (ours) nothing leaves that can wake or be seen by others."""
LOOKED_AHEAD = timedelta(days=7)
"""Every week is like the next: what does not open in one never does."""


@value(frozen=True, slots=True)
class Hours:
    """A part of some days of every week, from its first instant up to its last, that one not included."""

    days: tuple[int, ...]
    """0 is Monday."""
    opens: time
    closes: time


_ALWAYS = (Hours(tuple(range(7)), time.min, time.max),)


def opening(at: datetime, zone: str, safe: Sequence[Hours] = ()) -> datetime | None:
    """`at` when it lies inside, else the next instant that does; None when there is none in any week."""
    place = ZoneInfo(zone)
    today = at.astimezone(place).date()
    for day in (today + timedelta(days=n) for n in range(LOOKED_AHEAD.days + 1)):
        openings = [max(at, opens) for opens, closes in _windows(day, place, safe) if at < closes]
        if openings:
            return min(openings)
    return None


def _windows(day: date, place: ZoneInfo, safe: Sequence[Hours]) -> list[tuple[datetime, datetime]]:
    """What is open on a day of that place: the quiet hours leave it, and the safe hours where there are some."""
    if day.weekday() not in OPEN_DAYS:
        return []
    found = []
    for hours in safe or _ALWAYS:
        opens, closes = max(hours.opens, OPENS), min(hours.closes, CLOSES)
        if day.weekday() in hours.days and opens < closes:
            found.append((_instant(day, opens, place), _instant(day, closes, place)))
    return found


def next_of(at: datetime, zone: str, times: Sequence[time]) -> datetime:
    """The next of these times, on a day that is not quiet, later than `at`."""
    place = ZoneInfo(zone)
    today = at.astimezone(place).date()
    days = (today + timedelta(days=n) for n in range(LOOKED_AHEAD.days + 1))
    instants = (_instant(day, t, place) for day in days if day.weekday() in OPEN_DAYS for t in sorted(times))
    return next(instant for instant in instants if instant > at)


def day_after(at: datetime, days: int) -> datetime:
    """The instant at which, so many days on, the day of `at` begins in England."""
    place = ZoneInfo(HOME)
    return _instant(at.astimezone(place).date() + timedelta(days=days), time.min, place)


def _instant(day: date, at: time, place: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=place).astimezone(UTC)
