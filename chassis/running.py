"""A service while it runs: started and stopped in order, ended when a part of it has died (P5, P10)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from attune_contracts.catalogue import topic
from chassis import database, migrations, waiting
from chassis.access import Access
from chassis.admission import Admission
from chassis.arrivals import Input, due_input
from chassis.clock import Clock
from chassis.health import Health
from chassis.http import Reads, build_app, serve
from chassis.operator import operator_routes, time_routes
from chassis.parked import Record, headers_of
from chassis.processor import Processor
from chassis.reading import read_record
from chassis.recovery import Recovery
from chassis.relay import Relay
from chassis.replay import Replaying
from chassis.retention import Retention
from chassis.service import Context, Service, broker_of, migration_sets
from chassis.service_time import ServiceTime
from chassis.settings import ServiceSettings
from chassis.stream import Subscription
from chassis.tables import Table
from chassis.topics import Probe, group_of
from chassis.upkeep import upkeep_routes

log = structlog.get_logger(__name__)

START_SECONDS = 60.0
STOP_SECONDS = 16.0
POOL = 5


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
        deadline = time.monotonic() + START_SECONDS
        self.pool = await wait_for("database", deadline, self._connected)
        await wait_for("migrations", deadline, self._migrations_applied)
        await wait_for("topics", deadline, self._topics_exist)
        await self.time.recall(self.pool)
        self.processor = Processor(
            self.pool, now=self.time.now, service=service.name, clocks=service.clocks, calendar=settings.calendar
        )
        self.relay = Relay(self._dsn(), self.broker, service=service.name, topic=topic(service.name))
        self.admission = Admission(self.processor)
        self.clocks = {i.table: Clock(i, self.processor, self.pool) for i in service.clocks}
        self.processor.on_events = self.relay.wake
        self.processor.on_due = self._hint
        context = self.context = Context(service, settings, self.processor, self.pool)
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
        self._start_clocks()
        self._spawn(self.processor.parking.run(self.processor, self.pool, self._read_parked), "parked")
        if service.topics:
            self._subscription = await wait_for("broker", deadline, self._subscribe)
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
        await waiting.let_go(self.pool.close(), 1)
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

    def _start_clocks(self) -> None:
        for clock in self.clocks.values():
            self._clock_tasks.append(self._spawn(clock.run(), clock.intake.name))
        self.time.on_move = self._look_at_clocks
        if self.time.movable:
            self._spawn(self.time.follow(self.pool), "time")

    def _hint(self, table: Table, keys: Sequence[Any]) -> None:
        clock = self.clocks.get(table)
        if clock is not None:
            clock.hint(keys)

    def _look_at_clocks(self) -> None:
        for clock in self.clocks.values():
            clock.look()

    def _dsn(self) -> str:
        return self.settings.database_url.get_secret_value()

    async def _connected(self) -> database.Pool:
        return await database.connect_pool(self._dsn(), size=POOL, name=self.service.name)

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
            await waiting.let_go(subscription.faststream.stop(), 3)
            raise
        return subscription

    def _open_http(self) -> None:
        service, settings = self.service, self.settings
        access = Access.from_settings(settings)
        reads = Reads(self.pool, access, service.roles, now=self.time.now, calendar=settings.calendar)
        routers = [service.api(reads), operator_routes(reads, self.processor, service), upkeep_routes(reads, self)]
        if self.time.movable:
            routers.append(time_routes(reads, self.time, self.pool, list(self.clocks.values())))
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


async def wait_for(what: str, deadline: float, attempt: Callable[[], Awaitable[Any]]) -> Any:
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
