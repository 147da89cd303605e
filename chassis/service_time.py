"""The time that a service goes by: the machine's, or one that was set ahead where that is allowed. Never in production.

Only what rules see moves: tokens, TLS, timeouts and leases of sockets stay on the machine's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from chassis.database import ACQUIRE_SECONDS, Pool, is_away
from chassis.decision import Refused

log = structlog.get_logger(__name__)

FURTHEST = timedelta(days=3653)
"""How far ahead a time may be set."""
SAME = timedelta(seconds=60)
"""A time that is asked for again within this is a repeated request, not a step back."""
LOOK_SECONDS = 1.0

_READ = "SELECT ahead FROM moved_time"
_MOVE = """INSERT INTO moved_time (ahead, moved_by) VALUES ($1, $2)
ON CONFLICT (only_one) DO UPDATE SET ahead = EXCLUDED.ahead, moved_by = EXCLUDED.moved_by, moved_at = now()
WHERE moved_time.ahead < EXCLUDED.ahead"""


class TimeWasMoved(RuntimeError):
    """The time of this database was set ahead, and this process may not go by such a time."""


class TimeOnlyMovesForward(Refused):
    """The service's time is later already; it is never set back."""

    field = "now"


class TooFarAhead(Refused):
    """A time may be set ten years ahead at most."""

    status = 422
    field = "now"


class ServiceTime:
    """`now()` for everything that rules decide by. Once set ahead it runs on at normal speed."""

    def __init__(self, *, movable: bool = False) -> None:
        self.movable = movable
        self.ahead = timedelta(0)
        self.on_move: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        """The present instant of this service, in UTC."""
        return datetime.now(UTC) + self.ahead

    async def recall(self, pool: Pool) -> None:
        """Goes on from where the database's time was set to. Raises TimeWasMoved where that is not allowed."""
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            ahead = await connection.fetchval(_READ)
        if ahead is None:
            return
        if not self.movable:
            log.error("time_was_moved", rule="not_in_production")
            raise TimeWasMoved
        if ahead > self.ahead:
            self.ahead = ahead
            self.on_move()

    async def move(self, pool: Pool, to: datetime, by: str, *, quietly: bool = False) -> None:
        """Sets the time ahead, for this and every later process of the service; nobody hears of it `quietly`.

        Raises Refused.
        """
        ahead = to - datetime.now(UTC)
        if ahead > FURTHEST:
            raise TooFarAhead
        if self.ahead - SAME <= ahead <= self.ahead:
            return
        if ahead < self.ahead:
            raise TimeOnlyMovesForward
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
            await connection.execute("SELECT journal_partitions($1, 2)", to)
            if await connection.execute(_MOVE, ahead, by) == "INSERT 0 0":
                raise TimeOnlyMovesForward
        self.ahead = ahead
        log.warning("time_moved", service_time=self.now().isoformat(timespec="seconds"))
        if not quietly:
            self.on_move()

    async def follow(self, pool: Pool) -> None:
        """Hears of what another process of the same service was told."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.recall(pool)
            except Exception as error:
                if not is_away(error):
                    raise
