"""`python -m bench`: measures the real system beside the floor, and writes reports/bench.json."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import shlex
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from attune.stack import jars, services
from attune.stack.layout import ROOT
from bench import growth, machine, rounds, servers, starting, verdict
from bench.hand_written import HandWritten
from bench.real import Real
from bench.rounds import QUICK, Rounds, Sizes, Told
from bench.sampled import top
from bench.servers import Servers

PARTS = ("closed", "latency", "http", "idle", "growth", "start")
STORED, STORED_QUICK = 200_000, 20_000
REPORT = ROOT / "reports" / "bench.json"


def main() -> int:
    """Exit status 0 when everything was measured and every result was right, whatever the figures are."""
    arguments = _arguments()
    begun = time.monotonic()

    def told(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", flush=True)

    report = asyncio.run(_measure(arguments, told))
    report["seconds"] = round(time.monotonic() - begun, 1)
    report["verdicts"] = verdict.judged(report)
    path = REPORT if not arguments.profile else REPORT.with_name("profile.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{verdict.summary(report)}\n\n{path.relative_to(ROOT)} has everything ({report['seconds']:.0f} s)")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one round of small loads: for development, proves nothing"
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--profile", action="store_true", help="say where the services' CPU goes; figures do not count")
    parser.add_argument("--no-floor", action="store_true", help="the real system alone")
    parser.add_argument("--seed", type=int, default=20_261)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--cases", type=int, help="of one closed loop")
    parser.add_argument("--connections", type=int, help="of the closed loops")
    parser.add_argument("--stored", type=int, help="stored cases for growth_10x; also measured with ten times as many")
    return parser.parse_args()


def _sizes(arguments: argparse.Namespace) -> Sizes:
    sizes = QUICK if arguments.quick else Sizes()
    given = {"rounds": arguments.rounds, "closed": arguments.cases, "connections": arguments.connections}
    return replace(sizes, **{name: value for name, value in given.items() if value})


async def _measure(arguments: argparse.Namespace, told: Told) -> dict[str, Any]:
    sizes = _sizes(arguments)
    parts = frozenset(arguments.only or PARTS)
    report: dict[str, Any] = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        "seed": arguments.seed,
        "quick": arguments.quick,
        "profiled": arguments.profile,
        "sizes": {name: getattr(sizes, name) for name in Sizes.__slots__},
    }
    if parts - {"start"}:
        told("starting PostgreSQL and Kafka")
        with servers.running() as found:
            report |= await _about(found)
            report |= await _loads(found, arguments, sizes, parts, told)
    if "start" in parts:
        report["cold_start_s"] = statistics.median(starting.measure(sizes.rounds, told))
    return report


async def _about(found: Servers) -> dict[str, Any]:
    durability = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers")
    return {
        "machine": machine.description(found.directory),
        "fsync_us": machine.fsync_us(found.directory),
        "versions": machine.versions(await found.setting("server_version"), jars.KAFKA_VERSION),
        "postgresql_settings": {name: await found.setting(name) for name in durability}
        | {"changed": list(servers.POSTGRES_SETTINGS)},
    }


async def _loads(
    found: Servers, arguments: argparse.Namespace, sizes: Sizes, parts: frozenset[str], told: Told
) -> dict[str, Any]:
    real, floor = Real(found, profile=arguments.profile), HandWritten(found)
    in_turns = parts & {"closed", "latency", "http", "idle"}
    systems = (real,) if arguments.no_floor or not in_turns else (floor, real)
    stored = arguments.stored or (STORED_QUICK if arguments.quick else STORED)
    try:
        for system in systems:
            told(f"{system.name}: preparing databases, topics, people and children")
            await system.prepare(sizes.children() * (1 + 2 * ("growth" in parts and system is real)))
        report: dict[str, Any] = {}
        if in_turns:
            turns = Rounds(systems, sizes, in_turns, arguments.seed, told)
            await turns.run()
            report = rounds.medians(turns.measured[real.name])
            if floor in systems:
                report["floor"] = rounds.medians(turns.measured[floor.name])
                report |= _ratio(report)
        if "growth" in parts:
            report |= await growth.measure(real, sizes, stored, arguments.seed, told)
    finally:
        for system in systems:
            await system.close()
    if arguments.profile:
        written = [real.profile_of("screening", alone=True), *map(real.profile_of, services.SERVICES)]
        for path in filter(Path.exists, written):
            print(f"\n{path.stem}\n{top(path)}")
    return report


def _ratio(report: dict[str, Any]) -> dict[str, float]:
    if "cases_per_second_per_core" not in report:
        return {}
    return {"ratio_to_floor": report["cases_per_second_per_core"] / report["floor"]["cases_per_second_per_core"]}


if __name__ == "__main__":
    sys.exit(main())
