"""What an operator may see and do at every service: a child's timeline, parked inputs, the map of the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict

from attune_contracts.event import Code, Instant
from chassis.access import Caller
from chassis.clock import Clock
from chassis.database import ACQUIRE_SECONDS, Pool
from chassis.describe import describe
from chassis.http import Reads
from chassis.processor import Processor
from chassis.service_time import ServiceTime

if TYPE_CHECKING:
    from chassis.service import Service

_TIMELINE = """SELECT recorded_at, event_id, sequence, type, correlation_id, causation_id, data
FROM journal WHERE key = $1 ORDER BY sequence LIMIT $2"""


def operator_routes(reads: Reads, processor: Processor, service: Service) -> APIRouter:
    """Routes that every service has, all by permission of the operator's role."""
    router = APIRouter(tags=["operator"])
    described = describe(service)

    @router.get("/describe", dependencies=[Depends(reads.allowed("operator.read"))])
    async def describe_service() -> dict[str, Any]:
        return described

    @router.get("/timeline/{child_id}", dependencies=[Depends(reads.allowed("operator.read"))])
    async def timeline(
        request: Request, child_id: UUID, limit: int = Query(1000, ge=1, le=5000)
    ) -> list[dict[str, Any]]:
        """Every event that this service told about a child (or another subject), in order."""
        await reads.audit(request, child_id)
        async with reads.connection() as connection:
            rows = await connection.fetch(_TIMELINE, child_id, limit)
        return [{**dict(r), "data": json.loads(r["data"])} for r in rows]

    _parked_routes(router, reads, processor)
    _resolving_routes(router, reads, processor)
    _resolving_all_routes(router, reads, processor)
    return router


def _parked_routes(router: APIRouter, reads: Reads, processor: Processor) -> None:
    @router.get("/parked", dependencies=[Depends(reads.allowed("operator.read"))])
    async def parked(
        *,
        resolved: bool = False,
        limit: int = Query(200, ge=1, le=2000),
        after: UUID | None = None,
        ending: str | None = Query(None, pattern="^[0-9a-f]{1,32}$"),
    ) -> list[dict[str, Any]]:
        """Inputs that could not be handled, oldest first, with the reason; never their content.

        `after` asks for those behind the last one of the page before, `ending` for ids that end so.
        """
        async with reads.connection() as connection:
            return await processor.parking.listed(
                connection, resolved=resolved, limit=limit, after=after, ending=ending
            )

    @router.get("/parked/groups", dependencies=[Depends(reads.allowed("operator.read"))])
    async def parked_groups() -> list[dict[str, Any]]:
        """How many inputs are parked of what and why, the most first."""
        async with reads.connection() as connection:
            return await processor.parking.groups(connection)


def _resolving_routes(router: APIRouter, reads: Reads, processor: Processor) -> None:
    resolves = reads.allowed("operator.resolve")

    @router.post("/parked/{parked_id}/retry", status_code=202)
    async def retry(
        parked_id: UUID, caller: Caller = Depends(resolves), x_operator: Code | None = Header(None)
    ) -> dict[str, str]:
        """Another try for a parked input, then for those of its key that wait behind it."""
        async with processor.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            await processor.parking.resolve(connection, parked_id, discard=False, by=recorded_as(caller, x_operator))
        return {"state": "retry"}

    @router.post("/parked/{parked_id}/discard")
    async def discard(
        parked_id: UUID,
        caller: Caller = Depends(resolves),
        x_operator: Code | None = Header(None),
        x_reason: Code | None = Header(None),
    ) -> dict[str, str]:
        """Gives a parked input up; those of its key that wait behind it go on."""
        by = recorded_as(caller, x_operator)
        async with processor.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            await processor.parking.resolve(connection, parked_id, discard=True, by=by, because=x_reason)
        return {"state": "discarded"}


def _resolving_all_routes(router: APIRouter, reads: Reads, processor: Processor) -> None:
    resolves = reads.allowed("operator.resolve")

    @router.post("/parked/retry", status_code=202)
    async def retry_all(
        reason: Code,
        intake: str | None = Query(None, max_length=200),
        caller: Caller = Depends(resolves),
        x_operator: Code | None = Header(None),
    ) -> dict[str, int]:
        """Another try for the oldest that failed for a reason; how many. Again and again until it says 0."""
        by = recorded_as(caller, x_operator)
        async with processor.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            return {
                "count": await processor.parking.resolve_all(connection, reason, intake=intake, discard=False, by=by)
            }

    @router.post("/parked/discard")
    async def discard_all(
        reason: Code,
        intake: str | None = Query(None, max_length=200),
        caller: Caller = Depends(resolves),
        x_operator: Code | None = Header(None),
        x_reason: Code | None = Header(None),
    ) -> dict[str, int]:
        """Gives up the oldest that failed for a reason; how many. Again and again until it says 0."""
        by = recorded_as(caller, x_operator)
        async with processor.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            count = await processor.parking.resolve_all(
                connection, reason, intake=intake, discard=True, by=by, because=x_reason
            )
        return {"count": count}


CATCH_UP_SECONDS = 5.0


class SetTime(BaseModel):
    """The instant that it shall be for the service from now on."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    now: Instant
    clocks: Literal["look", "hold"] = "look"
    """`hold`: they wait to be asked to look, so that all services can be moved first."""


def time_routes(reads: Reads, time: ServiceTime, pool: Pool, clocks: Sequence[Clock]) -> APIRouter:
    """Where the settings allow it, an operator sets the service's time ahead; its clocks look at once."""
    router = APIRouter(tags=["operator"])

    @router.get("/operator/clock", dependencies=[Depends(reads.allowed("operator.read"))])
    async def tell_time() -> dict[str, Any]:
        return {"now": time.now(), "ahead_seconds": round(time.ahead.total_seconds(), 3)}

    resolves = reads.allowed("operator.resolve")

    @router.put("/operator/clock")
    async def set_time(wanted: SetTime, caller: Caller = Depends(resolves)) -> dict[str, Any]:
        """Answers when this process has done what had come due; `came_due` is how much, null where it goes on."""
        if wanted.clocks == "hold":
            for clock in clocks:
                clock.hold()
        await time.move(pool, wanted.now, recorded_as(caller, None), quietly=wanted.clocks == "hold")
        came_due: int | None = 0
        if wanted.clocks == "look":
            try:
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    came_due = sum([await clock.catch_up() for clock in clocks])
            except TimeoutError:
                came_due = None
        return await tell_time() | {"came_due": came_due}

    return router


def recorded_as(caller: Caller, name: str | None) -> str:
    """Who acts, as it is recorded: the subject of the token, and before it the name of the person who shares it."""
    return f"{name}/{caller.subject}" if name else caller.subject
