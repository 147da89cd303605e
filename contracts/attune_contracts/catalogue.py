"""Every event that exists: found by its wire type, with the facts that the table in the README shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from attune_contracts import notification, referral, screening, workforce
from attune_contracts.event import Event

SERVICES: Final = ("screening", "referral", "notification", "workforce")
PARTITIONS: Final = 12
"""Partitions of every topic; a subject stays in one partition, so the number never changes."""

_TYPE = re.compile(r"(attune\.[a-z]+\.[a-z0-9-]+)\.v([1-9][0-9]{0,3})")


def topic(service: str) -> str:
    """Topic that `service` alone writes and that carries all its events."""
    return f"attune.{service}"


def source(service: str) -> str:
    """CloudEvents `source` of everything that `service` publishes."""
    return f"/attune/{service}"


def dataschema(event_type: str) -> str:
    """CloudEvents `dataschema`: a name of the schema, not a place to fetch it from."""
    return f"urn:attune:schema:{event_type}"


def _declared(module: ModuleType) -> Iterator[type[Event]]:
    for name, value in vars(module).items():
        own = isinstance(value, type) and issubclass(value, Event) and value.__module__ == module.__name__
        if own and not name.startswith("_"):
            yield value


CATALOGUE: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {event.type: event for module in (screening, referral, notification, workforce) for event in _declared(module)}
)
"""Strict event class (the writer's) by wire type, in the order in which the modules tell the story."""


def _newest() -> dict[str, int]:
    newest: dict[str, int] = {}
    for event in CATALOGUE.values():
        stem = event.type.rpartition(".v")[0]
        newest[stem] = max(newest.get(stem, 0), event.version)
    return newest


_NEWEST: Final = _newest()


def is_newer(event_type: str) -> bool:
    """Whether this is a later version of an event that this catalogue knows in an earlier one."""
    match = _TYPE.fullmatch(event_type)
    return match is not None and 0 < _NEWEST.get(match[1], 0) < int(match[2])


def meaning(event: type[Event]) -> str:
    """What the event says, in one paragraph."""
    return " ".join((event.__doc__ or "").split())
