"""`python -m faults`: breaks a system on purpose and says what came of it; ends with 1 when anything is broken."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from attune.stack.layout import ROOT
from faults import checks, released, report
from faults.campaign import Campaign, Result, Struck
from faults.plan import Plan, plan
from faults.verdict import judge

SIZES = {"short": (200, 12), "usual": (2000, 60), "full": (10_000, 200)}
REPORT = ROOT / "reports" / "faults.json"
KEPT = ROOT / ".attune" / "faults"
"""Where the logs of a campaign go that found something."""


class Shown:
    """The progress of one campaign: two bars on a terminal, else a line for each fault."""

    def __init__(self, console: Console, made: Plan) -> None:
        columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._console = console
        self._faults = self.bar.add_task("faults", total=len(made.faults))
        self._cases = self.bar.add_task("cases", total=made.cases)

    def told(self, what: str, facts: Mapping[str, Any]) -> None:
        if what == "stage":
            self.bar.update(self._faults, description=facts["stage"][:44])
            if not self._console.is_terminal:
                self._console.print(facts["stage"])
        elif what == "fault":
            self.bar.update(self._faults, description=facts["fault"][:44])
        elif what == "cases":
            self.bar.update(self._cases, completed=facts["done"])
        elif what == "struck":
            self._struck(facts["struck"])

    def _struck(self, one: Struck) -> None:
        self.bar.update(self._faults, advance=1)
        slow = one.recovery_s - one.starved_s > 30
        if slow or one.broken or one.not_possible or not self._console.is_terminal:
            told = " ".join(f"{name}={n}" for name, n in one.told.items())
            beside = one.not_possible or one.broken or told
            self._console.print(
                f"  {one.fault.number:>3} {one.fault!s:<58} {one.recovery_s:>6.1f} s ({one.starved_s:.0f} starved)  "
                f"{beside} {one.waited_for}",
                style="red" if slow or one.broken else None, highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip


async def run(made: Plan, console: Console) -> report.Judged:
    """One campaign."""
    shown = Shown(console, made)
    with shown.bar:
        return await Campaign(made, shown.told).run(_judged)


async def _judged(result: Result) -> report.Judged:
    judged = report.Judged(result, await judge(result, checks.check, released.check))
    if not judged.holds:
        _keep(result)
    return judged


def _keep(result: Result) -> None:
    """The logs and the mails of what has been found: the stack's own directory goes with it."""
    place = KEPT / f"{result.plan.seed}-{time.strftime('%H%M%S')}"
    place.mkdir(parents=True, exist_ok=True)
    for path in (*result.world.logs, result.world.mail, result.world.file_channel):
        if path.exists():
            shutil.copy(path, place)


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", choices=SIZES, default="usual")
    parser.add_argument("--cases", type=int)
    parser.add_argument("--faults", type=int)
    parser.add_argument("--replays", type=int, default=1, help="how often the same plan is played")
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--plan-only", action="store_true", help="show what would be done")
    return parser.parse_args()


def main() -> int:
    given = asked()
    cases, faults = SIZES[given.size]
    made = plan(given.seed, given.cases or cases, given.faults or faults)
    console = Console(soft_wrap=True)
    if given.plan_only:
        for fault in made.faults:
            console.print(f"{fault.at:>7.1f} s {'+' if fault.together else ' '} {fault}", highlight=False)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console.print(f"seed {made.seed}: {made.cases} cases, {len(made.faults)} faults, about {made.seconds / 60:.0f} min")
    runs = []
    for _ in range(given.replays):
        runs.append(uvloop.run(run(made, console)))
        report.show(console, runs[-1])
        report.write(given.report, runs)
    console.print(f"report: {given.report}")
    return 0 if all(one.holds for one in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
