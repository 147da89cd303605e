"""Inputs that could not be handled: kept raw and visible until an operator retries or discards them.

While a key has an open parked input, its later inputs queue behind it (P3, P4); once it is resolved they follow.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from chassis import parked_sql as sql
from chassis import telemetry, waiting
from chassis.database import Connection, Pool, is_impossible, is_lost_race
from chassis.decision import Refused, derived_id
from chassis.inputs import DueIntake
from chassis.value import value
from chassis.writing import OPEN, StartAgain

if TYPE_CHECKING:
    from chassis.arrivals import Input
    from chassis.processor import Processor

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
LOOK_SECONDS = 10.0
"""How often a process looks that believes nothing is parked: another one may have parked something."""
_LEISURE = 20
"""Looking may take one part in so many of the time."""


class ParkedUnknown(Refused):
    """There is no such parked input."""

    status = 404


class ParkedAlreadyResolved(Refused):
    """This parked input was handled or discarded before."""


class NotFirstOfItsKey(Refused):
    """An earlier input of the same key is parked; resolve that one first."""


class ClockCannotBeDiscarded(Refused):
    """A due clock comes again until its rule succeeds; retry it."""


@value(frozen=True, slots=True)
class Record:
    """A Kafka record as it came, before anybody looked at it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int

    @property
    def id(self) -> UUID:
        """An id that the same delivery always has, for records that have none that can be read."""
        raw = b"\0".join(
            [self.topic.encode(), self.key or b"-", self.value or b"-", *((v or b"-") for _, v in self.headers)]
        )
        place = UUID(
            int=(self.timestamp_ms & ((1 << 48) - 1)) << 80
            | (self.partition & 0xFFFF) << 64
            | self.offset & ((1 << 62) - 1)
        )
        return derived_id(place, raw.hex())


def parked_row(i: Input, state: str, reason: str, detail: str) -> tuple[Any, ...]:
    """Parameters of one row of `parked`."""
    r = i.record
    # A clock has one place however many processes ask it; its inputs have new ids each time.
    id_ = derived_id(i.data.key, i.intake.name) if isinstance(i.intake, DueIntake) else i.id
    return (
        i.parked_id or id_,
        i.key,
        i.intake.name if i.intake is not None else "unreadable",
        state,
        reason,
        _storable(detail),
        getattr(i.data, "type", None),
        r and r.topic,
        r and r.partition,
        r and r.offset,
        r and r.key,
        r and r.value,
        r and json.dumps([[_storable(name), None if v is None else b64encode(v).decode()] for name, v in r.headers]),
    )


def _storable(name: str) -> str:
    """A header name as jsonb takes it: NUL, the one character that PostgreSQL refuses, is written out."""
    return name.replace("\0", r"\x00")


class Parking:
    """What is parked in this service, and the way out."""

    def __init__(self) -> None:
        self.any_open = True
        """False only when this process knows that nothing is parked; the writing statement checks it again."""
        self.open_count = 0
        self._looking_seconds = 0.0
        self.changed = asyncio.Event()

    async def look(
        self, connection: Connection, keys: Sequence[str] = (), ids: Sequence[UUID] = ()
    ) -> tuple[set[str], set[UUID]]:
        """Which of these keys are closed to later inputs, and which of these ids are parked and open."""
        self.any_open, closed, parked = await connection.fetchrow(sql.LOOK, list(keys), list(ids))
        return set(closed), set(parked)

    async def count(self, connection: Connection) -> None:
        """How many are parked, for those who watch; not asked for by any batch."""
        self.open_count = await connection.fetchval(f"SELECT count(*) FROM parked WHERE state IN {OPEN}")
        telemetry.PARKED_OPEN.set(self.open_count)

    async def listed(
        self,
        connection: Connection,
        *,
        resolved: bool,
        limit: int,
        after: UUID | None = None,
        ending: str | None = None,
    ) -> list[dict[str, Any]]:
        """Parked inputs without their raw content, oldest first: those behind `after`, or whose id ends so."""
        where = "true" if resolved else f"state IN {OPEN}"
        rows = await connection.fetch(
            f"SELECT {sql.COLUMNS} FROM parked WHERE {where} "
            "AND ($2::uuid IS NULL OR ordinal > (SELECT ordinal FROM parked WHERE id = $2)) "
            "AND ($3::text IS NULL OR replace(id::text, '-', '') LIKE '%' || $3) ORDER BY ordinal LIMIT $1",
            limit,
            after,
            ending,
        )
        return [dict(r) for r in rows]

    async def groups(self, connection: Connection) -> list[dict[str, Any]]:
        """How many are parked of what, and why, the most first."""
        return [dict(r) for r in await connection.fetch(sql.GROUPS)]

    async def resolve_all(
        self,
        connection: Connection,
        reason: str,
        *,
        intake: str | None,
        discard: bool,
        by: str,
        because: str | None = None,
    ) -> int:
        """Resolves the oldest of those that failed for one reason; how many. To be called until nothing is left."""
        ids = [r["id"] for r in await connection.fetch(sql.ALL_OF_REASON, reason, intake, sql.HEADS, discard)]
        done = 0
        for parked_id in ids:
            try:
                await self.resolve(connection, parked_id, discard=discard, by=by, because=because)
            except Refused:
                continue  # somebody else was quicker
            done += 1
        return done

    async def resolve(
        self, connection: Connection, parked_id: UUID, *, discard: bool, by: str, because: str | None = None
    ) -> None:
        """Marks a parked input for another try, or discards it; by whom, and why, is recorded. Raises Refused."""
        async with connection.transaction():
            row = await connection.fetchrow("SELECT * FROM parked WHERE id = $1 FOR UPDATE", parked_id)
            if row is None:
                raise ParkedUnknown
            if row["state"] in ("done", "discarded"):
                raise ParkedAlreadyResolved
            first = await connection.fetchval(
                f"SELECT id FROM parked WHERE key = $1 AND state IN {OPEN} ORDER BY ordinal LIMIT 1",
                row["key"],
            )
            if row["key"] is not None and first != parked_id:
                raise NotFirstOfItsKey
            if discard and row["intake"].startswith("due:"):
                raise ClockCannotBeDiscarded
            if discard:
                await connection.execute(sql.RESOLVE, parked_id, "discarded", by)
                await connection.execute("INSERT INTO inbox (id) VALUES ($1) ON CONFLICT DO NOTHING", parked_id)
            else:
                await connection.execute(
                    "UPDATE parked SET state = 'retry', resolved_by = $2 WHERE id = $1", parked_id, by
                )
            action = ("parked.discard" if discard else "parked.retry") + (f":{because}" if because else "")
            await connection.execute(
                "INSERT INTO audits (subject, action, about) VALUES ($1, $2, $3)", by, action, str(parked_id)
            )
        log.info("parked_resolved", parked_id=parked_id, outcome=action, operator=by)
        self.any_open = True  # another process may have parked it
        self.changed.set()

    async def run(self, processor: Processor, pool: Pool, read: Callable[[Mapping[str, Any]], Input | None]) -> None:
        """For as long as the service runs: takes the first of each key that may go on, one by one."""
        look_at, pause = 0.0, POLL_SECONDS
        while True:
            self.changed.clear()
            again = False
            try:
                if self.any_open or time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_SECONDS
                    again = await self._pass(processor, pool, read)
                    pause = max(POLL_SECONDS, _LEISURE * self._looking_seconds)
            except Exception as error:
                log.warning("parked_pass_failed", error=type(error).__name__)
            if not again:
                await waiting.until_set(self.changed, pause)

    async def _pass(self, processor: Processor, pool: Pool, read: Callable[[Mapping[str, Any]], Input | None]) -> bool:
        progress = False
        async with pool.acquire(timeout=5) as connection:
            started = time.monotonic()
            await self.look(connection)
            await self.count(connection)
            heads = await connection.fetch(sql.READY) if self.any_open else []
            self._looking_seconds = time.monotonic() - started
            for head in heads:
                progress |= await self._again(processor, connection, head["id"], read)
        return progress

    async def _again(
        self,
        processor: Processor,
        connection: Connection,
        parked_id: UUID,
        read: Callable[[Mapping[str, Any]], Input | None],
    ) -> bool:
        """One parked input through the processor, its effects and its end in one transaction. True if handled."""
        outcome: Any = "not wanted"
        after_commit: Callable[[], None] = lambda: None  # noqa: E731
        try:
            async with connection.transaction():
                row = await connection.fetchrow("SELECT * FROM parked WHERE id = $1 FOR UPDATE SKIP LOCKED", parked_id)
                if row is None or row["state"] not in ("queued", "retry"):
                    return False
                i = read(row)
                if i is not None:
                    outcome, after_commit = await processor.attempt_parked(connection, i)
                if outcome == "parked":
                    return False
                await connection.execute(sql.RESOLVE, parked_id, "done", None)
        except Exception as error:
            if is_lost_race(error):
                return False  # the next pass reads again; the other keys of this one need not wait for it
            if not (is_impossible(error) or isinstance(error, StartAgain)):
                raise
            constraint = getattr(error, "constraint_name", None) or "already_exists"
            await connection.execute(sql.FAILED_AGAIN, parked_id, constraint)
            return False
        after_commit()
        log.info("parked_handled", parked_id=parked_id, outcome=outcome)
        return True


def headers_of(row: Mapping[str, Any]) -> tuple[tuple[str, bytes | None], ...]:
    """The raw headers of a parked record."""
    return tuple((name, None if v is None else b64decode(v)) for name, v in json.loads(row["record_headers"] or "[]"))
