"""The services as processes in the campaign's hand: started again whenever they end, killed, frozen, doubled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from attune.stack import ports, services
from attune.stack.program import Program
from attune.stack.stack import Stack

LOOK_SECONDS = 0.1
AGAIN_SECONDS = 0.3
"""Pause before an ended process is started again."""
READY_SECONDS = 90.0


@dataclass(slots=True)
class Member:
    """One process of a service, or its successors."""

    service: str
    program: Program
    port: int
    points: Path
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = True
    again_at: float = 0.0
    was_ready: bool = False
    """The present process has been ready: it takes signals."""
    not_before: float = 0.0
    starts: int = 0

    @property
    def url(self) -> str:
        return f"http://{ports.HOST}:{self.port}"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    @property
    def stopped(self) -> bool:
        """Halted by a signal, waiting to be continued."""
        if self.process is None or not self.alive:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)
        return False


@dataclass(slots=True)
class Crew:
    """All members; the first of each service has the port that callers know."""

    stack: Stack
    settings: Callable[[str], Mapping[str, str]]
    """Variables for a process of this service: where its proxies are."""
    first: dict[str, Member] = field(default_factory=dict)
    further: list[Member] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    """How processes ended, as `service status`."""

    def _member(self, service: str, port: int, name: str) -> Member:
        points = self.stack.layout.directory / f"points-{name}"
        extra = dict(self.settings(service)) | {
            "ATTUNE_HTTP_PORT": str(port),
            "ATTUNE_FAILPOINTS_FILE": str(points),
        }
        settings = dict(self.stack.program(service, extra).environment)
        program = services.program(service, self.stack.layout.log(name), port, settings)
        return Member(service, program, port, points)

    @property
    def members(self) -> list[Member]:
        return [*self.first.values(), *self.further]

    async def start(self) -> None:
        """One process of each service, ready."""
        for service in services.SERVICES:
            self.first[service] = self._member(service, self.stack.port(service), service)
            self._start(self.first[service])
        await asyncio.gather(*(self.ready(m) for m in self.first.values()))

    async def add(self, service: str) -> Member:
        """A further process of a service beside the first; not awaited."""
        port = ports.choose({}, ("further",))["further"]
        made = self._member(service, port, f"{service}-{len(self.further) + 2}")
        self.further.append(made)
        self._start(made)
        return made

    async def remove(self, member: Member) -> None:
        """Asks it to stop, and waits until it has."""
        member.wanted = False
        await asyncio.to_thread(self._end, member)
        if member in self.further:
            self.further.remove(member)

    async def replace(self, member: Member) -> None:
        """A clean stop and a new start, as a deployment does it."""
        member.wanted = False
        await asyncio.to_thread(self._end, member)
        member.wanted = True
        self._start(member)

    async def ready(self, member: Member, within: float = READY_SECONDS) -> None:
        """Waits until it takes work. Raises TimeoutError."""
        deadline = time.monotonic() + within
        while not await asyncio.to_thread(services.is_ready, member.port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{member.service} is not ready after {within:.0f} s{member.program.last_words(3)}")
            await asyncio.sleep(LOOK_SECONDS)
        member.was_ready = member.alive

    async def keep(self) -> None:
        """For as long as the campaign runs: whatever has ended and is wanted is started again."""
        while True:
            for member in self.members:
                self._look_after(member)
            await asyncio.sleep(LOOK_SECONDS)

    def _look_after(self, member: Member) -> None:
        if member.process is None or not member.wanted:
            return
        status = member.process.poll()
        if status is None:
            return
        if not member.again_at:
            self.ends[f"{member.service} {status}"] += 1
            member.again_at = max(member.not_before, time.monotonic() + AGAIN_SECONDS)
        elif time.monotonic() >= member.again_at:
            self._start(member)

    def _start(self, member: Member) -> None:
        member.process = member.program.start()
        member.again_at, member.was_ready = 0.0, False
        member.starts += 1

    def _end(self, member: Member) -> None:
        if member.process is not None:
            member.signal(signal.SIGCONT)
            member.program.stop(member.process)

    def hold_down(self, member: Member, seconds: float) -> None:
        """It will not be started again before."""
        member.not_before = time.monotonic() + seconds

    # -- points

    async def arm(self, service: str, points: str) -> None:
        """What is to happen at which point of the first process, from now on and after each new start."""
        member = self.first[service]
        member.points.write_text(points)
        if not member.was_ready and points:
            with contextlib.suppress(TimeoutError):
                await self.ready(member, 30)
        if member.was_ready:
            member.signal(signal.SIGUSR2)

    def struck(self, service: str) -> list[str]:
        """The points at which processes of this service were struck so far."""
        noted = self.first[service].points.with_suffix(".struck")
        return [line.split()[0] for line in noted.read_text().splitlines()] if noted.exists() else []

    # -- end

    def stop(self) -> None:
        """All of them, also the frozen."""
        for member in self.members:
            member.wanted = False
            member.signal(signal.SIGCONT)
            member.signal(signal.SIGTERM)
        for member in self.members:
            self._end(member)
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(member.process.pid, signal.SIGKILL)
