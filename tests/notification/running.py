"""Notification at work on a real database, without broker and HTTP: several of them can share one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from attune_contracts.event import Event
from chassis.admission import Admission
from chassis.arrivals import Input
from chassis.clock import Clock
from chassis.commands import Command
from chassis.database import Pool
from chassis.inputs import CommandIntake, DueIntake, EventIntake
from chassis.processor import Processor
from services.notification import store
from services.notification.channels.channel import Channel
from services.notification.courier import Courier
from services.notification.domain.commands import RecordDelivery
from services.notification.lane import Shape
from services.notification.letters import Letters
from services.notification.main import INPUTS
from tests.notification.examples import ADMIN, after

EVENTS = {i.event: i for i in INPUTS if isinstance(i, EventIntake)}
COMMANDS = {i.model: i for i in INPUTS if isinstance(i, CommandIntake)}
CLOCKS = [i for i in INPUTS if isinstance(i, DueIntake)]
SHAPES = {"file": Shape(500, 2, 20_000), "email": Shape(1, 4, 64)}


class Instance:
    """One process's worth: processor, clock and courier."""

    def __init__(self, pool: Pool, channels: Sequence[Channel]) -> None:
        self.pool, self.later_s = pool, 0.0
        self.processor = Processor(pool, now=lambda: after(seconds=self.later_s), service="notification")
        self.admission = Admission(self.processor)
        self.clocks = {i.table: Clock(i, self.processor, pool) for i in CLOCKS}
        self.clock = self.clocks[store.messages]
        self.courier = Courier(
            [(channel, SHAPES[channel.name]) for channel in channels],
            Letters("https://console.example.org", caregiver_link="https://read.example.org/k7"),
            submit=self.record,
            addressees=self.addressees,
            now=lambda: after(seconds=self.later_s),
        )
        self.processor.on_due = lambda table, keys: self.clocks[table].hint(keys)
        self.processor.on_rows.append(lambda stored: self.courier.notify([row for _, row in stored]))
        self.admission.open()

    async def record(self, commands: Sequence[RecordDelivery]) -> Sequence[Any]:
        intake = COMMANDS[RecordDelivery]
        return await self.processor.process(
            [Input(intake, i, c, i, fingerprint=b"") for c in commands for i in [uuid7()]]
        )

    async def addressees(self, message_ids: Sequence[UUID]) -> Mapping[UUID, store.Addressee]:
        async with self.pool.acquire() as connection:
            return await store.addressees(connection, message_ids)

    async def do(self, command: Command) -> Any:
        return await self.admission.submit(COMMANDS[type(command)], command, caller=str(ADMIN))

    async def hear(self, *events: Event) -> Sequence[Any]:
        return await self.processor.process([heard(event) for event in events])

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for work in (
                self.admission.run(),
                self.admission.run(),
                self.courier.run(),
                *(c.run() for c in self.clocks.values()),
            ):
                group.create_task(work)


def heard(event: Event, id_: UUID | None = None) -> Input:
    """The input that an event from the broker becomes."""
    id_ = id_ or uuid7()
    kind = next(k for k in EVENTS if isinstance(event, k))
    return Input(
        EVENTS[kind], id_, kind.reader().model_validate_json(event.model_dump_json()), id_, key=str(event.subject)
    )


@asynccontextmanager
async def at_work(*instances: Instance) -> AsyncIterator[None]:
    """Runs until the end of the block, then stops hard, as if killed."""
    tasks = [asyncio.create_task(instance.run()) for instance in instances]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def time_goes_by(*instances: Instance) -> AsyncIterator[None]:
    """Five times as fast: what one had no room for, and gave back, is due again."""

    async def go_by() -> None:
        while True:
            await asyncio.sleep(0.1)
            for instance in instances:
                instance.later_s += 0.5

    going = asyncio.create_task(go_by())
    try:
        yield
    finally:
        going.cancel()


async def statuses(pool: Pool) -> dict[str, int]:
    records = await pool.fetch("SELECT status, count(*) FROM messages GROUP BY status")
    return {record["status"]: record["count"] for record in records}


async def until(pool: Pool, wanted: Mapping[str, int]) -> None:
    """Waits until the messages stand exactly so."""
    async with asyncio.timeout(20):
        while (found := await statuses(pool)) != wanted:  # noqa: ASYNC110 - the database cannot be awaited
            await asyncio.sleep(0.01)
    assert found == wanted
