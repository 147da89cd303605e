"""Working days in England: weekends, bank holidays, both changes of summer time, holidays announced later."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import bank_holidays
from chassis.working_days import LONDON, Calendar, end_of, local_date, start_of

ENGLAND = Calendar()


@pytest.mark.parametrize(
    ("instant", "number", "end"),
    [
        pytest.param("2026-03-02T10:00Z", 1, "2026-03-04T00:00Z", id="monday, one: tuesday is over"),
        pytest.param("2026-03-02T00:00Z", 2, "2026-03-05T00:00Z", id="the first instant of a monday"),
        pytest.param("2026-03-02T23:59Z", 2, "2026-03-05T00:00Z", id="the last minute of a monday"),
        pytest.param("2026-03-06T17:00Z", 2, "2026-03-11T00:00Z", id="friday, two: over the weekend"),
        pytest.param("2026-03-07T12:00Z", 2, "2026-03-11T00:00Z", id="saturday, two: the same"),
        pytest.param("2026-03-27T12:00Z", 1, "2026-03-30T23:00Z", id="friday before the clocks go forward"),
        pytest.param("2026-10-23T12:00Z", 1, "2026-10-27T00:00Z", id="friday before the clocks go back"),
        pytest.param("2026-06-30T23:30Z", 1, "2026-07-02T23:00Z", id="in summer it is already wednesday"),
        pytest.param("2026-04-02T12:00Z", 2, "2026-04-08T23:00Z", id="over Easter"),
        pytest.param("2026-12-24T12:00Z", 2, "2026-12-31T00:00Z", id="over Christmas with its substitute day"),
    ],
)
def test_the_end_of_a_working_day(instant: str, number: int, end: str) -> None:
    assert ENGLAND.end_of_working_day(datetime.fromisoformat(instant), number) == datetime.fromisoformat(end)


def test_the_table_is_what_the_library_says() -> None:
    """When a new version of the library knows more, `python -m chassis.bank_holidays` writes the table anew."""
    assert bank_holidays.as_text(bank_holidays.reckoned()) == bank_holidays.TABLE.read_text()


def test_every_year_has_its_bank_holidays() -> None:
    assert all(len(bank_holidays.of_year(year)) >= 8 for year in bank_holidays.YEARS)
    assert date(2022, 9, 19) in bank_holidays.of_year(2022), "the funeral of a queen, announced eleven days before"


def test_a_bank_holiday_announced_later_is_no_working_day_and_one_taken_back_is() -> None:
    monday = date(2026, 3, 9)
    friday_before = datetime(2026, 3, 6, 12, tzinfo=UTC)
    announced = Calendar(added=frozenset({monday}))
    assert ENGLAND.end_of_working_day(friday_before, 1) == datetime(2026, 3, 10, tzinfo=UTC)
    assert announced.end_of_working_day(friday_before, 1) == datetime(2026, 3, 11, tzinfo=UTC)
    may_day = date(2026, 5, 4)
    assert not ENGLAND.is_working_day(may_day)
    assert Calendar(removed=frozenset({may_day})).is_working_day(may_day)
    assert not Calendar(removed=frozenset({date(2026, 3, 7)})).is_working_day(date(2026, 3, 7))


@given(st.dates(date(2000, 1, 1), date(2099, 12, 30)))
def test_a_day_lasts_from_its_start_to_its_end(day: date) -> None:
    start, end = start_of(day), end_of(day)
    assert end - start in {timedelta(hours=23), timedelta(hours=24), timedelta(hours=25)}
    assert local_date(start) == local_date(end - timedelta(microseconds=1)) == day
    assert local_date(end) == day + timedelta(days=1)
    assert start.astimezone(LONDON).hour == 0


@given(st.integers(0, 20 * 366 * 24 * 60), st.integers(1, 90))
def test_more_days_end_later_and_always_on_a_working_day(minutes: int, number: int) -> None:
    instant = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    end = ENGLAND.end_of_working_day(instant, number)
    assert ENGLAND.is_working_day(local_date(end - timedelta(microseconds=1)))
    assert instant < end < ENGLAND.end_of_working_day(instant, number + 1)
