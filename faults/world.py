"""What a campaign leaves to whoever checks it: where everything is, what was asked and answered, what was injected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

Told = Literal["lost", "twice", "order", "wrong"]
"""What a finding counts as in the report."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request with its last answer; a request without any answer was tried until the caller gave up."""

    service: str
    route: str
    """As the service's map names it, such as `POST /consultations/{consultation_id}/closure`."""
    path: str
    """As it was asked, ids filled in."""
    key: UUID
    """The Idempotency-Key, one for all tries."""
    status: int | None
    sent: Mapping[str, str]
    """Ids and codes of the request, by field; nothing personal."""
    got: Mapping[str, Any]
    """The answer's JSON; of a problem, its type, status and errors."""
    tries: int
    subject: UUID
    """Whose token it was."""
    bad: bool
    """Sent to be refused: it must be a 4xx and must have changed nothing."""
    case: int
    """Number of the case that it belongs to, -1 for what belongs to none."""
    first_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A record that was put into a topic to be parked, and what was done about it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    kind: str
    """How it is bad, such as `not_json` or `unknown_version`."""
    event_id: UUID | None
    """The id that its envelope says, where one can be read."""
    readers: tuple[str, ...]
    """Services that must park it: they act on its type, or it has none and they read the topic."""
    resolved: Mapping[str, Literal["retried", "discarded"]] = field(default_factory=dict)
    """What the operator did at each service; whoever is not named still has it open."""
    gone: bool = False
    """Its topic was emptied since: another record may lie in its place."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a service that should be alive at the end."""

    service: str
    pid: int
    url: str


@dataclass(frozen=True, slots=True)
class World:
    """Everything a check needs. All addresses are direct ones, past every proxy."""

    seed: int
    cases: int
    started_at: datetime
    ended_at: datetime
    dsn: Mapping[str, str]
    """PostgreSQL of each service, as its administrator."""
    bootstrap: str
    mail: Path
    """JSON lines of the mail sink: message_id, to, subject, body, at. It honours no key: doubtful mail may be in it."""
    file_channel: Path
    """JSON lines of the file channel, which honours a key (message_id): lines of one key count once."""
    logs: tuple[Path, ...]
    urls: Mapping[str, str]
    processes: tuple[Process, ...]
    answers: tuple[Answer, ...] = ()
    bad_messages: tuple[BadMessage, ...] = ()
    error_bodies: tuple[str, ...] = ()
    """Raw text of every answer that was no success."""
    canaries: tuple[str, ...] = ()
    """Personal data that was planted: may stand in the tables of its owner, and nowhere else."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, looked at once."""

    name: str
    holds: bool
    looked_at: int
    """How many things were compared; a check that saw nothing proves nothing."""
    broken: tuple[str, ...] = ()
    """One sentence each, by ids only; the first fifty."""
    counts_as: Told = "wrong"
    count: int = 0
    """How many are broken, also beyond those that are listed."""


Check = Callable[[World], Awaitable[Mapping[str, Finding]]]
"""`faults.checks.check(world)`: findings by name."""
