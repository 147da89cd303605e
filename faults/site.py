"""Everything a strike may lay hands on: the stack, its services, and the proxies between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import psutil

from attune.stack import kafka
from attune.stack.stack import Stack
from chassis.broker import Broker
from faults.asking import Asking
from faults.commits import CommitWatch, Scissors
from faults.crew import Crew
from faults.mail import MailWatch, Postbox
from faults.people import People
from faults.plan import SERVICES
from faults.proxy import HOST, Proxy

LOOK_SECONDS = 0.1


class NotPossible(Exception):
    """This fault cannot be made here; the message says why."""


@dataclass(slots=True)
class Proxies:
    """One to Kafka, one to PostgreSQL for each service, one to the mail server."""

    kafka: Proxy
    postgres: dict[str, Proxy]
    smtp: Proxy
    scissors: dict[str, Scissors]
    postbox: Postbox

    @classmethod
    async def open(cls) -> Proxies:
        scissors = {s: Scissors() for s in SERVICES}
        postbox = Postbox()
        await postbox.open()
        made = cls(
            Proxy("kafka"),
            {s: Proxy(f"postgres:{s}", lambda cut=scissors[s]: CommitWatch(cut)) for s in SERVICES},  # type: ignore[misc]
            Proxy("smtp", lambda: MailWatch(postbox)),
            scissors,
            postbox,
        )
        for proxy in made.all:
            await proxy.open()
        return made

    @property
    def all(self) -> list[Proxy]:
        return [self.kafka, *self.postgres.values(), self.smtp]

    def of(self, target: str) -> Proxy:
        """By the name that a plan gives it."""
        return next(p for p in self.all if p.name == target)

    def lead_to(self, stack: Stack) -> None:
        self.kafka.upstream = stack.port("kafka_through")
        self.smtp.upstream = stack.port("smtp")
        for proxy in self.postgres.values():
            proxy.upstream = stack.port("postgres")

    def heal(self) -> None:
        for proxy in self.all:
            proxy.heal()
        for cut in self.scissors.values():
            cut.before = cut.after = 0
        self.postbox.mood = "well"

    async def close(self) -> None:
        for proxy in self.all:
            await proxy.close()
        await self.postbox.close()

    def settings(self, stack: Stack, service: str) -> dict[str, str]:
        """Variables that lead a service through its proxies."""
        dsn = urlsplit(stack.dsn(service))
        through = dsn._replace(netloc=dsn.netloc.replace(f":{dsn.port}", f":{self.postgres[service].port}")).geturl()
        told = {"ATTUNE_DATABASE_URL": through, "ATTUNE_KAFKA_BOOTSTRAP": f"{HOST}:{self.kafka.port}"}
        return told | ({"ATTUNE_SMTP_PORT": str(self.smtp.port)} if service == "notification" else {})


@dataclass(slots=True)
class Site:
    """One running campaign's system."""

    stack: Stack
    crew: Crew
    proxies: Proxies
    asking: Asking
    people: People
    bad_places: Callable[[], set[tuple[str, int, int]]] = set
    """Where bad messages lie: nobody copies those."""
    emptied: Callable[[], None] = lambda: None
    """Tells that all topics have lost what they held."""

    @property
    def broker(self) -> Broker:
        """Straight to Kafka, past the proxy."""
        return Broker((self.stack.bootstrap,))

    # -- servers

    def pid(self, server: str) -> int:
        """The present process of a server."""
        self.stack.refresh()
        return int(self.stack.summary["pids"][server])

    async def kill(self, server: str, number: signal.Signals = signal.SIGKILL) -> None:
        """The server is signalled and, where that ends it, started again by the stack; waits until it answers."""
        before = self.pid(server)
        with contextlib.suppress(ProcessLookupError):
            os.kill(before, number)
        await self.begun_anew(server, before)

    async def begun_anew(self, server: str, before: int) -> None:
        """Waits until another process than that one does the server's work."""
        await until(lambda: asyncio.to_thread(lambda: not psutil.pid_exists(before) or self.pid(server) != before), 60)
        await self.answers(server)

    async def answers(self, server: str, within: float = 240.0) -> None:
        """Waits until the server does its work. Raises TimeoutError."""
        await until(self._postgres_answers if server == "postgres" else self._kafka_answers, within)

    async def _postgres_answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.stack.administrator_dsn(), timeout=3)
            await connection.fetchval("SELECT 1", timeout=3)
            await connection.close(timeout=3)
        except Exception:
            return False
        return True

    async def _kafka_answers(self) -> bool:
        return await asyncio.to_thread(kafka.cluster_at, self.stack.port("kafka")) is not None

    @contextlib.asynccontextmanager
    async def administrator(self, database: str = "postgres") -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection straight to PostgreSQL."""
        connection = await asyncpg.connect(self.stack.administrator_dsn(database), timeout=10)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    @contextlib.contextmanager
    def frozen(self, server: str) -> Iterator[None]:
        """A server and its children stand still."""
        process = psutil.Process(self.pid(server))
        family = [process, *process.children(recursive=True)]
        for p in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                p.suspend()
        try:
            yield
        finally:
            for p in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    p.resume()


async def until(find: Callable[[], Awaitable[bool]], within: float, look: float = LOOK_SECONDS) -> None:
    """Returns as soon as `find` says yes. Raises TimeoutError."""
    deadline = time.monotonic() + within
    while not await find():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(look)
