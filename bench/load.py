"""One load on one system: drive, wait until everything is at its end, and read what it took."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.stack.layout import ROOT
from bench import machine
from bench.driver import Plan, Sent, read_sent
from bench.system import System, WrongResult

LONGEST_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Load:
    """A load: `rate` in cases a second for the open loop, None for the closed loop."""

    count: int
    connections: int
    rate: float | None = None
    whole_chain: bool = True
    """Whether cases go to the recorded notification, or only to the durable HTTP answer."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load gave. Times in milliseconds; CPU in milliseconds for each case."""

    rate: float
    http_rate: float
    answered_ms: tuple[float, float]
    """p50 and p99 from due to answered."""
    recorded_ms: tuple[float, float]
    """p50 and p99 from due to the committed notification."""
    cpu_ms: dict[str, float]
    driver_cpu_ms: float
    box_cpu_ms: float
    quiet_after_s: float
    """From the last answer until nothing was left to tell or to send."""

    @property
    def cpu_ms_in_all(self) -> float:
        return sum(self.cpu_ms.values())

    @property
    def rate_per_core(self) -> float:
        """Cases for each CPU second of services, PostgreSQL and broker."""
        return 1000 / self.cpu_ms_in_all


async def run(system: System, load: Load, seed: int) -> Figures:
    """Raises WrongResult when a request was refused or a case went astray."""
    plan_path, sent_path = system.directory / "plan.json", system.directory / "sent.bin"
    Plan(
        port=system.port, seed=seed, children=str(system.children), first_child=system.take_children(load.count),
        count=load.count, callers=str(system.callers), sent=str(sent_path),
        connections=load.connections, rate=load.rate,
    ).write(plan_path)  # fmt: skip
    driver = machine.start(
        [sys.executable, "-m", "bench.driver", str(plan_path)], _environment(), system.log("driver"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert driver.stdin is not None
    assert driver.stdout is not None
    try:
        if await asyncio.to_thread(driver.stdout.readline) != b"READY\n":
            raise RuntimeError(f"the driver did not start: {_tail(system.log('driver'))}")
        before, box = system.cpu(), machine.box_cpu_seconds()
        driver.stdin.write(b"go\n")
        driver.stdin.flush()
        line = await asyncio.wait_for(asyncio.to_thread(driver.stdout.readline), LONGEST_SECONDS)
        if not line:
            raise RuntimeError(f"the driver ended: {_tail(system.log('driver'))}")
    finally:
        driver.kill()
        await asyncio.to_thread(driver.wait)
    answered = asyncio.get_running_loop().time()
    result = json.loads(line)
    if result["refused"]:
        raise WrongResult(f"{system.name}: answers other than 201: {result['refused']}")
    sent = read_sent(sent_path)
    await system.wait_until_done(sent, seconds=LONGEST_SECONDS)
    quiet = asyncio.get_running_loop().time() - answered
    used = _Used(
        cpu={name: seconds - before[name] for name, seconds in system.cpu().items()},
        box=machine.box_cpu_seconds() - box,
        quiet_after=quiet,
    )
    await system.check(sent, whole_chain=load.whole_chain)
    return await _figures(system, load, sent, result, used)


@dataclass(frozen=True, slots=True)
class _Used:
    cpu: dict[str, float]
    box: float
    quiet_after: float


async def _figures(system: System, load: Load, sent: list[Sent], result: dict[str, Any], used: _Used) -> Figures:
    begun = min(s.due for s in sent)
    http_rate = load.count / result["seconds"]
    rate, recorded = http_rate, (0.0, 0.0)
    if load.whole_chain:
        at = await system.recorded(sent)
        if missing := sum(s.screening_id not in at for s in sent):
            raise WrongResult(f"{system.name}: {missing} cases without a recorded notification")
        rate = load.count / (max(at.values()) - begun)
        recorded = percentiles(at[s.screening_id] - s.due for s in sent)
    return Figures(
        rate=rate,
        http_rate=http_rate,
        answered_ms=percentiles(s.answered - s.due for s in sent),
        recorded_ms=recorded,
        cpu_ms={name: 1000 * seconds / load.count for name, seconds in used.cpu.items()},
        driver_cpu_ms=1000 * result["cpu_seconds"] / load.count,
        box_cpu_ms=1000 * used.box / load.count,
        quiet_after_s=used.quiet_after,
    )


def percentiles(seconds: Iterable[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return 1000 * statistics.median(ordered), 1000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TZ": "UTC"}


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
