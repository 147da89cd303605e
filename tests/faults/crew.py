"""The services of a stack as processes in the test's hand: started, armed with a point to die at, started again."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from attune.stack.program import Program
from attune.stack.services import SERVICES
from attune.stack.stack import Stack

DIES_WITHIN = 60.0
"""Seconds in which the work that is always there leads a process to its point."""


class Crew:
    """One process for each service, or none where it has just died."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._running: dict[str, tuple[Program, subprocess.Popen[bytes]]] = {}

    def start(self, service: str, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A process, not awaited: it may be meant to die before it is ready."""
        program = self.stack.program(service, extra or {})
        process = program.start()
        self._running[service] = program, process
        return process

    async def at_work(self, service: str) -> None:
        """Start it and wait until it takes work."""
        self.start(service)
        await asyncio.to_thread(self._running[service][0].await_ready, self._running[service][1])

    async def all_at_work(self) -> None:
        await asyncio.gather(*map(self.at_work, SERVICES))

    async def dies_at(self, point: str, service: str) -> int:
        """Replace the process by one that dies at this point; its exit status."""
        await asyncio.to_thread(self._stop_one, service)
        process = self.start(service, {"ATTUNE_FAILPOINTS": point})
        return await asyncio.to_thread(process.wait, DIES_WITHIN)

    def pids(self) -> dict[str, int]:
        """Which process is a service now."""
        return {service: process.pid for service, (_, process) in self._running.items()}

    def _stop_one(self, service: str) -> None:
        program, process = self._running.pop(service)
        program.stop(process)

    def stop(self) -> None:
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._stop_one, list(self._running)))
