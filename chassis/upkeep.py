"""How a service stands, and what an operator may have it do again: refill its topic, read its topics again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from attune_contracts.catalogue import topic
from attune_contracts.event import Code, Instant
from chassis import recovery, refill, replay
from chassis.access import Caller
from chassis.database import ACQUIRE_SECONDS
from chassis.decision import Refused
from chassis.http import Reads
from chassis.operator import recorded_as
from chassis.stuck import stuck
from chassis.topics import Stretch, group_of, stretches

if TYPE_CHECKING:
    from chassis.running import Running

_STANDING = """SELECT
  (SELECT count(*) FROM outbox) AS outbox_events,
  (SELECT min(recorded_at) FROM outbox) AS outbox_since,
  (SELECT count(*) FROM parked WHERE state = 'failed') AS parked_failed,
  (SELECT count(*) FROM parked WHERE state IN ('queued', 'retry')) AS parked_behind,
  (SELECT min(parked_at) FROM parked WHERE state IN ('failed', 'queued', 'retry')) AS parked_since,
  (SELECT min(begins) FROM journal_months) AS journal_since,
  (SELECT inbox_since FROM kept), (SELECT replies_since FROM kept)"""


class RefillWanted(BaseModel):
    """Since when the events are to be sent again; with `dry_run` only what that would be."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    since: Instant
    dry_run: StrictBool = False


class ReplayWanted(BaseModel):
    """What is to be read again: everything, or since an instant, or one partition from an offset."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    since: Instant | None = None
    topics: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=20)] | None = None
    """By default all that the service reads."""
    partition: Annotated[int, Field(strict=True, ge=0, le=10_000)] | None = None
    offset: Annotated[int, Field(strict=True, ge=0, le=1 << 62)] | None = None
    dry_run: StrictBool = False


class TopicNotRead(Refused):
    """This service does not read that topic."""

    status = 422
    field = "topics"


class OffsetOfAPartition(Refused):
    """An offset belongs to one partition of one topic, and needs no instant."""

    status = 422
    field = "offset"


class NothingToReadAgain(Refused):
    """Kafka has none of that, or the service has not come so far yet."""


def upkeep_routes(reads: Reads, running: Running) -> APIRouter:
    """By permission of the operator's role, at every service."""
    router = APIRouter(tags=["operator"])
    may_look = Depends(reads.allowed("operator.read"))
    may_act = reads.allowed("operator.resolve")

    @router.get("/standing", dependencies=[may_look])
    async def standing() -> dict[str, Any]:
        """What waits, what is kept, what is being done again: counts and instants, nothing about anybody."""
        return await _standing(reads, running)

    @router.get("/stuck", dependencies=[may_look])
    async def stuck_here() -> list[dict[str, Any]]:
        """Which families wait in this service, since when and why: ids and codes, what must not be so first."""
        async with reads.connection() as connection:
            return await stuck(connection, running.processor.now(), running.service.clocks, running.service.stuck)

    @router.post("/recalled/settlement")
    async def settle_recalled(
        caller: Caller = Depends(may_act), x_operator: Code | None = Header(None)
    ) -> dict[str, int]:
        """After a restore: people have seen to everything that was told since the backup and is not so here."""
        async with running.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            return {"settled": await recovery.settle(connection, recorded_as(caller, x_operator))}

    _refill_routes(router, reads, running)
    _replay_routes(router, reads, running)
    return router


def _refill_routes(router: APIRouter, reads: Reads, running: Running) -> None:
    may_act = reads.allowed("operator.resolve")

    @router.get("/refills", dependencies=[Depends(reads.allowed("operator.read"))])
    async def refills() -> list[dict[str, Any]]:
        """Refills of the service's topic and how far they have come."""
        async with reads.connection() as connection:
            return await refill.listed(connection)

    @router.post("/refills", status_code=202)
    async def ask_refill(
        wanted: RefillWanted, caller: Caller = Depends(may_act), x_operator: Code | None = Header(None)
    ) -> dict[str, Any]:
        """Sends what was told since then once more, before anything new; the same request again finds it under way."""
        if wanted.dry_run:
            async with reads.connection() as connection:
                return await refill.plan(connection, wanted.since)
        async with running.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            refill_id = await refill.ask(connection, wanted.since, recorded_as(caller, x_operator))
        running.relay.refilling.ask()
        running.relay.wake()
        return {"refill_id": refill_id}

    @router.post("/refills/cancellation")
    async def cancel_refill(
        caller: Caller = Depends(may_act), x_operator: Code | None = Header(None)
    ) -> dict[str, Any]:
        """Stops the refill that is under way; what was sent stays sent."""
        async with running.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            return {"refill_id": await refill.cancel(connection, recorded_as(caller, x_operator))}


def _replay_routes(router: APIRouter, reads: Reads, running: Running) -> None:
    may_act = reads.allowed("operator.resolve")

    @router.get("/replays", dependencies=[Depends(reads.allowed("operator.read"))])
    async def replays() -> list[dict[str, Any]]:
        """Replays of what the service reads and how far they have come."""
        async with reads.connection() as connection:
            return await replay.listed(connection)

    @router.post("/replays", status_code=202)
    async def ask_replay(
        wanted: ReplayWanted, caller: Caller = Depends(may_act), x_operator: Code | None = Header(None)
    ) -> dict[str, Any]:
        """Reads again what the service has read before; what was handled then has no effect again."""
        found = await _wanted(running, wanted)
        if wanted.dry_run:
            return {"records": sum(s.ends - s.starts for s in found), "partitions": _shown(found)}
        if not found:
            raise NothingToReadAgain
        async with running.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            replay_id = await replay.ask(connection, found, recorded_as(caller, x_operator))
        return {"replay_id": replay_id, "records": sum(s.ends - s.starts for s in found)}

    @router.post("/replays/cancellation")
    async def cancel_replay(
        caller: Caller = Depends(may_act), x_operator: Code | None = Header(None)
    ) -> dict[str, Any]:
        """Stops the replay that is under way; reading goes on from where it is."""
        async with running.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            return {"replay_id": await replay.cancel(connection, recorded_as(caller, x_operator))}


async def _standing(reads: Reads, running: Running) -> dict[str, Any]:
    async with reads.connection() as connection:
        row = dict(await connection.fetchrow(_STANDING) or {})
        restored = await recovery.latest(connection)
        again = {"refill": await refill.listed(connection), "replay": await replay.listed(connection)}
    ready, detail = running.health.ready()
    now: datetime = running.processor.now()
    keeps = timedelta(days=running.settings.topic_keep_days)
    return row | {
        "service": running.service.name,
        "at": now,
        "ready": ready,
        "detail": detail,
        "topic": topic(running.service.name),
        "topic_since": now - keeps,
        "reads": running.service.topics,
        "recovery": restored,
        **{name: next((one for one in ones if one["state"] == "open"), None) for name, ones in again.items()},
    }


async def _wanted(running: Running, wanted: ReplayWanted) -> list[Stretch]:
    topics = running.service.topics
    if wanted.topics is not None and not set(wanted.topics) <= set(topics):
        raise TopicNotRead
    at = None
    if wanted.offset is not None or wanted.partition is not None:
        if wanted.offset is None or wanted.partition is None or wanted.since is not None:
            raise OffsetOfAPartition
        if wanted.topics is None or len(wanted.topics) != 1:
            raise OffsetOfAPartition(field="topics")
        at = {(wanted.topics[0], wanted.partition): wanted.offset}
    chosen = wanted.topics or topics
    group = group_of(running.service.name)
    return await stretches(running.broker, group, chosen, since=wanted.since, at=at) if chosen else []


def _shown(found: Sequence[Stretch]) -> list[dict[str, Any]]:
    return [{"topic": s.topic, "partition": s.partition, "starts": s.starts, "ends": s.ends} for s in found]
