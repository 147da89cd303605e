"""A topic that lost events gets them again from the journal: same ids, headers and order per key, before anything new.

The intent is a row: it survives whatever ends, and another process goes on where one stopped. Readers know the events
by their ids, so that none takes effect twice; `kept.inbox_since` of each reader says how far back that is true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from uuid_utils.compat import uuid7

from chassis import database, failpoints, telemetry
from chassis.database import Connection, Pool
from chassis.decision import Refused

log = structlog.get_logger(__name__)

PAGE = 1000
LOOK_SECONDS = 1.0
SORT_SECONDS = 900.0
"""Longest wait for the journal to be put in order."""
ALIVE_SECONDS = 5.0
_SESSION = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "enable_seqscan": "on",
    "plan_cache_mode": "auto",
    "work_mem": "64MB",
}

# From the first event of each key since then: sequences must follow on each other whatever a clock said. The order is
# that of time, so that readers meet causes before effects, as far as it agrees with the sequence of each key.
_WANTED = """SELECT max(j.recorded_at) OVER (PARTITION BY j.key ORDER BY j.sequence) AS place, event_id, type, key,
  recorded_at, correlation_id, causation_id, sequence, traceparent, data
FROM journal j JOIN (SELECT key, min(sequence) AS first FROM journal WHERE recorded_at >= $1 GROUP BY key) AS f
  USING (key) WHERE j.sequence >= f.first"""
_LEFT = f"""SELECT * FROM ({_WANTED}) AS wanted
WHERE $2::timestamptz IS NULL OR (place, key, sequence) > ($2, $3::uuid, $4::bigint)"""  # noqa: S608
_PLAN = f"""SELECT count(*) AS events, count(DISTINCT key) AS keys, min(recorded_at) AS oldest,
  max(recorded_at) AS newest, coalesce(sum(length(data)), 0)::bigint AS bytes FROM ({_WANTED}) AS wanted"""  # noqa: S608
_VIEW = """SELECT refill_id, since, state, sent, total, asked_by, asked_at, ended_at FROM refills"""
_OPEN = "SELECT * FROM refills WHERE state = 'open'"
_ASK = "INSERT INTO refills (refill_id, since, asked_by) VALUES ($1, $2, $3)"
_AUDIT = "INSERT INTO audits (subject, action, about) VALUES ($1, $2, $3)"
_BEGIN = "UPDATE refills SET total = sent + $2 WHERE refill_id = $1"
_REACHED = """UPDATE refills SET sent = sent + $2, reached_at = $3, reached_key = $4, reached_sequence = $5
WHERE refill_id = $1 AND state = 'open' RETURNING total - sent"""
_END = "UPDATE refills SET state = $2, ended_at = now() WHERE refill_id = $1 AND state = 'open' RETURNING true"

Publish = Callable[[Sequence[Any]], Awaitable[None]]


class RefillUnderWay(Refused):
    """This service's topic is being refilled from another instant; wait for it, or cancel it."""


class NothingToCancel(Refused):
    """Nothing of this kind is under way."""


async def plan(connection: Connection, since: datetime) -> dict[str, Any]:
    """What a refill since then would send."""
    return dict(await connection.fetchrow(_PLAN, since) or {})


async def listed(connection: Connection) -> list[dict[str, Any]]:
    """The latest refills, the open one first."""
    return [dict(r) for r in await connection.fetch(f"{_VIEW} ORDER BY state = 'open' DESC, asked_at DESC LIMIT 20")]


async def ask(connection: Connection, since: datetime, by: str) -> UUID:
    """Records the intent, or finds it recorded: its id. Raises RefillUnderWay."""
    try:
        return await _asked(connection, since, by)
    except asyncpg.UniqueViolationError:
        return await _asked(connection, since, by)  # somebody asked in the same moment: now it is there to be found


async def _asked(connection: Connection, since: datetime, by: str) -> UUID:
    async with connection.transaction():
        under_way = await connection.fetchrow(f"{_OPEN} FOR UPDATE")
        if under_way is not None:
            if under_way["since"] != since:
                raise RefillUnderWay
            return UUID(int=under_way["refill_id"].int)
        refill_id = uuid7()
        await connection.execute(_ASK, refill_id, since, by)
        await connection.execute(_AUDIT, by, "refill.ask", str(refill_id))
    log.info("refill_asked", operator=by)
    return refill_id


async def cancel(connection: Connection, by: str) -> UUID:
    """Ends the open refill where it is; what was sent stays sent. Raises NothingToCancel."""
    async with connection.transaction():
        refill_id = await connection.fetchval(f"SELECT refill_id FROM ({_OPEN}) AS under_way")  # noqa: S608
        if refill_id is None or not await connection.fetchval(_END, refill_id, "cancelled"):
            raise NothingToCancel
        await connection.execute(_AUDIT, by, "refill.cancel", str(refill_id))
    log.info("refill_cancelled", operator=by)
    return UUID(int=refill_id.int)


class Refilling:
    """The relay's part: while a refill is open it is worked through, and the outbox waits."""

    def __init__(self, dsn: str, service: str) -> None:
        self._dsn, self._service = dsn, service
        self.asked = True
        """Whether the relay must look for an open refill before it publishes anything else."""
        self.on_ask: Callable[[], None] = lambda: None

    def ask(self) -> None:
        """There is an open refill: what the relay is publishing now must wait for it, too."""
        self.asked = True
        self.on_ask()

    async def watch(self, pool: Pool) -> None:
        """Hears of a refill that another process was asked for, for as long as the service runs."""
        while True:
            try:
                async with pool.acquire(timeout=5) as connection:
                    if await connection.fetchval(f"SELECT EXISTS ({_OPEN})"):
                        self.ask()
            except Exception as error:
                log.debug("refill_not_looked_for", error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def work(self, connection: Connection, publish: Publish) -> None:
        """Works through what is open, on the connection that holds the relay's lock: who loses it stops."""
        self.asked = False
        while (refill := await connection.fetchrow(_OPEN)) is not None:
            log.info("refill_goes_on", service=self._service, count=refill["sent"])
            await self._send_again(connection, refill, publish)
        telemetry.REFILL_LEFT.set(0)

    async def _send_again(self, connection: Connection, refill: Mapping[str, Any], publish: Publish) -> None:
        at = refill["since"], refill["reached_at"], refill["reached_key"], refill["reached_sequence"]
        reading = await database.connect(self._dsn, name=f"{self._service}-refill", **_SESSION)
        try:
            async with reading.transaction(isolation="repeatable_read", readonly=True):
                count = reading.fetchval(f"SELECT count(*) FROM ({_LEFT}) AS l", *at, timeout=SORT_SECONDS)  # noqa: S608
                await connection.execute(_BEGIN, refill["refill_id"], await _holding(connection, count))
                cursor = await reading.cursor(f"{_LEFT} ORDER BY place, key, sequence", *at, timeout=SORT_SECONDS)
                while rows := await _holding(connection, cursor.fetch(PAGE, timeout=SORT_SECONDS)):
                    failpoints.reached("refill.before")
                    await publish(rows)
                    failpoints.reached("refill.after")
                    last = rows[-1]
                    place = last["place"], last["key"], last["sequence"]
                    left = await connection.fetchval(_REACHED, refill["refill_id"], len(rows), *place)
                    if left is None:
                        return
                    telemetry.REFILL_LEFT.set(max(0, left))
        finally:
            await reading.close(timeout=2)
        await connection.execute(_END, refill["refill_id"], "done")
        log.info("refill_done", service=self._service)


async def _holding(connection: Connection, work: Awaitable[Any]) -> Any:
    """The result of `work`; meanwhile the session that holds the lock says that it lives: it may not be idle."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=ALIVE_SECONDS))[0]:
            await connection.execute("SELECT 1")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])  # its session can do nothing else, not even roll back, while it is at work
