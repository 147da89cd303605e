"""PostgreSQL and Kafka for a benchmark: one of each, shared by the real system and the floor, gone when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from attune.stack import ports
from attune.stack.postgres import Server
from attune.stack.stack import Stack

HEAP_MIB = 512
POSTGRES_SETTINGS = ("track_commit_timestamp=on", "max_connections=120")
"""Everything else is PostgreSQL's default, durability included. Commit times show latencies from outside."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers: addresses, process ids and a directory for whatever the benchmark writes."""

    directory: Path
    bootstrap: str
    postgres: Server
    pids: dict[str, int]

    def dsn(self, database: str) -> str:
        """As the administrator, who is trusted here."""
        return self.postgres.dsn(database)

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        return await asyncpg.connect(self.dsn(database))

    async def setting(self, name: str) -> str:
        connection = await self.connect()
        try:
            return str(await connection.fetchval("SELECT current_setting($1)", name))
        finally:
            await connection.close()


@contextmanager
def running() -> Iterator[Servers]:
    """The servers, for as long as the block lasts; the broker has both of Java's compilers, as in production."""
    with Stack.temporary(
        services=(), servers=("postgres", "kafka"), trusting=True, kafka_heap_mib=HEAP_MIB,
        quick_compiler_only=False, postgres_settings=POSTGRES_SETTINGS,
    ) as stack:  # fmt: skip
        port = int(stack.administrator_dsn().rpartition(":")[2].partition("/")[0])
        pids = {name: stack.summary["pids"][name] for name in ("postgres", "kafka")}
        yield Servers(stack.layout.directory, stack.bootstrap, Server(port, None), pids)


def free_port() -> int:
    return ports.choose({}, ("one",))["one"]
