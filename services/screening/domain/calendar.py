"""Dates of the field: days are England's, instants are UTC."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


def local_date(instant: datetime) -> date:
    """The date that people in England write for that instant."""
    return instant.astimezone(LONDON).date()


def age_days(born_on: date, instant: datetime) -> int:
    """Age in days: 0 on the day of birth, negative before it."""
    return (local_date(instant) - born_on).days
