"""Quiet hours, safe hours and times of a digest: boundaries, weekends, other zones, both changes of summer time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.domain.hours import HOME, Hours, day_after, next_of, opening

LONDON = ZoneInfo(HOME)
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from([HOME, "America/New_York", "Asia/Kathmandu", "Pacific/Chatham"])


def utc(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (utc(3, 2, 7, 59), utc(3, 2, 8)),
        (utc(3, 2, 8), utc(3, 2, 8)),
        (utc(3, 2, 17, 59), utc(3, 2, 17, 59)),
        (utc(3, 2, 18), utc(3, 3, 8)),
        (utc(3, 6, 18), utc(3, 9, 8)),  # Friday evening
        (utc(3, 7, 12), utc(3, 9, 8)),  # Saturday
        (utc(3, 8, 23, 59), utc(3, 9, 8)),
        # Clocks go forward on Sunday, 29 March: Monday's 8:00 is 7:00 UTC.
        (utc(3, 27, 18), utc(3, 30, 7)),
        (utc(3, 30, 6, 59), utc(3, 30, 7)),
        (utc(3, 30, 16, 59), utc(3, 30, 16, 59)),
        (utc(3, 30, 17), utc(3, 31, 7)),
        # They go back on Sunday, 25 October: Monday's 8:00 is 8:00 UTC again.
        (utc(10, 23, 16, 59), utc(10, 23, 16, 59)),
        (utc(10, 23, 17), utc(10, 26, 8)),
        (utc(10, 26, 7, 30), utc(10, 26, 8)),
    ],
)
def test_nothing_leaves_in_the_quiet_hours(at: datetime, opens: datetime) -> None:
    assert opening(at, HOME) == opens


def test_safe_hours_only_narrow_the_quiet_ones() -> None:
    early = (Hours((0,), time(6), time(8, 30)),)
    assert opening(utc(3, 2, 6), HOME, early) == utc(3, 2, 8)
    assert opening(utc(3, 2, 8, 30), HOME, early) == utc(3, 9, 8)
    assert opening(utc(3, 2), HOME, (Hours((0,), time(6), time(8)),)) is None
    assert opening(utc(3, 2), HOME, (Hours((5, 6), time(9), time(17)),)) is None


@given(at=INSTANTS, zone=ZONES)
def test_what_opens_is_open_and_nothing_before_was(at: datetime, zone: str) -> None:
    opens = opening(at, zone)
    assert opens is not None
    assert opens >= at
    assert opening(opens, zone) == opens
    local = opens.astimezone(ZoneInfo(zone))
    assert local.weekday() < 5
    assert time(8) <= local.time() < time(18)
    if opens > at:
        assert opening(opens - timedelta(microseconds=1), zone) == opens


@pytest.mark.parametrize(
    ("at", "comes"),
    [
        (utc(3, 2, 7, 59), utc(3, 2, 8)),
        (utc(3, 2, 8), utc(3, 2, 13)),
        (utc(3, 2, 13), utc(3, 3, 8)),
        (utc(3, 27, 13), utc(3, 30, 7)),
        (utc(10, 23, 12), utc(10, 26, 8)),
    ],
)
def test_a_digest_comes_at_its_times_on_working_days(at: datetime, comes: datetime) -> None:
    assert next_of(at, HOME, (time(13), time(8))) == comes


@pytest.mark.parametrize(
    ("born", "days", "begins"),
    [
        (utc(3, 2, 23, 59), 15, utc(3, 17)),
        (utc(3, 20, 12), 15, utc(4, 3, 23)),  # in summer time, a day of England begins at 23:00 UTC
        (utc(10, 20, 12), 15, utc(11, 4)),
        (utc(7, 1, 23, 30), 0, utc(7, 1, 23)),
    ],
)
def test_days_are_those_of_england(born: datetime, days: int, begins: datetime) -> None:
    assert day_after(born, days) == begins
