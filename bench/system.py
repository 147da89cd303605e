"""What the rounds need to know of a system under load: its processes, when a case was recorded, whether it is quiet."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from uuid import UUID

import asyncpg

from bench import machine
from bench.cases import Callers
from bench.driver import Sent
from bench.servers import Servers

_STOP_SECONDS = 25


class WrongResult(AssertionError):
    """The system lost, doubled or invented something while it was measured: its speed means nothing."""


class System(ABC):
    """The real system or the floor: processes that take the same requests on one HTTP port."""

    name: str
    databases: dict[str, str]
    """Database by step."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.directory = servers.directory / self.name
        self.directory.mkdir(exist_ok=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.connections: dict[str, asyncpg.Connection] = {}
        self.children: Path = self.directory / "children.bin"
        self.callers: Path = self.directory / "callers.json"
        self.next_child = 0
        self.port = 0

    @abstractmethod
    async def prepare(self, children: int) -> None:
        """Databases, topics and everybody that the cases are about, once."""

    @abstractmethod
    async def start(self, *, only: tuple[str, ...] = ()) -> None:
        """Start the processes, or some of them, and wait until they take work."""

    @abstractmethod
    async def is_done(self, last: list[Sent]) -> bool:
        """Cheap: are these cases at their end and nothing left to tell?"""

    @abstractmethod
    async def recorded(self, sent: list[Sent]) -> dict[UUID, float]:
        """By screening: when the notification was committed, in seconds since the epoch."""

    @abstractmethod
    async def check(self, sent: list[Sent], *, whole_chain: bool = True) -> None:
        """Raises WrongResult unless each case has exactly what it must have, and nothing waits anywhere."""

    async def open(self) -> None:
        """Connections for looking on from outside."""
        for step, database in self.databases.items():
            self.connections[step] = await self.servers.connect(database)
            # Looking on must cost next to nothing, however large the tables and however old their statistics are.
            await self.connections[step].execute("SET enable_seqscan = off")

    async def stop(self) -> None:
        """Stop the processes in their own order and forget them."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                await asyncio.to_thread(process.wait, _STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    async def close(self) -> None:
        await self.stop()
        for connection in self.connections.values():
            await connection.close()
        self.connections.clear()

    def raise_if_dead(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-20:])
                raise RuntimeError(f"{self.name}: {name} ended with {process.returncode}\n{tail}")

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def take_children(self, count: int) -> int:
        """Position of the first of `count` children that no earlier run has used."""
        first, self.next_child = self.next_child, self.next_child + count
        return first

    def write_children(self, ids: list[UUID]) -> None:
        self.children.write_bytes(b"".join(child.bytes for child in ids))

    def write_callers(self, callers: Callers) -> None:
        callers.write(self.callers)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by process, servers included."""
        used = {name: machine.cpu_seconds(process.pid) for name, process in self.processes.items()}
        used["postgresql"] = machine.cpu_seconds(self.servers.pids["postgres"], family=True)
        return used | {"kafka": machine.cpu_seconds(self.servers.pids["kafka"])}

    def memory(self) -> dict[str, float]:
        """Resident MiB by process, servers included."""
        used = {name: machine.memory_mib(process.pid) for name, process in self.processes.items()}
        used["postgresql"] = machine.memory_mib(self.servers.pids["postgres"], family=True)
        return used | {"kafka": machine.memory_mib(self.servers.pids["kafka"])}

    async def wait_until_done(self, sent: list[Sent], *, seconds: float) -> None:
        """Until the latest cases are at their end and nothing is left to tell. Raises WrongResult after `seconds`."""
        deadline = time.monotonic() + seconds
        last = sorted(sent, key=lambda s: s.answered)[-200:]
        while not await self.is_done(last):
            self.raise_if_dead()
            if time.monotonic() > deadline:
                raise WrongResult(f"{self.name}: not all cases had come to their end after {seconds:.0f} s")
            await asyncio.sleep(0.05)
