"""Gathers what a running system holds: databases, topics and the mails that left. Looks, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from attune.addresses import Addresses, NotReachable
from attune.databases import connected
from attune_contracts.catalogue import CATALOGUE, SERVICES, topic
from attune_contracts.envelope import Unreadable, parse, read_envelope
from attune_contracts.event import Event

if TYPE_CHECKING:
    from types import TracebackType

    from chassis.database import Connection
    from chassis.parked import Record

TOPIC_SECONDS = 10.0
READ_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Told:
    """One row of a service's journal."""

    service: str
    event_id: UUID
    key: UUID
    sequence: int
    event: Event
    cause: UUID | None = None
    """The input that led to it."""
    transaction: int = 0
    """Of those that wrote the same row, the later one has the greater number."""


@dataclass(frozen=True, slots=True)
class Screened:
    """One row of the screenings: with an outcome and what must follow, or with the reason why there is none."""

    screening_id: UUID
    outcome: str | None
    follows: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the consultations."""

    consultation_id: UUID
    screening_id: UUID | None
    status: str
    assigned_to: UUID | None
    waits: bool
    unsettled: bool
    points: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A member of a pool."""

    practitioner_id: UUID
    capacity: int
    used: int
    left: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """One row of the messages."""

    message_id: UUID
    kind: str
    about_id: UUID
    recipient_id: UUID | None
    duty: str | None
    status: str
    channel: str | None
    over: bool = False
    """Its time was over before anybody could find out whether it left."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found, before anybody judges it."""

    journal: Sequence[Told] = ()
    unread: Mapping[str, int] | None = None
    """Records that each service has not read to the end of its topics; None where nobody looked."""
    parked: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    """Ids of the open parked inputs of each service."""
    outbox: Mapping[str, int] = field(default_factory=dict)
    topics: Mapping[str, Sequence[UUID]] | None = None
    """Event ids in each service's topic, in the order of each partition; None where nobody looked."""
    unreadable: int = 0
    screenings: Sequence[Screened] = ()
    cases: Sequence[Case] = ()
    seats: Sequence[Seat] = ()
    pools_due: int = 0
    letters: Sequence[Letter] = ()
    mails: Sequence[str] | None = None
    """Message-ID of every mail in the sink, without its domain; None where there is no sink to look into."""


_READS: Mapping[str, tuple[str, ...]] = {
    "screening": ("SELECT screening_id, outcome, record->'conclusion'->>'follows' AS follows, reason FROM screenings",),
    "referral": (
        """SELECT consultation_id, screening_id, status, assigned_to, waiting_since IS NOT NULL, unsettled, points
        FROM consultations""",
        """SELECT (m->>'practitioner_id')::uuid, (m->>'capacity_points')::bigint, (m->>'used_points')::bigint,
        m->>'left_at' IS NOT NULL FROM pools, jsonb_array_elements(members) AS m""",
        "SELECT count(*) FROM pools WHERE next_due_at <= now()",
    ),
    "notification": (
        """SELECT message_id, kind, about_id, CASE WHEN duty IS NULL THEN recipient_id END, duty, status, channel,
        coalesce(reason = 'not_accepted_in_time' OR (reason = 'no_result_in_time' AND settled_at > give_up_at), false)
        FROM messages""",
    ),
    "workforce": (),
}


_JOURNAL = """SELECT event_id, key, sequence, type, data, causation_id, xmin::text::bigint
FROM journal ORDER BY key, sequence"""

READERS = {
    f"attune.{reader}": sorted({topic(e.service) for e in CATALOGUE.values() if reader in e.readers})
    for reader in sorted({reader for e in CATALOGUE.values() for reader in e.readers})
}
"""Which topics each service reads, as the catalogue says."""


class Gatherer:
    """Open connections to all databases of one system, for looking more than once."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._connections: dict[str, Connection] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        milliseconds = str(int(READ_SECONDS * 1000))
        for service in SERVICES:
            if (dsn := self._addresses.postgres.get(service)) is None:
                raise NotReachable(f"stack {self._addresses.name} names no database of {service}")
            otherwise = f"the database of {service} does not answer"
            opening = connected(dsn, otherwise, name="attune-reconcile", statement_timeout=milliseconds)
            self._connections[service] = await self._open.enter_async_context(opening)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def again(self) -> None:
        """New connections, after the server was away. Raises NotReachable while it is."""
        with suppress(Exception):
            await self._open.aclose()
        self._open = AsyncExitStack()
        await self.__aenter__()

    async def facts(
        self,
        *,
        with_topics: bool = True,
        records: Sequence[Record] | None = None,
        mails: Iterable[Mapping[str, Any]] | None = None,
    ) -> Facts:
        """Everything as it stands. `mails` are those of the sink, where it is not a file that the addresses name.

        `records` stand for what the topics hold, for whoever has read them already.
        """
        own, read = {}, {}
        for service, rows, journal in await asyncio.gather(*(self._of(s) for s in SERVICES)):
            own[service], read[service] = rows, journal
        journal = tuple(t for s in SERVICES for t in read[s][0])
        screenings, consultations = own["screening"][0], own["referral"][0]
        topics, unreadable = None, 0
        if records is not None:
            topics, unreadable = _ids(records)
        elif with_topics:
            topics, unreadable = await self._topics(journal)
        return Facts(
            journal=journal,
            unread=await self.unread() if with_topics else None,
            parked={s: read[s][1] for s in SERVICES},
            outbox={s: read[s][2] for s in SERVICES},
            topics=topics,
            unreadable=unreadable,
            screenings=tuple(Screened(*row) for row in screenings),
            cases=tuple(Case(*row) for row in consultations),
            seats=tuple(Seat(*row) for row in own["referral"][1]),
            pools_due=own["referral"][2][0][0],
            letters=tuple(Letter(*row) for row in own["notification"][0]),
            mails=self._mails(mails),
        )

    async def _of(self, service: str) -> tuple[str, list[Any], tuple[Any, ...]]:
        connection = self._connections[service]
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(_JOURNAL, timeout=READ_SECONDS)
            told = [Told(service, r[0], r[1], r[2], parse(r[3], r[4]), r[5], r[6]) for r in rows]
            parked = await connection.fetch("SELECT id FROM parked WHERE state NOT IN ('done', 'discarded')")
            waiting = await connection.fetchval("SELECT count(*) FROM outbox")
            own = [await connection.fetch(query, timeout=READ_SECONDS) for query in _READS[service]]
        return service, own, (told, frozenset(r[0] for r in parked), waiting)

    async def unread(self) -> dict[str, int]:
        """How many records each service has yet to read."""
        return await self._addresses.broker().behind(READERS)

    async def _topics(self, journal: Sequence[Told]) -> tuple[dict[str, list[UUID]], int]:
        """Event ids by service, as a subscriber finds them: until all that the journals know have come, or too late."""
        broker, clock = self._addresses.broker(), asyncio.get_running_loop().time
        known, deadline = {t.event_id for t in journal}, clock() + TOPIC_SECONDS
        while True:
            try:
                found, unreadable = _ids(await broker.history([topic(s) for s in SERVICES]))
            except Exception as error:
                named = f"{', '.join(broker.bootstrap)} ({type(error).__name__})"
                raise NotReachable(f"Kafka does not answer at {named}") from None
            if clock() > deadline or known <= {id_ for ids in found.values() for id_ in ids}:
                return found, unreadable
            await asyncio.sleep(0.2)

    def _mails(self, given: Iterable[Mapping[str, Any]] | None) -> tuple[str, ...] | None:
        if given is None:
            path = self._addresses.mail
            if path is None:
                return None
            given = [json.loads(row) for row in path.read_text("utf-8").splitlines()] if path.exists() else []
        return tuple(str(mail["message_id"]).strip("<>").partition("@")[0] for mail in given)


def _ids(records: Iterable[Record]) -> tuple[dict[str, list[UUID]], int]:
    """Event ids by service, and how many records are no event."""
    found: dict[str, list[UUID]] = {s: [] for s in SERVICES}
    unreadable = 0
    for record in records:
        try:
            id_ = read_envelope(record.key, record.value, record.headers).envelope.id
        except Unreadable:
            unreadable += 1
        else:
            found[record.topic.rpartition(".")[2]].append(id_)
    return found, unreadable
