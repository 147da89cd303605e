"""How each fault on processes, servers and the network is made and healed again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping

import psutil

from attune.stack import postgres
from attune.stack.program import as_user
from faults.plan import Fault
from faults.site import NotPossible, Site, until

STRUCK_WITHIN = 25.0
"""Seconds in which the load must lead a process to its point once more; what does not happen is told."""
ANSWERS_AGAIN_SECONDS = 10.0
"""After the disk has room again; longer, and the server is started anew."""
Told = Mapping[str, int]
"""Figures of what was really done."""
Strike = Callable[[Site, Fault], Awaitable[Told]]


# --- services ---------------------------------------------------------------------------------------------------------


async def service_killed(site: Site, fault: Fault) -> Told:
    member = site.crew.first[fault.target]
    site.crew.hold_down(member, fault.lasts)
    member.signal(signal.SIGKILL)
    await asyncio.sleep(fault.lasts)
    return {}


async def all_services_killed(site: Site, _fault: Fault) -> Told:
    for member in site.crew.members:
        member.signal(signal.SIGKILL)
    return {"killed": len(site.crew.members)}


async def service_frozen(site: Site, fault: Fault) -> Told:
    member = site.crew.first[fault.target]
    member.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.lasts)
    finally:
        member.signal(signal.SIGCONT)
    return {}


async def dies_at(site: Site, fault: Fault) -> Told:
    """Dies at the point, is started again with the same in store, and so on."""
    return await _at_point(site, fault, "kill")


async def stops_at(site: Site, fault: Fault) -> Told:
    """Stands still at the point for a while, and goes on as if nothing had been."""
    return await _at_point(site, fault, "stop")


async def _at_point(site: Site, fault: Fault, action: str) -> Told:
    crew, service, point = site.crew, fault.target, str(fault.point)
    chance = random.Random(fault.number)
    struck = 0
    try:
        for _ in range(fault.numbers["times"]):
            before = len(crew.struck(service))
            await crew.arm(service, f"{point}={chance.randint(1, 2)}:{action}")
            with contextlib.suppress(TimeoutError):
                await until(lambda seen=before: _more_struck(site, service, seen), STRUCK_WITHIN)  # type: ignore[misc]
                struck += 1
            if action == "stop":
                await asyncio.sleep(fault.lasts)
                crew.first[service].signal(signal.SIGCONT)
    finally:
        await crew.arm(service, "")
        crew.first[service].signal(signal.SIGCONT)
    return {"struck": struck}


async def _more_struck(site: Site, service: str, before: int) -> bool:
    return len(site.crew.struck(service)) > before


# --- servers ----------------------------------------------------------------------------------------------------------


async def kafka_killed(site: Site, _fault: Fault) -> Told:
    await site.kill("kafka")
    return {}


async def kafka_frozen(site: Site, fault: Fault) -> Told:
    with site.frozen("kafka"):
        await asyncio.sleep(fault.lasts)
    return {}


async def kafka_unreachable(site: Site, fault: Fault) -> Told:
    site.proxies.kafka.make("refuse")
    try:
        await asyncio.sleep(fault.lasts)
    finally:
        site.proxies.kafka.heal()
    return {}


async def postgres_fast_restart(site: Site, _fault: Fault) -> Told:
    await site.kill("postgres", signal.SIGINT)
    return {}


async def postgres_immediate_restart(site: Site, _fault: Fault) -> Told:
    await site.kill("postgres", signal.SIGQUIT)
    return {}


async def postgres_killed(site: Site, _fault: Fault) -> Told:
    await site.kill("postgres")
    return {}


async def postgres_frozen(site: Site, fault: Fault) -> Told:
    with site.frozen("postgres"):
        await asyncio.sleep(fault.lasts)
    return {}


async def postgres_sessions_ended(site: Site, fault: Fault) -> Told:
    async with site.administrator() as connection:
        ended = await connection.fetchval(
            """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND ($1 = '' OR datname = $1)""",
            fault.target,
        )
    return {"ended": ended}


async def postgres_disk_full(site: Site, fault: Fault) -> Told:
    """No file of the server may grow past a megabyte any more: to it that is a full disk, in its log first of all."""
    tool = shutil.which("prlimit")
    if tool is None:
        raise NotPossible("there is no prlimit")
    until_then, refused = time.monotonic() + fault.lasts, 0
    log = site.stack.layout.log("postgres")
    before = log.stat().st_size
    try:
        while time.monotonic() < until_then:
            await asyncio.to_thread(_limit, tool, site.pid("postgres"), "1000000:")
            await asyncio.sleep(0.1)
    finally:
        await asyncio.to_thread(_limit, tool, site.pid("postgres"), "unlimited:")
        restarted = not await _answers_soon(site)
        if restarted:  # what an orchestrator does with a server that lives and does not answer
            await site.kill("postgres")
        await asyncio.to_thread(_limit, tool, site.pid("postgres"), "unlimited:")
    with log.open("rb") as opened:
        opened.seek(before)
        refused = opened.read().count(b"File too large")
    return {"refused_writes": refused, "restarted": int(restarted)}


async def _answers_soon(site: Site) -> bool:
    """PostgreSQL 18 can stay behind without any recovery, when the disk was full for the recovery too."""
    try:
        await site.answers("postgres", ANSWERS_AGAIN_SECONDS)
    except TimeoutError:
        return False
    return True


def _limit(tool: str, pid: int, size: str) -> None:
    """Only the server's own user may do that to it, even where we are root."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for p in (process, *process.children(recursive=True)):
            subprocess.run(
                [tool, "--pid", str(p.pid), f"--fsize={size}"], check=False, capture_output=True,
                **as_user(postgres.user()),
            )  # fmt: skip


# --- network ----------------------------------------------------------------------------------------------------------


async def commit_cut_before(site: Site, fault: Fault) -> Told:
    return await _cut(site, fault, "before")


async def commit_cut_after(site: Site, fault: Fault) -> Told:
    return await _cut(site, fault, "after")


async def _cut(site: Site, fault: Fault, side: str) -> Told:
    scissors = site.proxies.scissors[fault.target]
    before = scissors.cut
    setattr(scissors, side, fault.numbers["times"])
    try:
        with contextlib.suppress(TimeoutError):
            await until(lambda: _enough(scissors.cut - before, fault.numbers["times"]), fault.lasts + 6)
    finally:
        setattr(scissors, side, 0)
    return {"cut": scissors.cut - before}


async def _enough(done: int, wanted: int) -> bool:
    return done >= wanted


def network(weather: str, figure: str | None = None) -> Strike:
    """Bad weather on one proxy for a while."""

    async def strike(site: Site, fault: Fault) -> Told:
        proxy = site.proxies.of(fault.target)
        links = proxy.links
        proxy.make(weather, fault.numbers[figure] if figure else 0)  # type: ignore[arg-type]
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            proxy.heal()
        return {"links": links}

    return strike


STRIKES: Mapping[str, Strike] = {
    "service_killed": service_killed,
    "service_frozen": service_frozen,
    "all_services_killed": all_services_killed,
    "dies_at": dies_at,
    "stops_at": stops_at,
    "kafka_killed": kafka_killed,
    "kafka_frozen": kafka_frozen,
    "kafka_unreachable": kafka_unreachable,
    "postgres_fast_restart": postgres_fast_restart,
    "postgres_immediate_restart": postgres_immediate_restart,
    "postgres_killed": postgres_killed,
    "postgres_frozen": postgres_frozen,
    "postgres_sessions_ended": postgres_sessions_ended,
    "postgres_disk_full": postgres_disk_full,
    "commit_cut_before": commit_cut_before,
    "commit_cut_after": commit_cut_after,
    "network_latency": network("latency", "milliseconds"),
    "network_blackhole": network("blackhole"),
    "network_reset": network("reset"),
    "network_half_close": network("half_close"),
    "network_cut_after": network("cut_after", "bytes"),
}
