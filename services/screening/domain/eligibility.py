"""Who may be screened, and when: a child known to be born alive, at a moment that has come."""

from __future__ import annotations

from datetime import datetime, timedelta

from chassis.decision import Refused
from services.screening.domain.calendar import OLDEST_DAYS, age_days
from services.screening.domain.child import Child, NoLiveBirth, alive_here

CLOCK_TOLERANCE = timedelta(seconds=60)
"""How far the clock of a device may be ahead of ours (ours)."""


class UnknownInstrumentVersion(Refused):
    """This version of the instrument is not loaded."""

    status = 422
    field = "instrument_version"


class BeforeBirth(Refused):
    """The child was not born by then."""

    status = 422


class InFuture(Refused):
    """The instant lies in the future."""

    status = 422


class ChildTooOldToScreen(Refused):
    """The child is older than those this service is for."""

    status = 422
    field = "child_id"


def age_at_screening(child: Child, at: datetime, *, field: str, now: datetime) -> int:
    """Age in days of a child that may be screened at that instant; refuses the others. `field` names the instant."""
    if at > now + CLOCK_TOLERANCE:
        raise InFuture(field=field)
    alive_here(child)
    if child.born_on is None or child.birth != "live":
        raise NoLiveBirth
    age = age_days(child.born_on, at)
    if age < 0:
        raise BeforeBirth(field=field)
    if age > OLDEST_DAYS:
        raise ChildTooOldToScreen
    return age
