"""The rounds: real system and floor in turns, each alone on the machine, and the medians of what they gave."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench import load
from bench.load import Figures, Load
from bench.system import System

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is driven: cases, connections, seconds, rounds."""

    rounds: int = 3
    warm: int = 10_000
    """Cases before the first measured round, on each system: the broker's compilers must have come to rest."""
    lead_in: int = 1_500
    """Cases at the beginning of each turn that are not counted."""
    closed: int = 12_000
    connections: int = 256
    open_seconds: float = 10.0
    http: int = 20_000
    idle_seconds: float = 10.0

    def children(self) -> int:
        """Enough children for every round, whatever rate half of the maximum is."""
        turn = self.lead_in + self.closed + 200 * self.open_seconds + 4_000 * self.open_seconds
        return int(self.warm + self.rounds * (turn + self.lead_in + self.http))


QUICK = Sizes(rounds=1, warm=3_000, lead_in=500, closed=6_000, open_seconds=4.0, http=6_000, idle_seconds=4.0)


@dataclass(slots=True)
class Measured:
    """Everything that was measured on one system, round by round."""

    closed: list[Figures] = field(default_factory=list)
    at_200: list[Figures] = field(default_factory=list)
    at_half: list[Figures] = field(default_factory=list)
    http: list[Figures] = field(default_factory=list)
    memory: list[dict[str, float]] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


class Rounds:
    """Takes turns between systems. `parts` says what a turn consists of: closed, latency, http, idle."""

    def __init__(self, systems: tuple[System, ...], sizes: Sizes, parts: frozenset[str], seed: int, told: Told) -> None:
        self.systems, self.sizes, self.parts, self.told = systems, sizes, parts, told
        self.measured = {system.name: Measured() for system in systems}
        self._seed = seed

    async def run(self) -> None:
        for system in self.systems:
            self.told(f"{system.name}: warming up with {self.sizes.warm:,} cases")
            await system.start()
            await self._drive(system, Load(self.sizes.warm, self.sizes.connections))
            await system.stop()
        for number in range(1, self.sizes.rounds + 1):
            for system in self.systems:
                self.told(f"round {number} of {self.sizes.rounds}: {system.name}")
                await self._turn(system, self.measured[system.name])

    async def _turn(self, system: System, measured: Measured) -> None:
        sizes = self.sizes
        if self.parts & {"closed", "latency", "idle"}:
            await system.start()
            if "idle" in self.parts:
                measured.idle.append(await self._idle(system))
            if self.parts & {"closed", "latency"}:
                await self._drive(system, Load(sizes.lead_in, sizes.connections))
                measured.closed.append(await self._drive(system, Load(sizes.closed, sizes.connections), "closed loop"))
            if "latency" in self.parts:
                await self._latency(system, measured)
            measured.memory.append(system.memory())
            await system.stop()
        if "http" in self.parts:
            await system.start(only=("screening",))
            await self._drive(system, Load(sizes.lead_in, sizes.connections, whole_chain=False))
            alone = Load(sizes.http, sizes.connections, whole_chain=False)
            measured.http.append(await self._drive(system, alone, "screening alone"))
            await system.stop()
            # What screening told alone still waits for the others, and must not fall into the next turn.
            await system.start()
            await self._drive(system, Load(sizes.lead_in, sizes.connections))
            await system.stop()

    async def _latency(self, system: System, measured: Measured) -> None:
        seconds = self.sizes.open_seconds
        measured.at_200.append(await self._drive(system, Load(int(200 * seconds), 0, 200.0), "200 cases/s"))
        half = min(measured.closed[-1].rate / 2, 4_000.0)
        measured.at_half.append(await self._drive(system, Load(int(half * seconds), 0, half), f"{half:,.0f} cases/s"))

    async def _idle(self, system: System) -> float:
        """Per cent of a core that the processes of the system itself take while nothing happens."""
        await asyncio.sleep(2)
        before, begun = system.cpu(), time.monotonic()
        await asyncio.sleep(self.sizes.idle_seconds)
        after = system.cpu()
        used = sum(after[name] - before[name] for name in system.processes)
        percent = 100 * used / (time.monotonic() - begun)
        self.told(f"  idle: {percent:.1f} % of a core")
        return percent

    async def _drive(self, system: System, wanted: Load, title: str = "") -> Figures:
        self._seed += 1
        figures = await load.run(system, wanted, self._seed)
        if title:
            self.told(f"  {title}: {_words(figures, wanted)}")
        return figures


def _words(figures: Figures, wanted: Load) -> str:
    cpu = ", ".join(f"{name} {value:.3f}" for name, value in figures.cpu_ms.items())
    if not wanted.whole_chain:
        took = f"{figures.answered_ms[0]:.1f} / {figures.answered_ms[1]:.1f} ms"
        return (
            f"{figures.http_rate:,.0f} answers/s, {took}; CPU ms an answer: {cpu}, driver {figures.driver_cpu_ms:.3f}"
        )
    recorded = f"recorded after {figures.recorded_ms[0]:.1f} / {figures.recorded_ms[1]:.1f} ms"
    return f"{figures.rate:,.0f} cases/s, {figures.rate_per_core:,.0f} per core, {recorded}; CPU ms a case: {cpu}"


def medians(measured: Measured) -> dict[str, Any]:
    """The keys of the report for one system."""
    found: dict[str, Any] = {}
    if measured.closed:
        closed = measured.closed
        found["cases_per_second"] = statistics.median(f.rate for f in closed)
        found["cases_per_second_per_core"] = statistics.median(f.rate_per_core for f in closed)
        found["cpu_ms_per_case"] = _by_name([f.cpu_ms for f in closed])
        found["cpu_ms_per_case_of_driver"] = statistics.median(f.driver_cpu_ms for f in closed)
        found["cpu_ms_per_case_of_box"] = statistics.median(f.box_cpu_ms for f in closed)
        found["quiet_after_s"] = statistics.median(f.quiet_after_s for f in closed)
    if measured.at_200:
        found["latency_ms"] = {
            "at_200": _latency(measured.at_200),
            "at_half": _latency(measured.at_half) | {"rate": statistics.median(f.http_rate for f in measured.at_half)},
        }
    if measured.http:
        found["http_per_second"] = statistics.median(f.http_rate for f in measured.http)
        found["http_ms"] = {"p50": statistics.median(f.answered_ms[0] for f in measured.http),
                            "p99": statistics.median(f.answered_ms[1] for f in measured.http)}  # fmt: skip
    if measured.memory:
        found["rss_mib"] = _by_name(measured.memory)
        services = [v for name, v in found["rss_mib"].items() if name not in {"postgresql", "kafka"}]
        found["rss_mib_largest_service"] = max(services)
    if measured.idle:
        found["idle_cpu_percent"] = statistics.median(measured.idle)
    return found


def _by_name(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}


def _latency(rounds: list[Figures]) -> dict[str, float]:
    return {
        "p50": statistics.median(f.recorded_ms[0] for f in rounds),
        "p99": statistics.median(f.recorded_ms[1] for f in rounds),
        "answered_p50": statistics.median(f.answered_ms[0] for f in rounds),
        "answered_p99": statistics.median(f.answered_ms[1] for f in rounds),
    }
