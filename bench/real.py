"""The real system under load: the four services as processes, each with its own database, as the stack starts them."""

from __future__ import annotations

import asyncio
import datetime
import random
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from uuid import UUID

from attune.stack import postgres, services, tokens
from attune.stack.program import clean_environment
from bench import machine, stored
from bench.cases import uuid7
from bench.driver import Sent
from bench.people import People, introduce
from bench.servers import Servers, free_port
from bench.system import System, WrongResult
from chassis.decision import derived_id

_READY_SECONDS = 60
_OPEN = {
    "screening": "EXISTS (SELECT FROM outbox)",
    "workforce": "EXISTS (SELECT FROM outbox)",
    "referral": "EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM consultations WHERE unsettled)",
    "notification": "EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM messages WHERE next_due_at IS NOT NULL)",
}
MESSAGES_PER_CASE = 2
"""To the practitioner who has the case, and to whoever asked."""


class Real(System):
    """As delivered: tokens, strict contracts, journal, decision record, contact policy, file channel."""

    name = "attune"
    databases = {service: service for service in services.SERVICES}  # noqa: RUF012 - never changed

    def __init__(self, servers: Servers, *, profile: bool = False) -> None:
        super().__init__(servers)
        self.issuer = tokens.Issuer(self.directory / "keys")
        self.people = People.seeded(1)
        self.ports: dict[str, int] = {}
        self._profile = profile
        self._passwords = {
            f"{service}_{part}": secrets.token_urlsafe(18) for service in services.SERVICES for part in ("app", "owner")
        }

    async def prepare(self, children: int) -> None:
        await asyncio.to_thread(postgres.separate, self.servers.postgres, self._passwords, services.SERVICES)
        for job in services.JOBS:
            await asyncio.gather(*(self._job(service, job) for service in services.SERVICES))
        await self.open()
        for connection in self.connections.values():
            # Months for the stored cases, as a system that has run for a year would have them.
            await connection.execute("SELECT journal_partitions('2025-10-01', 16)")
        await self.start()
        urls = {service: f"http://127.0.0.1:{port}" for service, port in self.ports.items()}
        await introduce(self.people, urls, self.issuer)
        await self._settled()
        self.write_callers(self.people.callers(self.issuer))
        chance = random.Random(2)
        ids = [uuid7(chance) for _ in range(children)]
        await stored.register_children(self.connections["screening"], ids, self.people.teams)
        self.write_children(ids)
        await self.stop()

    async def _settled(self) -> None:
        """Until what workforce told has arrived where it is needed."""
        deadline = time.monotonic() + _READY_SECONDS
        certificates = "SELECT count(*) FROM certificates"
        ready = "SELECT count(*) FROM pools, jsonb_array_elements(members) AS m WHERE m->'competences' <> '[]'"
        specialists = sum(map(len, self.people.specialists))
        while (
            await self.connections["screening"].fetchval(certificates) < len(self.people.screeners)
            or await self.connections["referral"].fetchval(ready) < specialists
        ):
            self.raise_if_dead()
            if time.monotonic() > deadline:
                raise WrongResult("attune: what workforce told did not arrive")
            await asyncio.sleep(0.1)

    def _environment(self, service: str) -> dict[str, str]:
        def dsn(part: str) -> dict[str, str]:
            role = f"{service}_{part}"
            return {service: self.servers.postgres.dsn(service, role, self._passwords[role])}

        around = services.Surroundings(
            runtime_dsn=dsn("app"), owner_dsn=dsn("owner"), kafka_bootstrap=self.servers.bootstrap,
            key_set=self.issuer.key_set, smtp_port=25, file_channel=self.directory / "letters.jsonl",
        )  # fmt: skip
        extra = {"ATTUNE_LOG_FORMAT": "json", "ATTUNE_LOG_LEVEL": "warning"}
        return clean_environment() | services.environment(service, self.ports.get(service, 1), around, extra)

    async def _job(self, service: str, job: str) -> None:
        argv = [sys.executable, "-m", f"services.{service}", job]
        process = machine.start(argv, self._environment(service), self.log(f"{service}-{job}"))
        if status := await asyncio.to_thread(process.wait):
            raise RuntimeError(
                f"{service} {job} ended with {status}: {self.log(f'{service}-{job}').read_text()[-2000:]}"
            )

    async def start(self, *, only: tuple[str, ...] = ()) -> None:
        for service in only or services.SERVICES:
            self.ports[service] = free_port()
            argv = [sys.executable, "-m", f"services.{service}", "serve"]
            if self._profile:
                argv = [sys.executable, "-m", "bench.sampled", service, str(self.profile_of(service, alone=bool(only)))]
            self.processes[service] = machine.start(argv, self._environment(service), self.log(service))
        self.port = self.ports.get("screening", 0)
        deadline = time.monotonic() + _READY_SECONDS
        for service in self.processes:
            while not await asyncio.to_thread(services.is_ready, self.ports[service]):
                self.raise_if_dead()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{service} was not ready in {_READY_SECONDS} s")
                await asyncio.sleep(0.05)

    def profile_of(self, service: str, *, alone: bool = False) -> Path:
        """Where a profiled service leaves its samples: those of the last run of the whole chain, or of it alone."""
        return self.directory / f"{service}{'-alone' if alone else ''}.profile"

    async def is_done(self, last: list[Sent]) -> bool:
        if "notification" in self.processes:
            about = [consultation_of(s.screening_id) for s in last]
            settled = await self.connections["notification"].fetchval(
                "SELECT count(*) FROM messages WHERE about_id = ANY($1) AND settled_at IS NOT NULL", about
            )
            if settled < MESSAGES_PER_CASE * len(about):
                return False
        return not any([await self._waits(service) for service in self.processes])

    async def _waits(self, service: str) -> bool:
        return bool(await self.connections[service].fetchval(f"SELECT {_OPEN[service]}"))

    async def recorded(self, sent: list[Sent]) -> dict[UUID, float]:
        by_case = {consultation_of(s.screening_id): s.screening_id for s in sent}
        since = datetime.datetime.fromtimestamp(min(s.due for s in sent) - 60, datetime.UTC)
        told = await self.connections["referral"].fetch(
            "SELECT event_id, (convert_from(data, 'UTF8')::jsonb->>'consultation_id')::uuid FROM journal "
            "WHERE type = 'attune.referral.case-assigned.v1' AND recorded_at >= $1",
            since,
        )
        by_event = {event: by_case[case] for event, case in told if case in by_case}
        # The message rows change when they are sent; the inbox row stays as the same transaction wrote it.
        rows = await self.connections["notification"].fetch(
            "SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM inbox WHERE id = ANY($1)",
            list(by_event),
        )
        return {by_event[id_]: at for id_, at in rows}

    async def check(self, sent: list[Sent], *, whole_chain: bool = True) -> None:
        ids = [s.screening_id for s in sent]
        kept = await self.connections["screening"].fetchval(
            "SELECT count(*) FROM screenings WHERE screening_id = ANY($1) AND outcome = 'concern'", ids
        )
        self._same("screenings", kept, len(ids))
        for service in self.processes:
            parked = await self.connections[service].fetchval("SELECT count(*) FROM parked")
            self._same(f"parked inputs of {service}", parked, 0)
            self._same(f"work left in {service}", await self._waits(service), False)
        if whole_chain:
            await self._check_cases(ids)

    async def _check_cases(self, ids: list[UUID]) -> None:
        referral = self.connections["referral"]
        rows = await referral.fetch(
            "SELECT screening_id, assigned_to FROM consultations WHERE screening_id = ANY($1) AND status = 'accepted'",
            ids,
        )
        self._same("consultations", len(rows), len(ids))
        self._same("screenings with a consultation", len({row[0] for row in rows}), len(ids))
        self._same("cases without a practitioner", sum(row[1] is None for row in rows), 0)
        points, used = await referral.fetchrow(
            "SELECT (SELECT sum(points) FROM consultations WHERE status = 'accepted' AND assigned_to IS NOT NULL), "
            "(SELECT sum((m->>'used_points')::bigint) FROM pools, jsonb_array_elements(members) AS m)"
        )
        self._same("points of the caseload", points, used)
        messages = await self.connections["notification"].fetch(
            "SELECT about_id, kind, status FROM messages WHERE about_id = ANY($1)", [consultation_of(i) for i in ids]
        )
        self._same("messages", len(messages), MESSAGES_PER_CASE * len(ids))
        self._same("messages told apart", len(Counter((m[0], m[1]) for m in messages)), len(messages))
        self._same("states of messages", {m[2] for m in messages}, {"sent"})

    def _same(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            raise WrongResult(f"attune: {what}: {found} instead of {wanted}")


def consultation_of(screening_id: UUID) -> UUID:
    """The consultation that follows from a concern."""
    return derived_id(screening_id, "consultation")
