"""Ages of the field: in whole days, by the dates that people in England write."""

from __future__ import annotations

from datetime import date, datetime

from chassis.working_days import local_date


def age_days(born_on: date, instant: datetime) -> int:
    """Age in days: 0 on the day of birth, negative before it."""
    return (local_date(instant) - born_on).days
