"""One record of a topic as it is shown: what it says, about whom, and how long after the event before."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from rich.text import Text

from attune.wording import SERVICE_STYLES, Names, kind_of, lasting, said, short, style_of
from attune_contracts.attributes import Unreadable
from attune_contracts.envelope import Envelope, read, to_kafka_structured
from attune_contracts.event import Event
from chassis.parked import Record

SERVICE_WIDTH, KIND_WIDTH, WAITED_WIDTH = 12, 25, 8
WIDE = 120


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record that was seen; without `envelope` it could not be read, and `unreadable` says why."""

    record: Record
    at: datetime
    """Instant of the decision; of an unreadable record, when the broker took it."""
    envelope: Envelope | None = None
    event: Event | None = None
    unreadable: str | None = None
    waited: timedelta | None = None
    """Since the event before of the same child (or case, or practitioner), else of the same first cause."""

    @property
    def service(self) -> str:
        return self.record.topic.rpartition(".")[2]

    @property
    def about(self) -> UUID | None:
        return self.envelope.subject if self.envelope is not None else None

    @property
    def order(self) -> tuple[datetime, str, int]:
        """Causes come before their effects where clocks agree; events of one decision by their sequence."""
        return self.at, self.record.topic, self.envelope.sequence if self.envelope is not None else 0


def seen(record: Record) -> Sighting:
    """The record, read as any subscriber would read it; never raises."""
    arrived = datetime.fromtimestamp(max(record.timestamp_ms, 0) / 1000, UTC)
    try:
        received = read(record.key, record.value, record.headers)
    except Unreadable as why:
        return Sighting(record, arrived, unreadable=str(why))
    return Sighting(record, received.envelope.time, received.envelope, received.event)


class Chain:
    """Remembers when each child, and each first cause, was last heard of."""

    def __init__(self) -> None:
        self._last: dict[UUID, datetime] = {}

    def linked(self, sightings: Iterable[Sighting]) -> list[Sighting]:
        """The sightings in order, each with the time since the one before."""
        return [self._link(s) for s in sorted(sightings, key=lambda s: s.order)]

    def _link(self, s: Sighting) -> Sighting:
        if s.envelope is None:
            return s
        before = self._last.get(s.envelope.subject) or self._last.get(s.envelope.correlationid)
        self._last[s.envelope.subject] = self._last[s.envelope.correlationid] = s.at
        waited = max(s.at - before, timedelta(0)) if before is not None else None
        return Sighting(s.record, s.at, s.envelope, s.event, s.unreadable, waited)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the viewer wants to see; None means everything."""

    type: str | None = None
    """A pattern such as `*concern*`, `case-*`, `referral/*` or a full type."""
    child: str | None = None
    """An id or its last part; any id of the event counts, so a case or a practitioner is found as well."""

    def __call__(self, s: Sighting) -> bool:
        return self._type(s) and self._child(s)

    def _type(self, s: Sighting) -> bool:
        if self.type is None:
            return True
        if s.envelope is None:
            return False
        kind = kind_of(s.envelope.type)
        names = (s.envelope.type, kind, f"{s.service}/{kind}", type(s.event).__name__.lower())
        return any(fnmatchcase(name, self.type.lower()) for name in names)

    def _child(self, s: Sighting) -> bool:
        if self.child is None:
            return True
        ending = self.child.replace("-", "").lower()
        if s.event is None:
            return (s.record.key or b"").replace(b"-", b"").decode("ascii", "replace").endswith(ending)
        ids = (v for v in s.event.__dict__.values() if isinstance(v, UUID))
        return any(id_.hex.endswith(ending) for id_ in ids)


def line(s: Sighting, names: Names = short, *, wide: bool = True) -> Text:
    """One line: time, service and type, child, waited, fact. Not `wide`: the colour of the type tells the service."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{s.at.astimezone():%H:%M:%S}" + (f".{s.at.microsecond // 1000:03d} " if wide else " "), "dim")
    kind = kind_of(s.envelope.type) if s.envelope is not None else "unreadable"
    style = SERVICE_STYLES.get(s.service, "")
    if wide:
        text.append(f"{s.service:<{SERVICE_WIDTH}} ", style)
    text.append(f"{kind:<{KIND_WIDTH}} ", style if s.envelope is not None else "bold red")
    text.append(f"{short(s.about) if s.about is not None else '-':<8} ", "dim")
    text.append(f"{f'+{lasting(s.waited)}' if s.waited is not None else '':>{WAITED_WIDTH}}  ", "dim")
    text.append(fact(s, names), style_of(s.event))
    return text


def fact(s: Sighting, names: Names = short) -> str:
    """What the record says, or why it cannot be read."""
    if s.event is not None:
        return said(s.event, names)
    return f"partition {s.record.partition}, offset {s.record.offset}: {s.unreadable}"


def as_json(s: Sighting) -> str:
    """The event as one line of CloudEvents JSON; of an unreadable record, where it lies and why."""
    if s.envelope is None:
        r = s.record
        place: dict[str, Any] = {"topic": r.topic, "partition": r.partition, "offset": r.offset}
        return json.dumps({"unreadable": s.unreadable, **place}, separators=(",", ":"))
    value = s.record.value or b"null"
    if any(
        name == "content-type" and (v or b"").startswith(b"application/cloudevents") for name, v in s.record.headers
    ):
        value = json.dumps(json.loads(value)["data"]).encode()
    return to_kafka_structured(s.envelope, value)[1].decode()
