"""`python -m fuzz`: hostile input against a stack of its own, into reports/fuzz.json; status 1 if anything is amiss."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
import warnings
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from attune.stack.layout import ROOT
from attune.stack.stack import Stack
from fuzz import run, streams
from fuzz.generated import Size
from fuzz.run import Found, Told

REPORT = ROOT / "reports" / "fuzz.json"
TOLD_EVERY = 5000
PARTS = ("routes", "raw", "records")


def main() -> int:
    """Runs the parts asked for and writes the report."""
    warnings.simplefilter("ignore")  # what schemathesis tells about its own configuration
    asked = _arguments()
    begun = time.monotonic()
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        report = _measure(asked, progress)
    report = {"seed": asked.seed, "seconds": round(time.monotonic() - begun, 1), **report}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(summary(report))
    return 1 if any(report[part]["failures"] for part in (*PARTS, "afterwards") if part in report) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="the same seed sends the same")
    parser.add_argument("--requests", type=int, default=100_000, help="at least so many requests to documented routes")
    parser.add_argument("--raw", type=int, default=4_000, help="so much raw HTTP to each service")
    parser.add_argument("--records", type=int, default=12_000, help="so many bad records, one in a hundred huge")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    return parser.parse_args()


def _measure(asked: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    wanted = asked.only or PARTS
    totals = {"routes": asked.requests, "raw HTTP": 4 * (asked.raw + 48), "records": asked.records}
    bars: dict[str, Any] = {}
    said: dict[str, int] = {}

    def told(part: str, done: int) -> None:
        if part not in bars:
            bars[part] = progress.add_task(part, total=totals[part])
        progress.update(bars[part], completed=done)
        if not progress.console.is_terminal and done // TOLD_EVERY > said.get(part, 0):
            said[part] = done // TOLD_EVERY
            print(f"{part}: {done} of {totals[part]}", flush=True)

    with Stack.temporary(fsync=False, environment={"ATTUNE_LOG_FORMAT": "json"}) as stack:
        return _parts(stack, asked, wanted, told)


def _parts(stack: Stack, asked: argparse.Namespace, wanted: Any, told: Told) -> dict[str, Any]:
    report: dict[str, Any] = {}
    known = asyncio.run(run.world(stack))
    if "routes" in wanted:
        size = Size(covering=None, random=60, dresses=3)
        report["routes"] = run.routes(
            stack, known, seed=asked.seed, size=size, limit=asked.requests, told=told
        ).summary()
    if "raw" in wanted:
        report["raw"] = asyncio.run(
            run.raw(stack, known, seed=asked.seed, count=asked.raw, slow=48, told=told)
        ).summary()
    if "records" in wanted:
        huge = asked.records // 100
        found, flood = asyncio.run(streams.flood(stack, seed=asked.seed, count=asked.records, huge=huge, told=told))
        report["records"] = found.summary() | flood.summary()
    afterwards = Found()
    run.health(stack, afterwards)
    report["afterwards"] = afterwards.summary()
    return report


def summary(report: dict[str, Any]) -> str:
    """The report in words."""
    lines = [f"seed {report['seed']}, {report['seconds']:.0f} s"]
    for part in (*PARTS, "afterwards"):
        if part not in report:
            continue
        figures = report[part]
        lines.append(
            f"{part}: {figures['sent']} sent, {figures['server_errors']} answers of 5xx, {figures['hangs']} hangs, "
            f"slowest {figures['slowest_s']} s, {len(figures['failures'])} kinds of failure"
        )
        if part == "records":
            lines.append(
                f"  parked {figures['to_be_parked']}, {figures['families']} families meanwhile, the slowest "
                f"{figures['slowest_family_s']} s, memory grown by {figures['grown_mib']} MiB"
            )
        lines += [f"  {one['times']} times {one['what']}" for one in figures["failures"][:20]]
    return "\n".join([*lines, f"{REPORT.relative_to(ROOT)} has everything"])


if __name__ == "__main__":
    sys.exit(main())
