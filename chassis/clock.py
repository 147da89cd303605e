"""Clocks: rows whose due instant has come become inputs. A late or double sweep does no harm: the rule looks again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog

from chassis import pace, telemetry
from chassis.arrivals import Done, due_input
from chassis.database import Pool, is_away
from chassis.inputs import DueIntake
from chassis.processor import BATCH, Processor

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0


class Clock:
    """The sweep of one table: goes at once when a commit made rows due, and looks by itself every second."""

    def __init__(self, intake: DueIntake, processor: Processor, pool: Pool) -> None:
        self.intake, self.processor, self.pool = intake, processor, pool
        self._hinted: set[Any] = set()
        self._wake = asyncio.Event()
        self._poll_at = 0.0

    def hint(self, keys: Sequence[Any]) -> None:
        """These rows are due now. Losing a hint costs a second."""
        self._hinted.update(keys)
        self._wake.set()

    def look(self) -> None:
        """The time has moved: looks now."""
        self._poll_at = 0.0
        self._wake.set()

    async def run(self) -> None:
        """For as long as the service runs."""
        keys: list[Any] = []
        loop = asyncio.get_running_loop()
        while True:
            await pace.gather_after(len(keys))
            self._wake.clear()
            keys = self._take()
            try:
                if not keys and loop.time() >= self._poll_at:
                    keys = await self._due()
                    if len(keys) < BATCH:
                        self._poll_at = loop.time() + POLL_SECONDS
                if keys and not await self._handle(keys):
                    # Nothing moved: the rows stay due, because their rule cannot handle them now.
                    # Hints of others still come through.
                    keys, self._poll_at = [], loop.time() + POLL_SECONDS
            except Exception as error:
                if not is_away(error):
                    log.exception("clock_failed", intake=self.intake.name)
                await asyncio.sleep(POLL_SECONDS)
                continue
            if not keys and not self._hinted:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(0.0, self._poll_at - loop.time()))

    def _take(self) -> list[Any]:
        keys = list(self._hinted)[:BATCH]
        self._hinted.difference_update(keys)
        return keys

    async def _due(self) -> list[Any]:
        table, now = self.intake.table, self.processor.now()
        async with self.pool.acquire(timeout=5) as connection:
            rows = await connection.fetch(table.due_sql, now, BATCH)
        if table.due_field is not None:
            late = (now - rows[0][1]).total_seconds() if rows else 0.0
            telemetry.CLOCK_LATE_SECONDS.labels(self.intake.name).set(late)
        return [r[0] for r in rows]

    async def _handle(self, keys: Sequence[UUID]) -> bool:
        """True when at least one of the rows moved."""
        outcomes = await self.processor.process([due_input(self.intake, key) for key in keys])
        return any(o == Done.HANDLED for o in outcomes)
