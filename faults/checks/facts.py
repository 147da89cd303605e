"""What was found after a campaign, as frozen values, before anybody judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zlib import crc32

from attune.facts import Facts
from attune.fault import Fault
from attune_contracts.catalogue import PARTITIONS
from chassis.parked import Record
from faults.world import World

Judged = tuple[int, Iterable[Fault]]
"""How many things were compared, and what contradicts."""


@dataclass(frozen=True, slots=True)
class Handled:
    """One row of an inbox."""

    transaction: int
    """Of two inputs of one key, the one handled later has the greater number."""
    status: int | None = None
    reply: bytes | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """One row of the parked inputs of a service, open or resolved."""

    service: str
    id: UUID
    key: str | None
    state: str
    reason: str
    topic: str | None
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a recipient's row says about being written to, and since when."""

    do_not_contact: bool
    set_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One letter as a sink has it."""

    message_id: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a process answered when it was asked how it is."""

    service: str
    pid: int
    alive: bool
    live: int | None = None
    """Status of /livez; None where nothing answered."""
    ready: int | None = None


Text = Callable[[], Iterable[str]]
"""Gives the pieces of something long, each time anew."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that the invariants look at."""

    world: World
    kept: Facts
    records: Sequence[Record] = ()
    """All records of all topics, each partition in its order, without those that were injected to be parked."""
    commands: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Name of the command behind each route of a service."""
    wants: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    """Types of event that a service acts on, and whether it remembers each of them even if nothing came of it."""
    inbox: Mapping[str, Mapping[UUID, Handled]] = field(default_factory=dict)
    parked: Sequence[Parked] = ()
    rows: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    """Keys of the rows of some tables."""
    policies: Mapping[UUID, Policy] = field(default_factory=dict)
    file_lines: Sequence[Line] = ()
    mail_lines: Sequence[Line] = ()
    pulses: Sequence[Pulse] = ()
    texts: Mapping[str, Text] = field(default_factory=dict)
    """Whatever must hold nothing personal, by where it was found."""


def home(key: bytes | None) -> int:
    """The partition to which a key belongs."""
    return crc32(key or b"") % PARTITIONS
