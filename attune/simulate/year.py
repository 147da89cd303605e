"""The days of the city, one after the other: time is set ahead, people act, and everything comes to rest."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from attune.addresses import Addresses
from attune.asking import Asking
from attune.clinic.sample import definitions
from attune.clock import set_ahead, time_of
from attune.facts import READERS
from attune.simulate.acts import LONDON, Act, instant
from attune.simulate.ears import Ears
from attune.simulate.family import families, life
from attune.simulate.hands import Hands
from attune.simulate.parameters import City
from attune.simulate.people import Staff
from attune.simulate.work import Work
from attune.stack.stack import Stack
from attune_contracts.event import Event

AFTERWARDS_DAYS = 150
"""Days after the last birth: its window closes at 70, and what was found in it is worked with to its end."""
LONGEST_DAYS = 120
"""Days beyond those, as long as somebody has a consultation to report: after too many concerns the line is long."""
_MORNING, _NOON, _EVENING = 8, 13, 17

Told = Callable[[int, int, "Year"], None]
"""Called after each day with its number, the number of all days, and the year."""


class AnotherCity(RuntimeError):
    """What was begun here has another seed or other numbers; `--afresh` begins anew."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation came; a file beside the stack's data, so that it can go on after an interruption."""

    seed: int
    city: dict[str, Any]
    begins: str
    day: int
    """The next day to live through; a day that was interrupted is lived through once more, its acts are recognised."""

    @classmethod
    def read(cls, path: Path) -> Progress | None:
        return cls(**json.loads(path.read_text("utf-8"))) if path.exists() else None

    def write(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)), "utf-8")
        new.replace(path)


@dataclass(slots=True)
class Year:
    """One simulated year on one stack."""

    stack: Stack
    seed: int
    city: City
    progress_file: Path
    told: Told
    agenda: list[Act] = field(default_factory=list)
    events: int = 0
    sent: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    _now: datetime | None = None

    async def live(self) -> Staff:
        """From where it stands to the end. Raises Refusal, DoesNotRest, AnotherCity, NotReachable."""
        addresses = Addresses.of(self.stack.summary)
        async with Asking(addresses) as asking:
            progress = await self._begun(asking)
            staff = Staff(self.seed, self.city, date.fromisoformat(progress.begins))
            work = Work(self.seed, self.city, staff)
            self._plan(staff.acts(), progress.day, staff)
            for family in families(self.seed, self.city, staff):
                self._plan(life(family), progress.day, staff)

            def heard(event: Event) -> None:
                self.events += 1
                self._plan(work.after(event), progress.day, staff)

            hands = Hands(self.stack, self.seed, self.city.repeated)
            try:
                async with Ears(addresses, READERS, heard) as ears:
                    if not progress.day:
                        await _define(asking)
                    days = self.city.days + AFTERWARDS_DAYS
                    number = progress.day
                    while number < days or (work.in_hand and number < days + LONGEST_DAYS):
                        await self._day(staff.begins + timedelta(days=number), asking, hands, ears)
                        progress = Progress(self.seed, asdict(self.city), progress.begins, number + 1)
                        progress.write(self.progress_file)
                        self.sent, self.refused, self.unexpected = hands.sent, dict(hands.refused), hands.unexpected
                        number += 1
                        self.told(number, days, self)
            finally:
                await hands.close()
        return staff

    async def _begun(self, asking: Asking) -> Progress:
        progress = Progress.read(self.progress_file)
        if progress is None:
            begins = (await time_of(asking)).astimezone(LONDON).date() + timedelta(days=1)
            progress = Progress(self.seed, asdict(self.city), begins.isoformat(), 0)
            progress.write(self.progress_file)
        if (progress.seed, progress.city) != (self.seed, asdict(self.city)):
            raise AnotherCity(AnotherCity.__doc__)
        return progress

    def _plan(self, acts: Iterable[Act], first_day: int, staff: Staff) -> None:
        """What is still to be done; days that were lived through before an interruption are over."""
        since = instant(staff.begins + timedelta(days=first_day), 0)
        for act in acts:
            if act.at >= since:
                heapq.heappush(self.agenda, act)

    async def _day(self, day: date, asking: Asking, hands: Hands, ears: Ears) -> None:
        """Clocks in the morning, people until noon, what follows from it in the evening; on weekends little happens."""
        if day.weekday() < 5:
            await self._at(instant(day, _MORNING), asking, ears)
        await self._at(instant(day, _NOON), asking, ears)
        due = []
        while self.agenda and self.agenda[0].at <= instant(day, _NOON):
            due.append(heapq.heappop(self.agenda))
        if due:
            await hands.all(due, ears.at_rest)
            await ears.at_rest()
        if day.weekday() < 5:
            await self._at(instant(day, _EVENING), asking, ears)

    async def _at(self, at: datetime, asking: Asking, ears: Ears) -> None:
        """Sets the time ahead; whatever comes due by it has happened then, and the city rests."""
        if self._now is None:  # where an interrupted run left it, and what it left on its way
            self._now = await time_of(asking)
            await ears.at_rest()
        if self._now < at:
            await set_ahead(asking, at, settle=ears.at_rest)
            self._now = at


async def _define(asking: Asking) -> None:
    for kind in ("instruments", "pathways"):
        for name, version, text in definitions(kind):
            await asking.send(f"PUT /{kind}/{name}/{version}", "screening", json.loads(text), role="operator")
