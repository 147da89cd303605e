"""Ages of the field: in whole days, by the dates that people in England write."""

from __future__ import annotations

from datetime import date, datetime

from chassis.working_days import local_date

OLDEST_DAYS = 1100
"""A child older than this is not the service's, whatever the input: the second birthday is at 730 or 731."""


def age_days(born_on: date, instant: datetime) -> int:
    """Age in days: 0 on the day of birth, negative before it."""
    return (local_date(instant) - born_on).days


def told_age(born_on: date, on: date) -> int:
    """The age that an event tells. Whatever happens to a child is told, however old it is: "this old, or older"."""
    return min((on - born_on).days, OLDEST_DAYS)
