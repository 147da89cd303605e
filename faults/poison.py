"""Bad messages: records that no reader can handle, some of them about children of whom more is told afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zlib import crc32

from aiokafka import AIOKafkaProducer
from uuid_utils.compat import uuid7

from attune_contracts.catalogue import CATALOGUE, PARTITIONS, SERVICES, dataschema, source, topic
from attune_contracts.envelope import Envelope, to_kafka
from faults.asking import MAPS
from faults.world import BadMessage

Headers = list[tuple[str, bytes]]
Record = tuple[bytes | None, bytes | None, Headers]

READERS: Mapping[str, tuple[str, ...]] = {
    topic(owner): tuple(sorted(s.name for s in MAPS if topic(owner) in s.topics)) for owner in SERVICES
}
"""Who reads each topic."""
TOPICS = tuple(name for name, readers in READERS.items() if readers)
WANTED: Mapping[str, Sequence[str]] = {
    name: [t for t in sorted(CATALOGUE) if topic(CATALOGUE[t].service) == name and any(t in s.events for s in MAPS)]
    for name in TOPICS
}
"""Types of each topic that at least one of its readers acts on."""


def _without(name: str) -> Callable[[Record], Record]:
    return lambda r: (r[0], r[1], [h for h in r[2] if h[0] != name])


def _with(name: str, value: bytes) -> Callable[[Record], Record]:
    return lambda r: (r[0], r[1], [(h, value if h == name else v) for h, v in r[2]])


DAMAGE: Mapping[str, Callable[[Record], Record]] = {
    "tombstone": lambda r: (r[0], None, r[2]),
    "no_headers": lambda r: (r[0], r[1], []),
    "no_id": _without("ce_id"),
    "no_type": _without("ce_type"),
    "bad_id": _with("ce_id", b"Marigold"),
    "bad_time": _with("ce_time", b"yesterday"),
    "bad_sequence": _with("ce_sequence", b"-1"),
    "other_version": _with("ce_specversion", b"9.0"),
    "stranger": _with("ce_source", b"/elsewhere"),
    "header_twice": lambda r: (r[0], r[1], [*r[2], ("ce_id", str(uuid7()).encode())]),
    "other_key": lambda r: (str(uuid7()).encode(), r[1], r[2]),
    "not_json": _with("content-type", b"text/plain"),
}
"""Each makes a good record unreadable for whoever acts on its type."""


def parked_by(name: str, headers: Iterable[tuple[str, bytes | None]]) -> tuple[str, ...]:
    """Who must park a bad record of this topic: all its readers, unless its one type header names a type of the topic.

    Then only who acts on the type: whoever has no use for it passes the record over.
    """
    types = [(value or b"").decode("latin-1") for header, value in headers if header == "ce_type"]
    event = CATALOGUE.get(types[0]) if len(types) == 1 else None
    theirs = event is not None and topic(event.service) == name
    return tuple(s.name for s in MAPS if s.name in READERS.get(name, ()) and (not theirs or types[0] in s.events))


def good(event_type: str, key: UUID, value: bytes) -> Record:
    """A record that could be an event of this type, about this key."""
    id_ = uuid7()
    owner = CATALOGUE[event_type].service
    envelope = Envelope(id_, event_type, source(owner), key, datetime.now(UTC), dataschema(event_type), id_, id_, 1)
    k, v, headers = to_kafka(envelope, value)
    return k, v, list(headers)


class Poison:
    """Puts bad messages into topics, straight to the broker, and remembers where."""

    def __init__(self, seed: int, bootstrap: str) -> None:
        self._chance = random.Random(f"{seed}/poison")
        self._bootstrap = bootstrap
        self.put: list[BadMessage] = []

    @property
    def places(self) -> set[tuple[str, int, int]]:
        """Where bad messages lie now."""
        return {(b.topic, b.partition, b.offset) for b in self.put if not b.gone}

    def lost(self) -> None:
        """All topics were emptied."""
        self.put = [replace(b, gone=True) for b in self.put]

    async def some(self, count: int, children: Sequence[UUID]) -> None:
        """So many, half of them about these children."""
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=False)
        await producer.start()
        try:
            for _ in range(count):
                await self._one(producer, children)
        finally:
            await producer.stop()

    async def _one(self, producer: Any, children: Sequence[UUID]) -> None:
        name = self._chance.choice(TOPICS)
        about = self._chance.choice(children) if children and self._chance.random() < 0.5 else uuid7()
        kind = self._chance.choice(list(DAMAGE))
        event_type = self._chance.choice(WANTED[name])
        made = good(event_type, about, b'{"marigold": "%d"}' % self._chance.randrange(10**9))
        key, value, headers = DAMAGE[kind](made)
        partition = crc32(str(about).encode()) % PARTITIONS
        told = await producer.send_and_wait(name, key=key, value=value, headers=headers, partition=partition)
        id_ = next((v for h, v in headers if h == "ce_id"), b"")
        event_id = UUID(id_.decode()) if kind not in ("no_id", "no_headers", "bad_id", "header_twice") else None
        readers = parked_by(name, headers)
        self.put.append(BadMessage(name, told.partition, told.offset, key, kind, event_id, readers))
