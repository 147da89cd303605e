"""What a stack is to consist of, and what it remembers from one start to the next."""

import dataclasses
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from attune.stack.layout import write_private
from attune.stack.services import SERVICES

SERVERS = ("postgres", "kafka", "smtp")
TIME_CAN_BE_SET = {"ATTUNE_TIME_CAN_BE_SET": "true"}
"""Variables of a stack whose time an operator may set ahead."""


class _Kept:
    """A dataclass kept as a JSON file that only its owner may read."""

    def write(self, path: Path) -> None:
        text = json.dumps(dataclasses.asdict(self), indent=1)  # type: ignore[call-overload]
        write_private(path, text)

    @classmethod
    def read(cls, path: Path) -> Self:
        fields: dict[str, Any] = json.loads(path.read_text())
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


@dataclass(frozen=True, slots=True)
class Plan(_Kept):
    """The parts of a stack and how they run."""

    services: tuple[str, ...] = SERVICES
    servers: tuple[str, ...] = SERVERS
    fsync: bool = True
    """Whether PostgreSQL keeps its default durability; without it a crash of the machine may cost the data."""
    trusting: bool = False
    """Whether every local client is PostgreSQL's administrator: for tests, where passwords only cost time."""
    kafka_heap_mib: int = 256
    quick_compiler_only: bool = True
    """Quick to boot; a broker under long load is faster without."""
    kafka_through: int = 0
    """Port of a proxy that whoever holds the stack runs before the broker; 0 for none. It leads to `kafka_through`
    of the memory's ports, and the broker tells clients who come that way to come back that way."""
    postgres_settings: tuple[str, ...] = ()
    """Further lines of configuration, such as `max_connections=300`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further variables of every service process."""
    by_hand: bool = False
    """Whether whoever holds the stack starts its services: prepared here, run as `Stack.program` says."""
    temporary: bool = False
    """Ends with the process that started it, and leaves no directory."""


@dataclass(slots=True)
class Memory(_Kept):
    """Ports by program, passwords by role, and what is already prepared."""

    ports: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    prepared: str = ""
    """Fingerprint of the data and of the sources for which migrations and topics are done."""

    def password(self, role: str) -> str:
        return self.passwords.setdefault(role, secrets.token_urlsafe(18))
