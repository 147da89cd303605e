"""Clocks: rows whose due instant has come become inputs. A late or double sweep does no harm: the rule looks again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from chassis import pace, telemetry, waiting
from chassis.arrivals import Done, due_input
from chassis.database import Pool, is_away
from chassis.inputs import DueIntake
from chassis.parked_sql import FAILED_CLOCKS
from chassis.processor import BATCH, Processor

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
HELD_SECONDS = 10.0
"""Clocks that are held go on by themselves after so long: whoever held them may be gone."""


class Clock:
    """The sweep of one table: goes at once when a commit made rows due, and looks by itself every second."""

    def __init__(self, intake: DueIntake, processor: Processor, pool: Pool) -> None:
        self.intake, self.processor, self.pool = intake, processor, pool
        self._hinted: set[Any] = set()
        self._wake, self._turned = asyncio.Event(), asyncio.Event()
        self._poll_at = 0.0
        self._asked = True
        self._held_until = 0.0
        self.handled = 0
        """Rows that it has moved since the process began."""
        self.done_up_to: datetime | None = None
        """The latest instant at which it looked and left nothing that it could do."""

    def hint(self, keys: Sequence[Any]) -> None:
        """These rows are due now. Losing a hint costs a second."""
        self._hinted.update(keys)
        self._wake.set()

    def look(self) -> None:
        """The time has moved: looks now."""
        self._asked, self._held_until = True, 0.0
        self._wake.set()

    def hold(self) -> None:
        """Does nothing until it is asked to look: time can be moved everywhere before anything follows from it."""
        self._held_until = asyncio.get_running_loop().time() + HELD_SECONDS

    async def catch_up(self) -> int:
        """Looks until nothing is left that is due by now; how many rows moved meanwhile."""
        until, before = self.processor.now(), self.handled
        while self._hinted or self.done_up_to is None or self.done_up_to < until:
            self._turned.clear()
            self.look()
            await waiting.until_set(self._turned, POLL_SECONDS)
        return self.handled - before

    async def run(self) -> None:
        """For as long as the service runs."""
        keys: list[Any] = []
        loop = asyncio.get_running_loop()
        while True:
            await pace.breathe_after(len(keys))
            self._wake.clear()
            if (held := self._held_until - loop.time()) > 0:
                keys = []
                await self._sleep(held)
                continue
            keys, now = self._take(), self.processor.now()
            looks = not keys and (self._asked or loop.time() >= self._poll_at)
            try:
                if looks:
                    self._asked = False
                    keys = await self._due(now)
                    if len(keys) < BATCH:
                        self._poll_at = loop.time() + POLL_SECONDS
                if keys and not await self._handle(keys):
                    # Nothing moved: the rows stay due, because their rule cannot handle them now.
                    # Hints of others still come through.
                    keys, self._poll_at = [], loop.time() + POLL_SECONDS
                if looks and not keys:
                    self.done_up_to = now
                self._turned.set()
            except Exception as error:
                if not is_away(error):
                    log.exception("clock_failed", intake=self.intake.name)
                await asyncio.sleep(POLL_SECONDS)
                continue
            if not keys and not self._hinted and not self._asked:
                await self._sleep(self._poll_at - loop.time())

    async def _sleep(self, seconds: float) -> None:
        await waiting.until_set(self._wake, max(0.0, seconds))

    def _take(self) -> list[Any]:
        keys = list(self._hinted)[:BATCH]
        self._hinted.difference_update(keys)
        return keys

    async def _due(self, now: datetime) -> list[Any]:
        name = self.intake.name
        async with self.pool.acquire(timeout=5) as connection:
            parked: set[str] = set()
            if self.processor.parking.any_open:
                parked = {r[0] for r in await connection.fetch(FAILED_CLOCKS, name)}
            rows = await connection.fetch(self.intake.table.due_sql, now, BATCH + len(parked))
        since = min((r[1] for r in rows if r[1] is not None), default=now)
        telemetry.CLOCK_LATE_SECONDS.labels(name).set((now - since).total_seconds())
        return [r[0] for r in rows if f"{name}:{r[0]}" not in parked][:BATCH]

    async def _handle(self, keys: Sequence[UUID]) -> bool:
        """True when at least one of the rows moved."""
        outcomes = await self.processor.process([due_input(self.intake, key) for key in keys])
        moved = sum(o == Done.HANDLED for o in outcomes)
        self.handled += moved
        return moved > 0
