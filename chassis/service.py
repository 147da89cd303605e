"""What a service is made of, and what its work in the background may use of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from uuid_utils.compat import uuid7

from attune_contracts.catalogue import topic
from attune_contracts.event import Event
from chassis.arrivals import Input, Outcome
from chassis.broker import Broker
from chassis.commands import Command
from chassis.database import Connection, Pool
from chassis.http import Reads
from chassis.inputs import CommandIntake, DueIntake, EventIntake, Intake
from chassis.processor import Processor
from chassis.recovery import Recall
from chassis.rows import Stored
from chassis.settings import KafkaSettings, ServiceSettings

OWN_MIGRATIONS = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is made of; `services/<name>/main.py` holds one. A value: nothing happens until it is run."""

    name: str
    inputs: Sequence[Intake]
    settings: type[ServiceSettings]
    api: Callable[[Reads], APIRouter]
    migrations: Path
    roles: Mapping[str, frozenset[str]]
    background: Sequence[Callable[[Context], Awaitable[None]]] = ()
    """Work beside the processor, such as sending; each runs from start to stop and is cancelled at the end."""
    stuck: str | None = None
    """Query of the cases that wait in this service, as `chassis/stuck.py` reads it."""
    recalls: Mapping[type[Event], Recall] = field(default_factory=dict)
    """For a database that was set back: commands that the service's own events say all of."""

    @property
    def commands(self) -> list[CommandIntake]:
        return [i for i in self.inputs if isinstance(i, CommandIntake) and not i.internal]

    @property
    def events(self) -> dict[str, EventIntake]:
        return {i.event.type: i for i in self.inputs if isinstance(i, EventIntake)}

    @property
    def clocks(self) -> list[DueIntake]:
        return [i for i in self.inputs if isinstance(i, DueIntake)]

    @property
    def topics(self) -> list[str]:
        """Topics that the service reads."""
        return sorted({topic(i.event.service) for i in self.inputs if isinstance(i, EventIntake)})


class Context:
    """What work in the background may use of its service."""

    def __init__(self, service: Service, settings: ServiceSettings, processor: Processor, pool: Pool) -> None:
        self.settings = settings
        self.at_stop: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.details: dict[str, Callable[[], Any]] = {}
        self._pool = pool
        self._service, self._processor = service, processor
        self._internal = {i.model: i for i in service.inputs if isinstance(i, CommandIntake) and i.internal}

    def now(self) -> datetime:
        """The present instant as the service's rules see it."""
        return self._processor.now()

    async def submit_all(self, commands: Sequence[Command], *, known: Sequence[Stored] = ()) -> list[Outcome]:
        """Submits many of the service's own commands as one batch; what a rule raises is in the list.

        `known`: rows as this process stored them, which then need not be read; only where a rule that finds them
        changed by somebody else writes them, and so would notice.
        """
        inputs = []
        for command in commands:
            id_ = uuid7()
            inputs.append(Input(self._internal[type(command)], id_, command, id_, fingerprint=b""))
        return await self._processor.process(inputs, known=known)

    def on_commit(self, callback: Callable[[Sequence[Stored]], None]) -> None:
        """`callback` is given the rows of every committed batch, in this process, each with its version."""
        self._processor.on_rows.append(callback)

    def on_stop(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """`callback` is awaited when nothing new comes in any more and the service's own commands are still taken."""
        self.at_stop.append(callback)

    def show(self, name: str, detail: Callable[[], Any]) -> None:
        """What `detail` returns is shown by /readyz under `name`; it does not decide whether the service is ready."""
        self.details[name] = detail

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for reading."""
        async with self._pool.acquire(timeout=5) as connection:
            yield connection


def broker_of(settings: KafkaSettings) -> Broker:
    """The broker that the settings name."""
    password = settings.kafka_sasl_password
    return Broker(
        settings.kafka_bootstrap,
        settings.kafka_security_protocol,
        settings.kafka_sasl_mechanism,
        settings.kafka_sasl_username,
        password.get_secret_value() if password is not None else None,
    )


def migration_sets(service: Service) -> list[tuple[str, Path]]:
    """The chassis's own migrations, then the service's."""
    return [("chassis", OWN_MIGRATIONS), (service.name, service.migrations)]
