"""`python -m faults.soak`: cases at a steady rate with a fault a minute, for hours; does any service grow?"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import uvloop

from attune.stack.layout import ROOT
from attune.stack.stack import Stack
from attune.stack.tokens import Issuer
from faults.asking import Asking
from faults.campaign import AT_ONCE, Campaign, Told
from faults.cases import Cases
from faults.crew import Crew
from faults.growth import Growth, growth
from faults.people import People
from faults.plan import BY_NAME, SERVICES, Fault, Plan
from faults.recovery import Recovery
from faults.site import Proxies, Site

REPORT = ROOT / "reports" / "soak.json"
SPARING = (
    "service_frozen", "kafka_killed", "kafka_frozen", "kafka_unreachable", "postgres_fast_restart",
    "postgres_immediate_restart", "postgres_frozen", "postgres_sessions_ended", "commit_cut_before", "commit_cut_after",
    "network_latency", "network_blackhole", "network_reset", "network_half_close", "network_cut_after", "mail_down",
    "mail_slow", "mail_4xx", "mail_5xx", "mail_answer_lost", "delivered_again", "reordered",
)  # fmt: skip
"""Faults that the services must live through: only a process that lives can be seen to grow."""
SAMPLE_SECONDS = 5.0
REST_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    at: float
    service: str
    pid: int
    mib: float
    files: int


@dataclass(slots=True)
class Soaked:
    """What was seen."""

    seed: int
    seconds: float = 0.0
    cases: int = 0
    cases_failed: list[str] = field(default_factory=list)
    server_errors: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    came_to_rest: bool = False
    ends: dict[str, int] = field(default_factory=dict)

    def growths(self) -> dict[str, Growth]:
        """Of every process that lived; the name tells service and process."""
        lives: dict[str, list[tuple[float, float]]] = {}
        for s in self.samples:
            lives.setdefault(f"{s.service} {s.pid}", []).append((s.at, s.mib))
        return {name: growth(series) for name, series in lives.items()}

    def files(self) -> dict[str, list[int]]:
        """Open files of each process, least and most, after the first quarter."""
        lives: dict[str, list[int]] = {}
        for s in self.samples:
            lives.setdefault(f"{s.service} {s.pid}", []).append(s.files)
        return {name: [min(n), max(n)] for name, of in lives.items() if (n := of[len(of) // 4 :])}

    @property
    def holds(self) -> bool:
        grown = any(g.verdict == "grows" for g in self.growths().values())
        return self.came_to_rest and not (grown or self.ends or self.server_errors or self.cases_failed)

    def as_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "seconds": round(self.seconds),
            "cases": self.cases,
            "cases_failed": self.cases_failed[:20],
            "server_errors": self.server_errors,
            "ended": self.ends,
            "came_to_rest": self.came_to_rest,
            "memory": {name: asdict(g) for name, g in self.growths().items()},
            "open_files": self.files(),
            "faults": self.faults,
            "samples": [
                [round(s.at, 1), s.service, round(s.mib, 1)] for s in self.samples[:: max(1, len(self.samples) // 2000)]
            ],
        }


def sparing_plan(seed: int, seconds: float, rate: float, every: float) -> Plan:
    """So many cases, and a fault each so many seconds; each kind comes before any comes twice."""
    chance = random.Random(f"{seed}/soak")
    left: list[str] = []
    faults: list[Fault] = []
    for number in range(int(seconds / every) if every else 0):
        if not left:
            left = list(SPARING)
            chance.shuffle(left)
        kind = BY_NAME[left.pop()]
        numbers = {name: chance.randint(low, high) for name, (low, high) in kind.numbers.items()}
        lasts = round(chance.uniform(*kind.lasts), 1)
        faults.append(Fault(number, every * (number + 0.5), kind.name, chance.choice(kind.targets), lasts, numbers))
    return Plan(seed, int(seconds * rate), tuple(faults))


class Soak(Campaign):
    """A campaign that goes on and on: the load does not wait for a recovery, and memory is looked at all the time."""

    def __init__(self, plan: Plan, seconds: float, told: Told) -> None:
        super().__init__(plan, told)
        self._lasts = seconds

    async def _attack(self, stack: Stack, crew: Crew, proxies: Proxies) -> Soaked:  # type: ignore[override]
        asking = Asking({s: crew.first[s].url for s in SERVICES}, Issuer(stack.layout.keys))
        people = People(asking, random.Random(f"{self.plan.seed}/people"))
        site = Site(stack, crew, proxies, asking, people)
        recovery, cases = Recovery(site), Cases(self.plan.seed, people)
        await people.prepare(8)
        seen, self._began = Soaked(self.plan.seed), time.monotonic()
        beside = [asyncio.create_task(self._sample(crew, seen)), asyncio.create_task(self._strike_on_time(site, seen))]
        await self._deal_steadily(cases)
        if self._playing:
            await asyncio.wait(self._playing, timeout=REST_WITHIN)
        beside[1].cancel()
        seconds, _ = await recovery.seconds(await recovery.mark(), REST_WITHIN)
        seen.came_to_rest = seconds < REST_WITHIN
        await asyncio.sleep(SAMPLE_SECONDS)
        beside[0].cancel()
        await asking.close()
        seen.seconds, seen.cases = time.monotonic() - self._began, cases.played.total()
        seen.cases_failed, seen.server_errors = cases.failed, len(asking.ledger.server_errors)
        seen.ends = dict(crew.ends)
        return seen

    async def _deal_steadily(self, cases: Cases) -> None:
        """As many as the rate asks for and the machine allows; the report says how many that were."""
        ledger, over, number = cases.asking.ledger, self._began + self._lasts, 0
        while number < self.plan.cases and (now := time.monotonic()) < over:
            if now < self._began + number * self._lasts / self.plan.cases or len(self._playing) >= AT_ONCE * 2:
                await asyncio.sleep(0.01)
                continue
            task = asyncio.create_task(cases.play(number))
            self._playing.add(task)
            task.add_done_callback(self._playing.discard)
            number += 1
            if number % 500 == 0:
                ledger.answers.clear()  # nobody compares them here, and they would fill this process
                self._told("cases", {"done": cases.played.total()})

    async def _strike_on_time(self, site: Site, seen: Soaked) -> None:
        for fault in self.plan.faults:
            await asyncio.sleep(max(0.0, self._began + fault.at - time.monotonic()))
            struck = await self._strike(site, fault, 0.0)
            seen.faults.append(fault.as_dict() | {"not_possible": struck.not_possible, "broken": struck.broken})
            self._told("fault", {"fault": str(fault), "number": fault.number})

    async def _sample(self, crew: Crew, seen: Soaked) -> None:
        while True:
            for service, member in crew.first.items():
                if member.process is None or not member.alive:
                    continue
                try:
                    process = psutil.Process(member.process.pid)
                    mib, files = process.memory_info().rss / 2**20, process.num_fds()
                except psutil.NoSuchProcess:
                    continue
                at = time.monotonic() - self._began
                seen.samples.append(Sample(at, service, member.process.pid, mib, files))
            await asyncio.sleep(SAMPLE_SECONDS)


async def soak(plan: Plan, seconds: float, told: Told) -> Soaked:
    """From an empty machine to what was seen."""

    async def as_seen(seen: Any) -> Soaked:
        found: Soaked = seen
        return found

    return await Soak(plan, seconds, told).run(as_seen)


def summary(seen: Soaked) -> str:
    """In words."""
    lines = [f"seed {seen.seed}: {seen.cases} cases and {len(seen.faults)} faults in {seen.seconds / 60:.1f} min"]
    for name, g in seen.growths().items():
        lines.append(
            f"  {name}: {g.verdict}, {g.mib_per_hour:+.1f} MiB an hour (± {g.doubt:.1f}), "
            f"median {g.median_mib:.0f} MiB, at most {g.largest_mib:.0f} MiB"
        )
    lines += [f"  failed: {case}" for case in seen.cases_failed[:10]]
    lines += [f"  ended: {end} ({n})" for end, n in seen.ends.items()]
    return "\n".join([*lines, f"  {seen.server_errors} answers of 5xx; came to rest: {seen.came_to_rest}"])


def main() -> int:
    """Exit status 1 when something grew, ended, failed, or did not come to rest."""
    parser = argparse.ArgumentParser(prog="faults.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=20.0, help="cases a second")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between faults; 0 for none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=REPORT)
    given = parser.parse_args()
    seconds = given.hours * 3600
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def told(_what: str, facts: Mapping[str, Any]) -> None:
        print(f"{time.strftime('%H:%M:%S')} {' '.join(str(v) for v in facts.values())}", flush=True)

    seen = uvloop.run(soak(sparing_plan(given.seed, seconds, given.rate, given.every), seconds, told))
    given.report.parent.mkdir(exist_ok=True)
    given.report.write_text(json.dumps(seen.as_dict(), indent=1) + "\n")
    print(summary(seen))
    return 0 if seen.holds else 1


if __name__ == "__main__":
    sys.exit(main())
