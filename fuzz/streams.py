"""Bad records by the thousand while families are screened: all parked where they must be, and no family waits."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psutil

from attune.stack.stack import Stack
from attune_contracts.catalogue import SERVICES
from chassis.broker import Broker
from faults.poison import parked_by
from fuzz.records import Bad, RecordMaker
from fuzz.run import Found, Told
from tests.support.field import Field

AT_ONCE = 200
PARKED_WITHIN_SECONDS = 120.0
GROWTH_MIB = 250
"""A service may grow by so much while it parks thousands of records, some of them as large as a broker takes."""
LATE_SECONDS = 5.0
LISTED_SECONDS = 3.0

Place = tuple[str, int, int]


@dataclass(slots=True)
class Flood:
    """What was sent, who must have parked it, and how the families fared meanwhile."""

    expected: dict[str, dict[Place, str]] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    grown_mib: dict[str, int] = field(default_factory=dict)
    listed_s: float = 0.0

    def summary(self) -> dict[str, Any]:
        return {
            "to_be_parked": {service: len(places) for service, places in self.expected.items()},
            "families": len(self.delays),
            "slowest_family_s": round(max(self.delays, default=0.0), 2),
            "grown_mib": self.grown_mib,
            "listed_s": round(self.listed_s, 2),
        }


async def flood(stack: Stack, *, seed: int, count: int, huge: int, told: Told) -> tuple[Found, Flood]:
    """Sends them, and looks at what became of them and of the families screened meanwhile."""
    found, done = Found(), Flood({service: {} for service in SERVICES})
    before = {service: _memory(stack, service) for service in SERVICES}
    made = RecordMaker(random.Random(seed)).made(count, huge)
    async with Field(stack, channels=["file"]) as people:
        team = await people.team(100, 100, 100)
        over = asyncio.Event()
        families = asyncio.create_task(_families(people, team, over, done.delays))
        try:
            await _send(stack, made, found, done, told)
            await _compare(people, done, found)
        finally:
            over.set()
            await families
        await _operate(people, done, found)
    for service in SERVICES:
        done.grown_mib[service] = _memory(stack, service) - before[service]
        if done.grown_mib[service] > GROWTH_MIB:
            found.fail(f"{service} has grown by {done.grown_mib[service]} MiB", "")
    if (slowest := max(done.delays, default=LATE_SECONDS)) >= LATE_SECONDS:
        found.fail(f"a family waited {slowest:.1f} s", f"of {len(done.delays)} families")
    return found, done


async def _send(stack: Stack, made: list[Bad], found: Found, done: Flood, told: Told) -> None:
    producer = Broker((stack.bootstrap,)).producer()
    await producer.start()
    try:
        for start in range(0, len(made), AT_ONCE):
            part = made[start : start + AT_ONCE]
            sending = [await producer.send(b.topic, value=b.value, key=b.key, headers=list(b.headers)) for b in part]
            for bad, at in zip(part, await asyncio.gather(*sending), strict=True):
                found.sent += 1
                found.kinds[bad.kind] += 1
                for service in parked_by(bad.topic, bad.headers):
                    done.expected[service][at.topic, at.partition, at.offset] = bad.kind
            told("records", found.sent)
            await asyncio.sleep(0.05)
    finally:
        await producer.stop()


async def _families(people: Field, team: Any, over: asyncio.Event, delays: list[float]) -> None:
    while not over.is_set():
        baby = await people.baby(team)
        started = time.monotonic()
        await people.screens(baby, "concern")
        await people.placed(baby)
        delays.append(time.monotonic() - started)
        await asyncio.sleep(0.1)


async def _compare(people: Field, done: Flood, found: Found) -> None:
    """Waits until what is parked is what must be, record by record; says what is missing and what is too much."""
    deadline = time.monotonic() + PARKED_WITHIN_SECONDS
    for service, expected in done.expected.items():
        while True:
            rows = await people.rows(service, 'SELECT topic, partition, "offset", reason FROM parked')
            parked = {(r["topic"], r["partition"], r["offset"]): r["reason"] for r in rows}
            missing, extra = expected.keys() - parked.keys(), parked.keys() - expected.keys()
            if not missing or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        for kind, times in Counter(expected[place] for place in missing).items():
            found.fail(f"{service} has not parked: {kind}", f"{times} times")
        for place in extra:
            found.fail(f"{service} has parked what was good: {parked[place]}", str(place))
        found.statuses.update(f"{service} {reason}" for place, reason in parked.items() if place in expected)


async def _operate(people: Field, done: Flood, found: Found) -> None:
    """An operator lists, groups, pages, and gives all of one reason up."""
    for service, expected in done.expected.items():
        if not expected:
            continue
        started = time.monotonic()
        groups = await people.does(people.operator, "GET /parked/groups", at=service)
        page = await people.does(people.operator, "GET /parked?limit=2000", at=service)
        done.listed_s = max(done.listed_s, time.monotonic() - started)
        if len(page) != min(2000, len(expected)):
            found.fail(f"{service} lists {len(page)} of {len(expected)}", "")
        # What waits behind another is not given up but handled, once the other is.
        reason = [g["reason"] for g in groups if g["reason"] != "behind_parked"][-1]
        total = sum(g["count"] for g in groups if g["reason"] == reason)
        given_up = 0
        while count := (await people.does(people.operator, f"POST /parked/discard?reason={reason}", at=service))[
            "count"
        ]:
            given_up += count
        if given_up != total and len(groups) < 200:
            found.fail(f"{service} gave up {given_up} of {total} with {reason}", "")
    if done.listed_s > LISTED_SECONDS:
        found.fail(f"listing took {done.listed_s:.1f} s", "")


def _memory(stack: Stack, service: str) -> int:
    stack.refresh()
    return int(psutil.Process(int(stack.summary["pids"][service])).memory_info().rss) >> 20
