"""How long things are kept: months of the journal made ahead and dropped whole, the inbox pruned in small bites.

The inbox outlives everything that could bring an event again (journal, then topic), so that nothing is done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from chassis import telemetry
from chassis.database import Connection, Pool
from chassis.settings import ServiceSettings

log = structlog.get_logger(__name__)

ROUND_SECONDS = 3600.0
TRY_AGAIN_SECONDS = 60.0
PRUNE_EVERY_SECONDS = 24 * 3600.0
MONTHS_AHEAD = 2
BITE_PAGES = 32
"""Pages of the inbox that one statement looks through: some thousand rows, some milliseconds."""
SHARE = 0.1
"""Part of the time at most in which the inbox is being pruned."""

_UNPLACED = "SELECT count(*) FROM (SELECT FROM journal_rest LIMIT 10000) AS found"
_AHEAD = "SELECT count(*) FROM journal_months WHERE begins > $1"
# The earlier of two clocks: one that jumped ahead must not make everything old.
_DROP = "SELECT journal_drop(least($1::timestamptz, now()) - $2::interval)"
# Said before the first row goes: whoever wants to send old events again must know that they may be new here.
_SAY = """UPDATE kept SET inbox_since = greatest(inbox_since, least($1::timestamptz, now()) - $2::interval),
  replies_since = greatest(replies_since, least($1::timestamptz, now()) - $3::interval)
  RETURNING inbox_since, replies_since"""
_PAGES = "SELECT pg_relation_size('inbox') / current_setting('block_size')::bigint"
_BITE = """WITH gone AS (DELETE FROM inbox WHERE ctid >= $1::tid AND ctid < $2::tid
  AND handled_at < CASE WHEN status IS NULL THEN $3::timestamptz ELSE $4::timestamptz END RETURNING status)
SELECT count(*) FILTER (WHERE status IS NULL), count(status) FROM gone"""


class Retention:
    """Works in the background of the one process that `is_mine` says; the others only watch."""

    def __init__(
        self, pool: Pool, settings: ServiceSettings, *, now: Callable[[], datetime], is_mine: Callable[[], bool]
    ) -> None:
        self._pool, self._now, self._is_mine = pool, now, is_mine
        self._journal = timedelta(days=settings.journal_keep_days)
        self._inbox = timedelta(days=settings.inbox_keep_days)
        self._replies = timedelta(days=settings.reply_keep_days)
        self._prune_at = time.monotonic() + 60.0

    async def run(self) -> None:
        """For as long as the service runs. What fails is counted and tried again."""
        while True:
            try:
                await self.round()
                pause = ROUND_SECONDS
            except Exception as error:
                telemetry.RETENTION_ERRORS.inc()
                log.warning("retention_failed", error=type(error).__name__)
                pause = TRY_AGAIN_SECONDS
            until_pruning = self._prune_at - time.monotonic()
            await asyncio.sleep(min(pause, until_pruning) if until_pruning > 0 else pause)

    async def round(self) -> None:
        """Months first, since a missing one is felt at once; then what is old."""
        await self.make_months()
        if not self._is_mine():
            return
        await self.drop_months()
        if time.monotonic() >= self._prune_at:
            await self.prune()
            self._prune_at = time.monotonic() + PRUNE_EVERY_SECONDS

    async def make_months(self) -> None:
        """The partitions of this month and the next ones; events that came too early for theirs are put into it."""
        async with self._pool.acquire(timeout=5) as connection:
            try:
                await connection.execute("SELECT journal_partitions($1, $2)", self._now(), MONTHS_AHEAD)
            finally:
                await self._count(connection)

    async def _count(self, connection: Connection) -> None:
        telemetry.JOURNAL_MONTHS_AHEAD.set(await connection.fetchval(_AHEAD, self._now()))
        telemetry.JOURNAL_UNPLACED.set(await connection.fetchval(_UNPLACED))

    async def drop_months(self) -> list[str]:
        """Months of which every event is older than the limit, and in Kafka; their names."""
        async with self._pool.acquire(timeout=5) as connection:
            dropped: list[str] = await connection.fetchval(_DROP, self._now(), self._journal)
        if dropped:
            log.info("journal_months_dropped", count=len(dropped))
            telemetry.PRUNED.labels("months").inc(len(dropped))
        return dropped

    async def prune(self) -> int:
        """Once through the inbox, a few pages at a time; how many rows went."""
        async with self._pool.acquire(timeout=5) as connection:
            events, replies = await connection.fetchrow(_SAY, self._now(), self._inbox, self._replies)
            pages = await connection.fetchval(_PAGES)
        gone = 0
        for page in range(0, pages, BITE_PAGES):
            began = time.monotonic()
            async with self._pool.acquire(timeout=5) as connection:
                row = await connection.fetchrow(_BITE, (page, 0), (page + BITE_PAGES, 0), events, replies)
            telemetry.PRUNED.labels("events").inc(row[0])
            telemetry.PRUNED.labels("replies").inc(row[1])
            gone += row[0] + row[1]
            await asyncio.sleep((time.monotonic() - began) * (1 / SHARE - 1))
        if gone:
            log.info("inbox_pruned", count=gone)
        return gone
