"""Faults on time: the services' clocks are set ahead, also over the nights on which England's summer time changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from faults.plan import SERVICES, Fault
from faults.site import NotPossible, Site
from faults.strikes import Strike, Told

LONDON = ZoneInfo("Europe/London")
BEFORE_THE_CHANGE = timedelta(seconds=20)
PATIENCE_SECONDS = 60.0


def next_change(after: datetime, *, to_summer: bool) -> datetime:
    """The next instant at which London's clocks go forward (or back)."""
    hour = after.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while True:
        before, then = ((hour + d).astimezone(LONDON).utcoffset() for d in (timedelta(seconds=-1), timedelta()))
        if before != then and bool(then) == to_summer:
            return hour
        hour += timedelta(hours=1)


async def set_ahead(site: Site, to: datetime) -> None:
    """All services go by this time from now on, and so do those who ask them. Raises NotPossible."""
    before = site.asking.now()
    await asyncio.gather(*(_set_one(site, service, to) for service in SERVICES))
    site.asking.offset += to - before


async def _set_one(site: Site, service: str, to: datetime) -> None:
    operator, body = site.people.operator, {"now": to.isoformat()}
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        answer = await site.asking.put(operator, service, "/operator/clock", body)
        if answer is not None and answer.is_success:
            return
        if answer is not None or asyncio.get_running_loop().time() > deadline:
            raise NotPossible(f"the time of {service} was not set: {answer.status_code if answer else 'no answer'}")
        await asyncio.sleep(0.3)


def working_hours(now: datetime) -> datetime:
    """This instant where e-mail leaves at it, else the next at which it does for hours: mid-week, in the morning."""
    there = now.astimezone(LONDON)
    if there.weekday() < 5 and 8 <= there.hour < 17:
        return now
    morning = there.replace(hour=9, minute=0, second=0, microsecond=0)
    while morning <= there or morning.weekday() not in (1, 2, 3):
        morning += timedelta(days=1)
    return morning.astimezone(UTC)


async def go_to_work(site: Site) -> None:
    """Ahead to working hours, unless it is them: at night nothing would leave that a mail server could refuse."""
    now = site.asking.now()
    if (then := working_hours(now)) != now:
        await set_ahead(site, then)


def by(step: timedelta) -> Strike:
    """So much later."""

    async def strike(site: Site, _fault: Fault) -> Told:
        await set_ahead(site, site.asking.now() + step)
        await asyncio.sleep(1)
        await go_to_work(site)
        return {"seconds": int(step.total_seconds())}

    return strike


def over_the_change(*, to_summer: bool) -> Strike:
    """To the seconds before a change of summer time, and over it while work goes on."""

    async def strike(site: Site, _fault: Fault) -> Told:
        before = site.asking.now()
        await set_ahead(site, next_change(before, to_summer=to_summer) - BEFORE_THE_CHANGE)
        await asyncio.sleep(BEFORE_THE_CHANGE.total_seconds() / 4)
        await set_ahead(site, site.asking.now() + BEFORE_THE_CHANGE)
        await asyncio.sleep(1)
        await go_to_work(site)
        return {"days": (site.asking.now() - before).days}

    return strike


CLOCKS: Mapping[str, Strike] = {
    "clock_hour": by(timedelta(hours=1)),
    "clock_day": by(timedelta(days=1)),
    "clock_summer_begins": over_the_change(to_summer=True),
    "clock_summer_ends": over_the_change(to_summer=False),
}
