"""One process's worth of the screening service on a real database, without broker and HTTP, its time set at will."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from attune_contracts.event import Event
from chassis.arrivals import Answer, Input, Outcome
from chassis.clock import due_input
from chassis.commands import Command, parse
from chassis.database import Pool
from chassis.inputs import CommandIntake, DueIntake, EventIntake
from chassis.processor import Processor
from chassis.working_days import ENGLAND, Calendar, local_date
from services.screening.domain.commands import RecordBirth
from services.screening.main import INPUTS
from tests.screening import examples
from tests.support.given import NOON, some_id

EVENTS = {i.event: i for i in INPUTS if isinstance(i, EventIntake)}
COMMANDS = {i.model: i for i in INPUTS if isinstance(i, CommandIntake)}
CLOCKS = [i for i in INPUTS if isinstance(i, DueIntake)]


class Instance:
    """The service at a time of its own. Sweeps find what is due; nothing else rings a clock."""

    def __init__(self, pool: Pool, *, calendar: Calendar = ENGLAND) -> None:
        self.pool, self.at = pool, NOON
        self.processor = Processor(pool, now=lambda: self.at, service="screening", calendar=calendar)

    async def load_definitions(self) -> None:
        await self.do(examples.load_instrument())
        await self.do(examples.load_pathway())

    async def all(self, *commands: Command) -> Sequence[Outcome]:
        """Commands of one batch, and what came of each."""
        inputs = [Input(COMMANDS[type(c)], uuid7(), c, uuid7(), by=str(some_id("records"))) for c in commands]
        return await self.processor.process(inputs)

    async def do(self, command: Command) -> dict[str, Any]:
        """The answer to a command that must be taken."""
        (outcome,) = await self.all(command)
        if isinstance(outcome, Exception):
            raise outcome
        return answered(outcome)

    async def hear(self, *events: Event) -> None:
        ids = [uuid7() for _ in events]
        pairs = zip(events, ids, strict=True)
        await self.processor.process([Input(EVENTS[type(e)], i, e, i, key=str(e.subject)) for e, i in pairs])

    async def sweep(self) -> int:
        """One round of every clock; how many rows were due."""
        swept = 0
        for clock in CLOCKS:
            async with self.pool.acquire() as connection:
                due = [r[0] for r in await connection.fetch(clock.table.due_sql or "", self.at, 500)]
            if due:
                await self.processor.process([due_input(clock, key) for key in due])
            swept += len(due)
        return swept

    async def come_to(self, at: datetime) -> None:
        """Time passes, and every clock that is due by then has rung."""
        self.at = at
        for _ in range(10):
            if not await self.sweep():
                return
        raise AssertionError("the clocks do not come to rest")

    async def told(self, child_id: Any = None) -> list[tuple[str, dict[str, Any]]]:
        """Kind and content of the events so far, about one child or in all, in order."""
        query = "SELECT type, data FROM journal WHERE $1::uuid IS NULL OR key = $1 ORDER BY recorded_at, key, sequence"
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(query, None if child_id is None else UUID(str(child_id)))
        return [(r["type"].split(".")[2], json.loads(r["data"])) for r in rows]

    async def kinds(self, child_id: Any = None) -> list[str]:
        return [kind for kind, _ in await self.told(child_id)]

    async def born(self, born_on: date | None = None, **more: Any) -> dict[str, Any]:
        """A birth of today that nobody expected, or of another day."""
        body = {"team_id": str(examples.TEAM), "born_on": str(born_on or local_date(self.at))} | more
        return await self.do(parse(RecordBirth, json.dumps(body, default=str).encode()))

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async with self.pool.acquire() as connection:
            found: list[Any] = await connection.fetch(query, *arguments)
            return found


def answered(outcome: Outcome) -> dict[str, Any]:
    """What a command was answered with."""
    assert isinstance(outcome, Answer), outcome
    body: dict[str, Any] = json.loads(outcome.body)
    return body


def days(count: float) -> timedelta:
    return timedelta(days=count)
