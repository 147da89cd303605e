"""A service reads part of its topics once more, while it runs: its place in the group goes back, its inbox stays.

The intent is a row for each partition: whoever is given the partition goes back, however often partitions change hands,
until it has come to where the group was. What was handled before is known by its id and has no effect again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from chassis import telemetry
from chassis.database import Connection, Pool
from chassis.decision import Refused
from chassis.refill import NothingToCancel
from chassis.stream import Place, Subscription
from chassis.topics import Stretch

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
_OPEN = "SELECT topic, partition, reached, ends FROM replays WHERE state = 'open'"
_VIEW = """SELECT replay_id, min(asked_at) AS asked_at, min(asked_by) AS asked_by, max(ended_at) AS ended_at,
  sum(ends - starts)::bigint AS total, sum(least(reached, ends) - starts)::bigint AS read, count(*) AS partitions,
  CASE WHEN bool_or(state = 'open') THEN 'open' WHEN bool_or(state = 'cancelled') THEN 'cancelled'
  ELSE 'done' END AS state
FROM replays GROUP BY replay_id ORDER BY bool_or(state = 'open') DESC, min(asked_at) DESC LIMIT 20"""
_ASK = """INSERT INTO replays (replay_id, topic, partition, starts, ends, reached, asked_by)
SELECT $1, t, p, s, e, s, $6 FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS u(t, p, s, e)"""
_REACHED = """UPDATE replays SET reached = greatest(reached, $3),
  state = CASE WHEN $3 >= ends THEN 'done' ELSE state END, ended_at = CASE WHEN $3 >= ends THEN now() END
WHERE topic = $1 AND partition = $2 AND state = 'open'"""
_CANCEL = "UPDATE replays SET state = 'cancelled', ended_at = now() WHERE state = 'open' RETURNING replay_id"
_AUDIT = "INSERT INTO audits (subject, action, about) VALUES ($1, $2, $3)"


class ReplayUnderWay(Refused):
    """This service reads again already; wait for it, or cancel it."""


async def listed(connection: Connection) -> list[dict[str, Any]]:
    """The latest replays, the open one first."""
    return [dict(r) for r in await connection.fetch(_VIEW)]


async def ask(connection: Connection, stretches: Sequence[Stretch], by: str) -> UUID:
    """Records the intent: its id. Raises ReplayUnderWay."""
    async with connection.transaction():
        await connection.execute("LOCK TABLE replays IN SHARE ROW EXCLUSIVE MODE")
        if await connection.fetchval(f"SELECT EXISTS ({_OPEN})"):
            raise ReplayUnderWay
        replay_id = uuid7()
        columns = zip(*((s.topic, s.partition, s.starts, s.ends) for s in stretches), strict=True)
        await connection.execute(_ASK, replay_id, *map(list, columns), by)
        await connection.execute(_AUDIT, by, "replay.ask", str(replay_id))
    log.info("replay_asked", operator=by)
    return replay_id


async def cancel(connection: Connection, by: str) -> UUID:
    """Ends the open replay: reading goes on from where it is. Raises NothingToCancel."""
    async with connection.transaction():
        replay_id = await connection.fetchval(_CANCEL)
        if replay_id is None:
            raise NothingToCancel
        await connection.execute(_AUDIT, by, "replay.cancel", str(replay_id))
    log.info("replay_cancelled", operator=by)
    return UUID(int=replay_id.int)


class Replaying:
    """Keeps the subscription and the intents together."""

    def __init__(self, pool: Pool, subscription: Subscription) -> None:
        self._pool, self._subscription = pool, subscription

    async def run(self) -> None:
        """For as long as the service runs."""
        while True:
            try:
                await self.look()
            except Exception as error:
                log.debug("replay_not_looked_for", error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Tells the subscription what is to be read again, and records how far that has come."""
        async with self._pool.acquire(timeout=5) as connection:
            still: dict[Place, int] = {}
            left = 0
            for topic, partition, reached, ends in await connection.fetch(_OPEN):
                up_to = self._subscription.read_again_up_to((topic, partition))
                done = max(reached, up_to or 0)
                if done > reached:
                    await connection.execute(_REACHED, topic, partition, done)
                if done < ends:
                    still[topic, partition] = done
                    left += ends - done if up_to is not None else 0
        self._subscription.read_again(still)
        telemetry.REPLAY_LEFT.set(left)
