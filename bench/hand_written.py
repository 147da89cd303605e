"""The floor as a system under load."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from importlib.resources import files
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from attune.stack.layout import ROOT
from bench import machine
from bench.cases import Callers, uuid7
from bench.driver import Sent
from bench.floor.rules import STEPS, notification_input
from bench.servers import free_port
from bench.system import System, WrongResult

TOPICS = "bench.floor"
STAFF = 20


class HandWritten(System):
    """Three processes, three databases, one partition a topic; children come into being with their first case."""

    name = "floor"
    databases = {step: f"floor_{step}" for step in STEPS}  # noqa: RUF012 - never changed

    async def prepare(self, children: int) -> None:
        root = await self.servers.connect()
        for database in self.databases.values():
            await root.execute(f"CREATE DATABASE {database}")
        await root.close()
        await self.open()
        for connection in self.connections.values():
            await connection.execute(files("bench.floor").joinpath("schema.sql").read_text())
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(f"{TOPICS}.{step}", 1, 1) for step in STEPS])
        await admin.close()
        chance = random.Random(1)
        self.write_children([uuid7(chance) for _ in range(children)])
        self.write_callers(Callers(tuple(uuid7(chance) for _ in range(STAFF)), ("a" * 400,) * STAFF))

    async def start(self, *, only: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TZ": "UTC"}
        for step, database in self.databases.items():
            if only and step not in only:
                continue
            arguments = [step, self.servers.dsn(database), self.servers.bootstrap, TOPICS, str(self.port)]
            argv = [sys.executable, "-m", "bench.floor", *arguments]
            self.processes[step] = machine.start(argv, environment, self.log(step), stdout=subprocess.PIPE)
        for process in self.processes.values():
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
        self.raise_if_dead()

    async def is_done(self, last: list[Sent]) -> bool:
        if "notification" in self.processes:
            ids = [notification_input(s.command_key) for s in last]
            done = await self.connections["notification"].fetchval("SELECT count(*) FROM inbox WHERE id = ANY($1)", ids)
            if done < len(ids):
                return False
        return not any([await self._waits(step) for step in self.processes])

    async def _waits(self, step: str) -> bool:
        return bool(await self.connections[step].fetchval("SELECT EXISTS (SELECT FROM outbox)"))

    async def recorded(self, sent: list[Sent]) -> dict[UUID, float]:
        by_input = {notification_input(s.command_key): s.screening_id for s in sent}
        rows = await self.connections["notification"].fetch(
            "SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM inbox WHERE id = ANY($1)",
            list(by_input),
        )
        return {by_input[id_]: at for id_, at in rows}

    async def check(self, sent: list[Sent], *, whole_chain: bool = True) -> None:
        wanted = {s.screening_id for s in sent}
        names = {"screening": "screening_id", "referral": "screening_id", "notification": "consultation_id"}
        for step in self.databases if whole_chain else ("screening",):
            connection = self.connections[step]
            rows = await connection.fetch(
                f"SELECT (h->>'{names[step]}')::uuid FROM children, jsonb_array_elements(held) AS h"  # noqa: S608
            )
            found = [row[0] for row in rows]
            if len(found) != len(set(found)) or len(found) != await connection.fetchval("SELECT count(*) FROM inbox"):
                raise WrongResult(f"floor: {step} did something twice or not at all")
            if step != "notification" and not wanted <= set(found):
                raise WrongResult(f"floor: {step} lost {len(wanted - set(found))} cases")
            if await self._waits(step):
                raise WrongResult(f"floor: the outbox of {step} is not empty")
        if whole_chain:
            referral = self.connections["referral"]
            assigned = await referral.fetchval("SELECT count(*) FROM assignments")
            if assigned != await referral.fetchval("SELECT sum(u) FROM pools, unnest(used) AS u"):
                raise WrongResult("floor: assignments and used points differ")
