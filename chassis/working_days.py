"""Days as people in England count them: local dates, working days and bank holidays; instants stay in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chassis import bank_holidays
from chassis.value import value

LONDON = ZoneInfo("Europe/London")
_DAY = timedelta(days=1)
_SATURDAY = 5


def local_date(instant: datetime) -> date:
    """The date that people in England write for that instant."""
    return instant.astimezone(LONDON).date()


def start_of(day: date) -> datetime:
    """The instant at which the day begins in England."""
    return datetime.combine(day, time(), LONDON).astimezone(UTC)


def end_of(day: date) -> datetime:
    """The instant at which the day is over in England: the first that no longer belongs to it."""
    return start_of(day + _DAY)


@value(frozen=True, slots=True)
class Calendar:
    """England's working days: the bank holidays known when Attune was made, and what was announced since or moved."""

    added: frozenset[date] = frozenset()
    removed: frozenset[date] = frozenset()

    def is_working_day(self, day: date) -> bool:
        if day.weekday() >= _SATURDAY or day in self.added:
            return False
        return day in self.removed or day not in bank_holidays.of_year(day.year)

    def days_after(self, instant: datetime, *, working: bool) -> Iterator[date]:
        """The days, or the working days, that follow the local day of that instant."""
        day = local_date(instant)
        while True:
            day += _DAY
            if not working or self.is_working_day(day):
                yield day

    def end_of_working_day(self, instant: datetime, number: int) -> datetime:
        """When the `number`th working day after the day of that instant is over."""
        days = self.days_after(instant, working=True)
        for _ in range(number - 1):
            next(days)
        return end_of(next(days))


ENGLAND = Calendar()
"""As it was known when Attune was made."""
