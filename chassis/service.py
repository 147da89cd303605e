"""A service as a process: started and stopped in order, ended when a part of it has died (P5, P10)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
import uvloop
from fastapi import APIRouter
from uuid_utils.compat import uuid7

from attune_contracts.catalogue import PARTITIONS, topic
from attune_contracts.event import Event
from chassis import database, describe, failpoints, migrations, telemetry
from chassis.access import Access
from chassis.admission import Admission
from chassis.broker import Broker
from chassis.clock import Clock
from chassis.commands import Command
from chassis.database import Connection, Pool
from chassis.health import Health
from chassis.http import Reads, build_app, serve
from chassis.inputs import CommandIntake, DueIntake, EventIntake, Intake
from chassis.operator import operator_routes, time_routes
from chassis.parked import Record, headers_of
from chassis.processor import Answer, Input, Outcome, Processor, Stored, due_input
from chassis.reading import read_record
from chassis.recovery import Recall, Recovery
from chassis.relay import Relay
from chassis.replay import Replaying
from chassis.retention import Retention
from chassis.service_time import ServiceTime
from chassis.settings import KafkaSettings, MigrationSettings, ServiceSettings, SettingsInvalid, SettingsT, load
from chassis.stream import Subscription
from chassis.tables import Table
from chassis.topics import Probe, group_of
from chassis.upkeep import upkeep_routes

log = structlog.get_logger(__name__)

START_SECONDS = 60.0
STOP_SECONDS = 16.0
POOL = 5
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

    def __init__(
        self, service: Service, settings: ServiceSettings, processor: Processor, admission: Admission, pool: Pool
    ) -> None:
        self.settings = settings
        self.at_stop: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.details: dict[str, Callable[[], Any]] = {}
        self._pool = pool
        self._service, self._processor, self._admission = service, processor, admission
        self._internal = {i.model: i for i in service.inputs if isinstance(i, CommandIntake) and i.internal}

    def now(self) -> datetime:
        """The present instant as the service's rules see it."""
        return self._processor.now()

    async def submit(self, command: Command) -> Answer:
        """Submits one of the service's own commands. Raises Refused or Unavailable."""
        return await self._admission.submit(self._internal[type(command)], command)

    async def submit_all(self, commands: Sequence[Command], *, known: Sequence[Stored] = ()) -> list[Outcome]:
        """Submits many of the service's own commands as one batch; what `submit` would raise is in the list.

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


class Running:
    """One service while it runs."""

    def __init__(self, service: Service, settings: ServiceSettings) -> None:
        self.service, self.settings = service, settings
        self.broker = broker_of(settings)
        self.health = Health()
        self.time = ServiceTime(movable=settings.time_can_be_set)
        self.ended = asyncio.Event()
        self.failed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._clock_tasks: list[asyncio.Task[None]] = []
        self._subscription: Subscription | None = None
        self._wanted = service.events

    async def start(self) -> None:
        """Waits for what is needed, says what for, and opens the doors last. Raises when the deadline is over."""
        service, settings = self.service, self.settings
        dsn = settings.database_url.get_secret_value()
        deadline = time.monotonic() + START_SECONDS
        self.pool = await _wait_for(
            "database", deadline, lambda: database.connect_pool(dsn, size=POOL, name=service.name)
        )
        await _wait_for("migrations", deadline, self._migrations_applied)
        await _wait_for("topics", deadline, self._topics_exist)
        await self.time.recall(self.pool)
        self.processor = Processor(
            self.pool, now=self.time.now, service=service.name, clocks=service.clocks, calendar=settings.calendar
        )
        self.relay = Relay(dsn, self.broker, service=service.name, topic=topic(service.name))
        self.admission = Admission(self.processor)
        self.clocks = {i.table: Clock(i, self.processor, self.pool) for i in service.clocks}
        self.processor.on_events = self.relay.wake
        self.processor.on_due = self._hint
        context = self.context = Context(service, settings, self.processor, self.admission, self.pool)
        retention = Retention(self.pool, settings, now=self.processor.now, is_mine=lambda: self.relay.holds_lock)
        await retention.make_months()
        await Recovery(self).run()
        for work in service.background:
            self._spawn(work(context), work)
        self._spawn(self.relay.run(), "relay")
        self._spawn(self.relay.refilling.watch(self.pool), "refill")
        self._spawn(retention.run(), "retention")
        probe = Probe(self.broker, [topic(service.name), *service.topics])
        self._spawn(probe.run(), "probe")
        for _ in range(2):
            self._spawn(self.admission.run(), "writer")
        for clock in self.clocks.values():
            self._clock_tasks.append(self._spawn(clock.run(), clock.intake.name))
        self.time.on_move = self._look_at_clocks
        if self.time.movable:
            self._spawn(self.time.follow(self.pool), "time")
        self._spawn(self.processor.parking.run(self.processor, self.pool, self._read_parked), "parked")
        if service.topics:
            self._subscription = await _wait_for("broker", deadline, self._subscribe)
            self._spawn(self._subscription.run(), "subscription")
            self._spawn(Replaying(self.pool, self._subscription).run(), "replay")
        self._open_http()
        self.health.watch(self.processor, self.relay, self._subscription, probe, self.pool, details=context.details)
        self._spawn(self.health.run(), "health")
        self.admission.open()
        log.info("service_started", service=service.name, port=settings.http_port)

    async def stop(self) -> None:
        """Doors first, then the stream, then what is left in hand; every step within its time."""
        self.health.stopping = True
        steps: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = [
            ("http", self._close_http),
            ("commands", self.admission.close),
        ]
        if self._subscription is not None:
            steps.append(("stream", self._subscription.stop))
        steps.append(("clocks", self._stop_clocks))
        steps += [("background", callback) for callback in self.context.at_stop]
        steps.append(("relay", self._drain_outbox))
        deadline = time.monotonic() + STOP_SECONDS
        for at, (name, step) in enumerate(steps, 1):
            # What is left, less a second for each step to come.
            seconds = max(1.0, deadline - time.monotonic() - (len(steps) - at))
            try:
                await asyncio.wait_for(step(), seconds)
            except Exception as error:
                log.warning("stop_step_cut", task=name, error=type(error).__name__)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=2)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.pool.close(), 1)
        log.info("service_stopped", service=self.service.name)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _spawn(self, work: Awaitable[None], name: object) -> asyncio.Task[None]:
        """A part of the service: when it ends, the process ends, rather than work on in part (P10)."""

        async def guarded() -> None:
            try:
                await work
                if self.health.stopping:
                    return
                log.error("part_ended", task=str(name))
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self.health.stopping or (task is not None and task.cancelling()):
                    return
                log.exception("part_died", task=str(name))  # something within was cancelled, not the part
            except Exception:
                log.exception("part_died", task=str(name))
            self.failed = True
            self.ended.set()

        task = asyncio.create_task(guarded(), name=str(name))
        self._tasks.append(task)
        return task

    def _hint(self, table: Table, keys: Sequence[Any]) -> None:
        clock = self.clocks.get(table)
        if clock is not None:
            clock.hint(keys)

    def _look_at_clocks(self) -> None:
        for clock in self.clocks.values():
            clock.look()

    async def _migrations_applied(self) -> bool:
        async with self.pool.acquire(timeout=5) as connection:
            sets = migration_sets(self.service)
            await migrations.check(connection, sets)
        return True

    async def _topics_exist(self) -> bool:
        missing = await self.broker.missing_topics([topic(self.service.name), *self.service.topics])
        if missing:
            raise MissingTopics(", ".join(missing))
        return True

    async def _subscribe(self) -> Subscription:
        subscription = Subscription(
            self.broker,
            group=group_of(self.service.name),
            topics=self.service.topics,
            handle=self._handle_records,
            client_id=f"attune-{self.service.name}",
        )
        try:
            await Replaying(self.pool, subscription).look()
            await asyncio.wait_for(subscription.start(), 15)
        except BaseException:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(subscription.faststream.stop(), 3)
            raise
        return subscription

    def _open_http(self) -> None:
        service, settings = self.service, self.settings
        access = Access.from_settings(settings)
        reads = Reads(self.pool, access, service.roles, now=self.time.now, calendar=settings.calendar)
        routers = [service.api(reads), operator_routes(reads, self.processor, service), upkeep_routes(reads, self)]
        if self.time.movable:
            routers.append(time_routes(reads, self.time, self.pool))
        app = build_app(
            service.name,
            commands=service.commands,
            roles=service.roles,
            access=access,
            submit=self.admission.submit,
            reads=reads,
            routers=routers,
            health=self.health,
        )
        self._server = serve(app, settings.http_host, settings.http_port)
        self._spawn(self._server.serve(), "http")

    async def _close_http(self) -> None:
        self._server.should_exit = True
        while not self._server.closed:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)

    async def _stop_clocks(self) -> None:
        for task in self._clock_tasks:
            task.cancel()
        await asyncio.gather(*self._clock_tasks)

    async def _drain_outbox(self) -> None:
        """A courtesy: what stays in the outbox is told by the next start."""
        while self.relay.holds_lock and self.relay.failing_since is None:
            async with self.pool.acquire(timeout=1) as connection:
                if not await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                    return
            await asyncio.sleep(0.02)

    # --- reading --------------------------------------------------------------------------------------------------

    async def _handle_records(self, records: Sequence[Record], give_up: Callable[[], bool]) -> None:
        wanted = self._wanted
        inputs = [i for r in records if (i := read_record(r, wanted)) is not None]
        if inputs:
            await self.processor.process(inputs, give_up=give_up)

    def _read_parked(self, row: Mapping[str, Any]) -> Input | None:
        if row["intake"].startswith("due:"):
            clock = next((c for c in self.clocks.values() if c.intake.name == row["intake"]), None)
            if clock is None:
                return None
            i = due_input(clock.intake, UUID(row["key"].rpartition(":")[2]))
        else:
            record = Record(
                row["topic"],
                row["partition"],
                row["offset"],
                row["record_key"],
                row["record_value"],
                headers_of(row),
                0,
            )
            read_again = read_record(record, self._wanted)
            if read_again is None:
                return None
            i = read_again
        i.parked_id, i.key = row["id"], row["key"]
        return i


class MissingTopics(RuntimeError):
    """The broker does not have a topic that this service needs."""


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


async def _wait_for(what: str, deadline: float, attempt: Callable[[], Awaitable[Any]]) -> Any:
    """Tries until it works or the deadline is over, and says what is waited for."""
    delay, said = 0.05, False
    while True:
        try:
            return await attempt()
        except migrations.MigrationError:
            raise
        except Exception as error:
            if time.monotonic() + delay > deadline:
                log.error("start_gave_up", waiting_for=what, error=type(error).__name__)
                raise
            if not said:
                said = True
                log.info("start_waits", waiting_for=what, error=type(error).__name__)
        await asyncio.sleep(delay)
        delay = min(delay * 1.7, 1.5)


def _settings(service: Service, cls: type[SettingsT]) -> SettingsT:
    settings = load(cls)
    telemetry.set_up(service.name, settings.log_format, settings.log_level)
    failpoints.arm(os.environ)
    return settings


async def _serve(service: Service) -> int:
    settings = _settings(service, service.settings)
    running = Running(service, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.ended.set)
    starting, told_to_stop = asyncio.create_task(running.start()), asyncio.create_task(running.ended.wait())
    await asyncio.wait({starting, told_to_stop}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log.info("start_broken_off", service=service.name)
        return 1 if running.failed else 0
    if (error := starting.exception()) is not None:
        log.error("service_did_not_start", service=service.name, error=type(error).__name__)
        return 1
    # What exists now lives as long as the process: the collector need not look at it again, nor often at the rest.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    await running.ended.wait()
    await running.stop()
    return 1 if running.failed else 0


async def _topics(service: Service) -> int:
    settings = _settings(service, KafkaSettings)
    broker = broker_of(settings)
    name = topic(service.name)
    deadline = time.monotonic() + START_SECONDS
    made = await _wait_for(
        "broker",
        deadline,
        lambda: broker.create_topic(
            name,
            partitions=PARTITIONS,
            replication=settings.topic_replication,
            keep_days=settings.topic_keep_days,
        ),
    )
    log.info("topic_ready", topic=name, outcome=made)
    return 0


async def _migrate(service: Service) -> int:
    settings = _settings(service, MigrationSettings)
    grant_to = migrations.role_of(settings.database_url.get_secret_value())
    await migrations.migrate(
        settings.migration_database_url.get_secret_value(), migration_sets(service), grant_to=grant_to
    )
    return 0


async def _prepare(service: Service) -> int:
    return await _migrate(service) or await _topics(service)


_JOBS = {"serve": _serve, "migrate": _migrate, "topics": _topics, "prepare": _prepare}
"""`prepare` is migrate and topics in one process, for where one identity may do both."""


def main(service: Service) -> None:
    """The command line of a service: serve, migrate, topics, prepare, describe."""
    parser = argparse.ArgumentParser(prog=f"services.{service.name}")
    parser.add_argument("what", nargs="?", default="serve", choices=[*_JOBS, "describe"])
    what = parser.parse_args().what
    if what == "describe":
        sys.stdout.write(describe.as_json(service) + "\n")
        return
    try:
        sys.exit(uvloop.run(_JOBS[what](service)))
    except SettingsInvalid as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
