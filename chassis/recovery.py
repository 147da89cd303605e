"""After a restore: what the service told since the backup is recalled, what came in since is lived through again.

What was told stays true, since others act on it. So the service's own events come back from its topic into its
journal, with their sequence numbers, and every input that it had handled is decided again in the order and at the
instant of then, its clocks in between. What comes out the same is not told again; what does not is left to people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from pydantic import ValidationError

from attune_contracts.catalogue import CATALOGUE, topic
from attune_contracts.envelope import Envelope, Unreadable, read_envelope
from chassis.arrivals import Done, Input, due_input
from chassis.database import Connection, Pool
from chassis.decision import Recalled
from chassis.inputs import CommandIntake, DueIntake
from chassis.parked import Record
from chassis.processor import BATCH
from chassis.reading import read_record
from chassis.told_before import ToldBefore
from chassis.topics import done_by, group_of

if TYPE_CHECKING:
    from chassis.running import Running

log = structlog.get_logger(__name__)

PAGE = 500
MOST_DUE = 10_000
Recall = Callable[[Any], Recalled | None]
"""From an event that the service told to the command that it followed."""

_OPEN = "SELECT recovery_id, taken_at, lost_at FROM recoveries WHERE state = 'open' ORDER BY asked_at DESC LIMIT 1"
_ASK = "INSERT INTO recoveries (recovery_id, taken_at, lost_at, asked_by) VALUES ($1, $2, $3, $4)"
_KNOWN = "SELECT event_id FROM journal WHERE event_id = ANY($1::uuid[]) AND recorded_at = ANY($2::timestamptz[])"
_DONE = "SELECT id FROM inbox WHERE id = ANY($1::uuid[])"
_TELL = """WITH e AS (SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[],
    $6::uuid[], $7::uuid[], $8::text[], $9::bytea[])
  AS e(recorded_at, event_id, key, sequence, type, correlation_id, causation_id, traceparent, data)),
s AS (INSERT INTO streams AS t (key, last) SELECT key, max(sequence) FROM e GROUP BY key
  ON CONFLICT (key) DO UPDATE SET last = greatest(t.last, EXCLUDED.last)),
j AS (INSERT INTO journal (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, traceparent, data)
  SELECT recorded_at, event_id, key, sequence, type, correlation_id, causation_id, traceparent, data FROM e)
INSERT INTO recalled (event_id, key, type, recorded_at, causation_id, data)
SELECT event_id, key, type, recorded_at, causation_id, data FROM e"""
_RECALLED = "SELECT event_id, key, type, recorded_at, causation_id, data FROM recalled"
_COUNT = "UPDATE recoveries SET recalled = recalled + $2 WHERE recovery_id = $1"
_SAY = "UPDATE recoveries SET relived = $2, total = $3 WHERE recovery_id = $1"
_END = """UPDATE recoveries SET state = 'done', ended_at = now(),
  apart = (SELECT count(*) FROM recalled) WHERE state = 'open'"""

_VIEW = """SELECT recovery_id, taken_at, lost_at, state, recalled, relived, total, apart, asked_by, asked_at, ended_at
FROM recoveries ORDER BY asked_at DESC LIMIT 1"""
_SETTLE = "DELETE FROM recalled WHERE NOT EXISTS (SELECT FROM recoveries WHERE state = 'open') RETURNING event_id"
_AUDIT = "INSERT INTO audits (subject, action, about) VALUES ($1, 'recalled.settle', $2)"


async def latest(connection: Connection) -> dict[str, Any] | None:
    """The last recovery of this database, if it was ever set back."""
    row = await connection.fetchrow(_VIEW)
    return None if row is None else dict(row)


async def settle(connection: Connection, by: str) -> int:
    """People have seen to what was told and is not so here: it is no longer shown. How much that was."""
    async with connection.transaction():
        gone = await connection.fetch(_SETTLE)
        await connection.executemany(_AUDIT, [(by, str(r[0])) for r in gone])
    return len(gone)


async def ask(connection: Connection, recovery_id: UUID, taken_at: datetime, lost_at: datetime, by: str) -> None:
    """Records, in a database set back to `taken_at`, that it has to be lived up to `lost_at`, when work on it ended."""
    await connection.execute(_ASK, recovery_id, taken_at, lost_at, by)


@dataclass(slots=True)
class _Again:
    """An input as it will be decided again, and when it was known to others."""

    at: datetime
    told_at: datetime
    input: Input
    row: UUID | None = None


class Recovery:
    """Works before the service opens its doors: no clock, no relay and no subscription runs yet."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._pool: Pool = running.pool
        self._at = running.time.now()
        self._clocks = {clock.name: clock for clock in running.service.clocks}
        self._due_sql = _due_sql(self._clocks.values())
        self._to_come: Counter[UUID] = Counter()
        """Rows about which something recalled is still to be said."""
        self._waits: dict[str, UUID] = {}
        """Clocks of such rows that were found due."""

    async def run(self) -> None:
        """Nothing, unless the database was set back. Begun again after a crash, it goes on with what is not done."""
        async with self._pool.acquire(timeout=5) as connection:
            asked = await connection.fetchrow(_OPEN)
        if asked is None:
            return
        recovery_id, self._at, lost_at = asked
        service, processor = self._running.service, self._running.processor
        log.warning("recovery_begins", service=service.name)
        await self._recall(recovery_id)
        async with self._pool.acquire(timeout=5) as connection:
            told = await connection.fetch(_RECALLED)
        processor.told_before = ToldBefore(told)
        now, processor.now = processor.now, lambda: self._at
        try:
            await self._live_again(recovery_id, await self._inputs(told, lost_at))
            await self._clocks_until(lost_at)
        finally:
            processor.now, processor.told_before = now, None
        async with self._pool.acquire(timeout=5) as connection:
            await connection.execute(_END)
        log.warning("recovery_done", service=service.name)

    async def _recall(self, recovery_id: UUID) -> None:
        """The service's own events from its topic into its journal, as far as they are not there."""
        records = await self._running.broker.history([topic(self._running.service.name)])
        unique = {own[0].id: own for r in records if (own := _own(r)) is not None}
        told = sorted(unique.values(), key=lambda e: (e[0].subject.int, e[0].sequence))
        for n in range(0, len(told), PAGE):
            page = told[n : n + PAGE]
            async with self._pool.acquire(timeout=5) as connection, connection.transaction():
                known = await connection.fetch(_KNOWN, [e.id for e, _ in page], [e.time for e, _ in page])
                before = {r[0] for r in known}
                new = [_row(e, data) for e, data in page if e.id not in before]
                if new:
                    await connection.execute(_TELL, *map(list, zip(*new, strict=True)))
                    await connection.execute(_COUNT, recovery_id, len(new))

    async def _inputs(self, told: Sequence[Mapping[str, Any]], lost_at: datetime) -> list[_Again]:
        """What had been handled and is so no more, in the order of then.

        Known to have been handled: what the group has left behind. Perhaps: what others had told when work ended. The
        rest comes by the subscription, and is handled for the first time.
        """
        running = self._running
        topics = running.service.topics
        done = await done_by(running.broker, group_of(running.service.name)) if topics else {}
        led_to = {row["causation_id"]: row["recorded_at"] for row in told}
        reached: dict[tuple[str, int], datetime] = {}
        found: list[_Again] = []
        for r in await running.broker.history(topics) if topics else ():
            place = r.topic, r.partition
            i, told_at = read_record(r, running.service.events), _told_at(r) or reached.get(place, self._at)
            if i is not None and (r.offset < done.get(place, 0) or told_at <= lost_at):
                # When it was handled is known where it led to something; never before what it followed.
                reached[place] = max(led_to.get(i.id, told_at), reached.get(place, self._at))
                found.append(_Again(reached[place], told_at, i))
        found += self._commands(told, {a.input.id for a in found})
        known = await self._known([a.input.id for a in found if a.input.streamed])
        return sorted((a for a in found if a.input.id not in known), key=attrgetter("at", "told_at"))

    def _commands(self, told: Sequence[Mapping[str, Any]], came_in: set[UUID]) -> Iterator[_Again]:
        """Commands as far as what was told says all of them; nobody else keeps them."""
        service = self._running.service
        intakes = {i.model: i for i in service.inputs if isinstance(i, CommandIntake)}
        together = Counter(row["causation_id"] for row in told)
        for row in told:
            recalled = self._recalled(row["type"], row["data"])
            id_ = UUID(int=row["causation_id"].int)
            if recalled is None or id_ in came_in or (together[id_] > 1 and not recalled.with_others):
                continue
            # Given by the service itself: a caller who repeats the request of then asks the rule.
            intake = replace(intakes[type(recalled.command)], method="", path="")
            given = Input(intake, id_, recalled.command, id_, by=recalled.by)
            yield _Again(row["recorded_at"], row["recorded_at"], given, recalled.row)

    def _recalled(self, event_type: str, data: bytes) -> Recalled | None:
        event = CATALOGUE.get(event_type)
        recall = self._running.service.recalls.get(event) if event is not None else None
        if event is None or recall is None:
            return None
        try:
            return recall(event.model_validate_json(data))
        except ValidationError:
            return None  # told by an older version, in words that are no longer written

    async def _known(self, ids: Sequence[UUID]) -> set[UUID]:
        known: set[UUID] = set()
        async with self._pool.acquire(timeout=5) as connection:
            for n in range(0, len(ids), 10 * PAGE):
                known |= {r[0] for r in await connection.fetch(_DONE, ids[n : n + 10 * PAGE])}
        return known

    async def _live_again(self, recovery_id: UUID, inputs: Sequence[_Again]) -> None:
        """What was handled at one instant was one batch then, and is one now."""
        self._to_come.update(a.row for a in inputs if a.row is not None)
        lived = 0
        await self._say(recovery_id, lived, len(inputs))
        for at, together in groupby(inputs, key=attrgetter("at")):
            await self._clocks_until(at)
            batch = list(together)
            for n in range(0, len(batch), BATCH):
                await self._running.processor.process([a.input for a in batch[n : n + BATCH]])
            self._to_come.subtract(a.row for a in batch if a.row is not None)
            await self._clocks_until(at)
            lived += len(batch)
            await self._say(recovery_id, lived, len(inputs))

    async def _say(self, recovery_id: UUID, lived: int, total: int) -> None:
        async with self._pool.acquire(timeout=5) as connection:
            await connection.execute(_SAY, recovery_id, lived, total)

    async def _clocks_until(self, until: datetime) -> None:
        """Lets every clock look at its time, the earliest first, as it would have between two inputs."""
        idle: set[str] = set()
        self._waits = {name: row for name, row in self._waits.items() if self._to_come[row] > 0}
        while self._clocks:
            async with self._pool.acquire(timeout=5) as connection:
                due = await connection.fetchrow(self._due_sql, until, MOST_DUE, [*idle, *self._waits])
            if due is None:
                break
            name, key, at = due
            clock, which = self._clocks[name], f"{name}:{key}"
            if self._to_come[key] > 0:
                self._waits[which] = key
                continue
            self._at = max(self._at, at or until)
            outcomes = await self._running.processor.process([due_input(clock, UUID(int=key.int))])
            if outcomes[0] != Done.HANDLED or at is None or await self._still_due(clock, key, at):
                idle.add(which)  # once is enough between two inputs
        self._at = max(self._at, until)

    async def _still_due(self, clock: DueIntake, key: UUID, at: datetime) -> bool:
        table = clock.table
        async with self._pool.acquire(timeout=5) as connection:
            query = f"SELECT {table.due_field} = $2 FROM {table.name} WHERE {table.key} = $1"  # noqa: S608
            return bool(await connection.fetchval(query, key, at))


def _due_sql(clocks: Iterable[DueIntake]) -> str:
    """The clock that is due first until $1, but for those named in $3; last those that know no instant."""
    parts = []
    for clock in clocks:
        t = clock.table
        due = f"SELECT {t.key} AS k, {t.due_field} AS at FROM {t.name} WHERE {t.due_field} <= $1"  # noqa: S608
        if t.due_field is None:
            due = f"SELECT k, NULL::timestamptz AS at FROM ({t.due_sql}) AS due(k)"  # noqa: S608
        parts.append(
            f"(SELECT '{clock.name}' AS clock, k, at FROM ({due}) AS d "  # noqa: S608
            f"WHERE '{clock.name}:' || k <> ALL($3::text[]) ORDER BY at LIMIT 1)"
        )
    every = " UNION ALL ".join(parts)
    return f"SELECT clock, k, at FROM ({every}) AS found WHERE $2::bigint > 0 ORDER BY at NULLS LAST LIMIT 1"  # noqa: S608


def _own(record: Record) -> tuple[Envelope, bytes] | None:
    try:
        received = read_envelope(record.key, record.value, record.headers)
    except Unreadable:
        return None
    return received.envelope, received.data


def _told_at(record: Record) -> datetime | None:
    own = _own(record)
    return own[0].time if own is not None else None


def _row(e: Envelope, data: bytes) -> tuple[Any, ...]:
    return e.time, e.id, e.subject, e.sequence, e.type, e.correlationid, e.causationid, e.traceparent, data
