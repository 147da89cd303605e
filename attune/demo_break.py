"""`attune demo-break`: the demo's day with a broker kill, a database crash and a poison message, and the same check."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attune.addresses import Addresses, readable_errors
from attune.demo import keep_logs, started, table
from attune.stack.layout import ROOT

if TYPE_CHECKING:
    from attune.clinic.sight import Trouble

REPORT = ROOT / "reports" / "demo-break.json"


def demo_break(
    report: Annotated[
        Path, typer.Option("--report", help="Where the figures go, as JSON.", show_default="reports/demo-break.json")
    ] = REPORT,
) -> None:
    """Live through the same day while things break in the middle of it; say what an operator sees, and check it all.

    Exit status 1 if anything was lost or told twice, or if something broken was not seen or did not recover.
    """
    from rich.console import Console

    from attune.asking import Refusal
    from attune.clinic.breaking import BreakingDay
    from attune.clinic.day import live
    from attune.clinic.sample import SAMPLES, SampleBroken, load
    from attune.stack.stack import StackFailed

    console = Console(highlight=False)
    began = time.monotonic()
    with readable_errors(Refusal, SampleBroken, StackFailed):
        stack = started(console)
        try:
            days: list[BreakingDay] = []

            def breaking(*parts: Any) -> BreakingDay:
                days.append(BreakingDay.on(stack)(*parts))
                return days[0]

            outcome = asyncio.run(live(Addresses.of(stack.summary), load(SAMPLES), console, breaking))
            faults = [str(f) for f in outcome.reckoning.faults] + missed(days[0].troubles)
            console.print(table(outcome))
            if faults:
                keep_logs(stack, report.parent)
        finally:
            with console.status("stopping"):
                stack.stop()
    figures = outcome.reckoning.as_dict() | {"faults": faults, "troubles": [t.as_dict() for t in days[0].troubles]}
    figures["seconds"] = round(time.monotonic() - began, 1)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for fault in faults[:20]:
        console.print(f"[bold red]{fault}[/]")
    verdict = "[bold red]It does not add up.[/]" if faults else "[bold green]Everything adds up, broken as it was.[/]"
    console.print(
        f"{verdict} {figures['seconds']} s in all; the figures are in {report.name}, what to do in docs/operations.md."
    )
    if faults:
        raise typer.Exit(1)


def missed(troubles: list[Trouble]) -> list[str]:
    """What an operator would have had to see, and what had to end by itself."""
    found = [f"wrong: {n} things broke, not three" for n in [len(troubles)] if n != 3]
    for t in troubles:
        if t.settled_s is None:
            found.append(f"wrong: {t.name}: it did not settle")
        if t.name == "a poison message":
            if not t.most_parked:
                found.append(f"wrong: {t.name}: nothing was seen parked")
        elif t.noticed_s is None:
            found.append(f"wrong: {t.name}: every service said that it was ready")
        elif t.ready_again_s is None:
            found.append(f"wrong: {t.name}: not every service was ready again")
    return found
