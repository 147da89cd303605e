"""One campaign: a load of cases while the plan's faults are struck and healed, each with its recovery measured."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from attune.stack.plan import TIME_CAN_BE_SET
from attune.stack.stack import Stack
from attune.stack.tokens import Issuer
from faults.asking import Asking
from faults.cases import MARK, Cases
from faults.clocks import CLOCKS, go_to_work
from faults.crew import Crew
from faults.emptied import kafka_emptied
from faults.ending import End, bring_to_rest
from faults.moods import MOODS
from faults.people import People
from faults.plan import SERVICES, Fault, Plan
from faults.poison import Poison
from faults.pulse import Pulse
from faults.recovery import Recovery
from faults.redelivery import ALL
from faults.site import NotPossible, Proxies, Site
from faults.strikes import Strike
from faults.world import Process, World

REPLIES_STAY = {"ATTUNE_REPLY_KEEP_DAYS": "1000"}
"""Time is set ahead by months, and afterwards every answer that was given must still be found."""

STRIKES: Mapping[str, Strike] = {**ALL, **MOODS, **CLOCKS, "kafka_emptied": kafka_emptied}
RECOVERS_WITHIN = 90.0
"""Longest wait for one recovery; more than 30 s is a finding, but the campaign goes on."""
AT_ONCE = 60
"""Cases under way at the same time."""
TRICKLE = 0.2
"""Of the usual load, while the plan waits for a recovery or for a point to be reached: somebody must lead there."""
MOST_AHEAD = 20.0
CASES_END_WITHIN = 420.0
POISONINGS = 4


@dataclass(slots=True)
class Struck:
    """A fault as it was really made."""

    fault: Fault
    began_s: float = 0.0
    ended_s: float = 0.0
    recovery_s: float = 0.0
    starved_s: float = 0.0
    """Of the recovery, while others had the machine."""
    waited_for: str = ""
    told: Mapping[str, int] = field(default_factory=dict)
    not_possible: str = ""
    broken: str = ""
    """The campaign's own failure to make it."""


@dataclass(slots=True)
class Result:
    """Everything that one campaign found; judged elsewhere."""

    plan: Plan
    world: World
    end: End
    struck: list[Struck]
    cases: Counter[str]
    cases_failed: list[str]
    mismatches: list[str]
    server_errors: list[str]
    hits: Counter[str]
    ends: Counter[str]
    passed_bytes: dict[str, int]
    machine_share: float
    """Of one processor when we wanted it: the median."""
    seconds: float


T = TypeVar("T")
Told = Callable[[str, Mapping[str, Any]], None]
"""Called with what has just happened, for a progress bar."""


class Campaign:
    """Runs once."""

    def __init__(self, plan: Plan, told: Told) -> None:
        self.plan, self._told = plan, told
        self._struck: list[Struck] = []
        self._began = 0.0
        self._dealt = 0
        self._allowed = 0.0
        self._pulse = Pulse()
        self._playing: set[asyncio.Task[None]] = set()

    async def run(self, judge: Callable[[Result], Awaitable[T]]) -> T:
        """From an empty machine to the judgement, which is made while everything still stands."""
        proxies = await Proxies.open()
        await self._pulse.start()
        stack = await asyncio.to_thread(self._stack, proxies.kafka.port)
        crew = Crew(stack, lambda service: proxies.settings(stack, service))
        keeping: asyncio.Task[None] | None = None
        try:
            proxies.lead_to(stack)
            await crew.start()
            keeping = asyncio.create_task(crew.keep())
            return await judge(await self._attack(stack, crew, proxies))
        finally:
            if keeping is not None:
                keeping.cancel()
            for task in self._playing:
                task.cancel()
            await self._pulse.stop()
            await asyncio.to_thread(crew.stop)
            await proxies.close()
            await asyncio.to_thread(stack.stop)

    def _stack(self, kafka_through: int) -> Stack:
        self._told("stage", {"stage": "starting Kafka, PostgreSQL, the mail sink and the services"})
        return Stack.temporary(
            by_hand=True, fsync=False, kafka_through=kafka_through, postgres_settings=("max_connections=250",),
            environment={"ATTUNE_LOG_FORMAT": "json", **REPLIES_STAY, **TIME_CAN_BE_SET},
        )  # fmt: skip

    async def _attack(self, stack: Stack, crew: Crew, proxies: Proxies) -> Result:
        started_at = datetime.now(UTC)
        asking = Asking({s: crew.first[s].url for s in SERVICES}, Issuer(stack.layout.keys))
        people = People(asking, random.Random(f"{self.plan.seed}/people"))
        site = Site(stack, crew, proxies, asking, people)
        recovery, poison = Recovery(site), Poison(self.plan.seed, stack.bootstrap)
        site.bad_places, site.emptied = lambda: poison.places, poison.lost
        cases = Cases(self.plan.seed, people)
        self._told("stage", {"stage": "teams, certificates, addresses"})
        await people.prepare(3 if self.plan.cases < 1000 else 8)
        await go_to_work(site)
        self._began = time.monotonic()
        dealing = asyncio.create_task(self._deal(cases))
        await self._strike_all(site, recovery, poison, cases)
        self._allowed = self.plan.cases
        self._told("stage", {"stage": "the last cases"})
        await dealing
        if self._playing:
            await asyncio.wait(self._playing, timeout=CASES_END_WITHIN)
        self._told("stage", {"stage": "healed; waiting until nothing moves"})
        healed = time.monotonic()
        end = await bring_to_rest(site, recovery, poison)
        end.starved_seconds = self._pulse.starved(healed, healed + end.quiet_seconds)
        self._told("stage", {"stage": "comparing databases, topics, mails and logs"})
        world = self._world(site, started_at, end)
        await asking.close()
        return self._result(site, world, end, cases)

    # -- load

    async def _deal(self, cases: Cases) -> None:
        """Starts cases as the plan goes on: when a recovery takes long, the load waits for it too."""
        while self._dealt < self.plan.cases:
            while self._dealt < min(self._allowed, self.plan.cases) and len(self._playing) < AT_ONCE:
                task = asyncio.create_task(cases.play(self._dealt))
                self._playing.add(task)
                task.add_done_callback(self._playing.discard)
                self._dealt += 1
            self._told("cases", {"done": cases.played.total()})
            await asyncio.sleep(0.05)

    async def _allow(self, start: float, end: float) -> None:
        """More cases as time goes by, from one point of the plan to another; beyond it only a trickle."""
        began, total = time.monotonic(), max(self.plan.seconds, 1.0)
        while True:
            now = start + time.monotonic() - began
            now = min(now, end) + min(max(0.0, now - end) * TRICKLE, MOST_AHEAD)
            self._allowed = max(self._allowed, self.plan.cases * now / total)
            await asyncio.sleep(0.05)

    # -- faults

    async def _strike_all(self, site: Site, recovery: Recovery, poison: Poison, cases: Cases) -> None:
        groups = self.plan.groups()
        begins = [group[0].at for group in groups] + [self.plan.seconds]
        poisonings = {round(len(groups) * (n + 1) / (POISONINGS + 1)) for n in range(POISONINGS)}
        for n, group in enumerate(groups):
            allowing = asyncio.create_task(self._allow(begins[n] if n else 0.0, begins[n + 1]))
            try:
                await asyncio.sleep(2.0 if n == 0 else 1.0)
                if n in poisonings:
                    await poison.some(max(3, self.plan.cases // 100), cases.concerned[-40:])
                await self._group(site, recovery, group)
            finally:
                allowing.cancel()

    async def _group(self, site: Site, recovery: Recovery, group: tuple[Fault, ...]) -> None:
        for fault in group:
            self._told("fault", {"fault": str(fault), "number": fault.number})
        struck = await asyncio.gather(*(self._strike(site, f, 0.5 * n) for n, f in enumerate(group)))
        mark = None
        while mark is None:
            try:
                mark = await recovery.mark()
            except Exception:
                await asyncio.sleep(0.2)
        seconds, waits = await recovery.seconds(mark, RECOVERS_WITHIN)
        for one in struck:
            one.recovery_s, one.waited_for = round(seconds, 2), waits
            one.starved_s = round(self._pulse.starved(mark.at, mark.at + seconds), 2)
            self._told("struck", {"struck": one})
        self._struck += struck

    async def _strike(self, site: Site, fault: Fault, delay: float) -> Struck:
        await asyncio.sleep(delay)
        struck = Struck(fault, round(time.monotonic() - self._began, 2))
        strike = STRIKES.get(fault.kind)
        try:
            if strike is None:
                struck.not_possible = "nothing makes this fault yet"
            else:
                struck.told = await strike(site, fault)
        except NotPossible as why:
            struck.not_possible = str(why)
        except Exception as error:
            struck.broken = f"{type(error).__name__}: {error}"
        struck.ended_s = round(time.monotonic() - self._began, 2)
        return struck

    # -- what is left

    def _world(self, site: Site, started_at: datetime, end: End) -> World:
        layout, ledger = site.stack.layout, site.asking.ledger
        return World(
            seed=self.plan.seed,
            cases=self.plan.cases,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            dsn={s: site.stack.administrator_dsn(s) for s in SERVICES},
            bootstrap=site.stack.bootstrap,
            mail=layout.mail,
            file_channel=layout.file_channel,
            logs=tuple(sorted(Path(layout.logs).glob("*.log*"))),
            urls=dict(site.asking.urls),
            processes=tuple(
                Process(m.service, m.process.pid, m.url) for m in site.crew.members if m.process is not None
            ),
            answers=tuple(ledger.answers),
            bad_messages=end.bad_messages,
            error_bodies=tuple(ledger.error_bodies),
            canaries=tuple(sorted({MARK, *ledger.canaries})),
        )

    def _result(self, site: Site, world: World, end: End, cases: Cases) -> Result:
        hits = Counter(point for s in SERVICES for point in site.crew.struck(s))
        unfinished = [f"{len(self._playing)} cases did not end"] if self._playing else []
        ledger = site.asking.ledger
        return Result(
            self.plan, world, end, self._struck, cases.played, cases.failed + unfinished, ledger.mismatches,
            ledger.server_errors, hits, site.crew.ends, {p.name: p.passed for p in site.proxies.all},
            self._pulse.median, time.monotonic() - self._began,
        )  # fmt: skip
