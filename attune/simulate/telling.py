"""What a simulated year is told as: a bar while it passes, tables at its end, a report for machines."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from attune.simulate.family import families, life
from attune.simulate.judge import Coverage, Known, Verdict, coverage, judge, waits
from attune.simulate.parameters import City
from attune.simulate.people import Staff
from attune.stack.layout import ROOT

if TYPE_CHECKING:
    from attune.simulate.year import Year

REPORT = ROOT / "reports" / "simulate.json"
_INSTANTS = ("_at", "_seconds", "since", "until")
_CHANCE_IDS = frozenset({"message_id", "task_id"})


@dataclass(frozen=True, slots=True)
class Lived:
    """A year that has passed: what was told in it, and by whom it was lived."""

    shown: Known
    staff: Staff
    seed: int
    city: City
    commands: int
    refused: dict[str, int]
    unexpected: list[str]
    """What was refused and should not have been."""


class Bar:
    """Days, events and the time that is left; without a terminal a line for each month."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("days")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def told(self, day: int, days: int, year: Year) -> None:
        """After each day."""
        self._progress.update(self._task, completed=day, total=days, description=f"{year.events:,} events")
        if not self._console.is_terminal and (day % 30 == 0 or day == days):
            self._console.print(
                f"  day {day:>3} of {days}: {year.sent:,} commands, {year.events:,} events", soft_wrap=True
            )


def tell(lived: Lived, console: Console, report: Path, seconds: float) -> bool:
    """Shows and writes what the year came to. True when nothing is wrong."""
    verdict = judge(lived.shown)
    verdict.note("refused_unexpectedly", lived.unexpected)
    covered = coverage(lived.shown, _teams(lived))
    waited = {n + 1: days for n, t in enumerate(lived.staff.localities) if (days := waits(lived.shown).get(t))}
    console.print(_table(covered))
    for number, days in waited.items():
        ninety = days[int(0.9 * (len(days) - 1))]
        told = f"locality {number}: {len(days)} cases assigned, waited {statistics.median(days):.1f} days (median)"
        console.print(f"  {told}, nine of ten at most {ninety:.1f}", soft_wrap=True)
    for name, figure in verdict.figures.items():
        colour, examples = "bold red" if figure else "bold green", ", ".join(verdict.examples.get(name, ()))
        console.print(f"  {name.replace('_', ' '):<34} [{colour}]{figure}[/]  {examples}", soft_wrap=True)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(_content(lived, verdict, covered, waited, seconds), indent=2) + "\n", "utf-8")
    word = "[bold green]Nobody was forgotten.[/]" if verdict.holds else "[bold red]It does not add up.[/]"
    figures = f"{len(lived.shown.born):,} children, {len(lived.shown.told):,} events, {seconds:,.0f} s"
    console.print(f"{word} {figures}.", soft_wrap=True)
    return verdict.holds


def _teams(lived: Lived) -> dict[UUID, int]:
    """The health visiting team of each child."""
    found = {}
    for family in families(lived.seed, lived.city, lived.staff):
        for act in life(family):
            if act.route in ("POST /births", "POST /arrivals"):
                found[UUID(act.body["child_id"])] = family.team
    return found


def _table(covered: dict[int, Coverage]) -> Table:
    table = Table(title="\nCoverage by health visiting team", title_justify="left", title_style="bold")
    for column in ("team", "reached 56 days", "screened by 56 days", "screened in the window"):
        table.add_column(column, justify="left" if column == "team" else "right")
    for team, c in covered.items():
        of = c.reached_56_days or 1
        shares = [f"{100 * n / of:.1f} %" for n in (c.screened_by_56_days, c.screened_in_window)]
        table.add_row(str(team + 1), f"{c.reached_56_days:,}", *shares)
    return table


def _content(
    lived: Lived, verdict: Verdict, covered: dict[int, Coverage], waited: dict[int, list[float]], seconds: float
) -> dict[str, Any]:
    shown = lived.shown
    return {
        "seed": lived.seed,
        "births": len(shown.born),
        **verdict.figures,
        "holds": verdict.holds,
        "seconds": round(seconds, 1),
        "days": lived.city.days,
        "commands": lived.commands,
        "refused_as_expected": lived.refused,
        "events": len(shown.told),
        "events_by_kind": dict(sorted(Counter(t.kind for t in shown.told).items())),
        "letters": len(shown.letters),
        "fingerprint": fingerprint(shown),
        "examples": verdict.examples,
        "coverage_by_team": {str(team + 1): asdict(c) for team, c in covered.items()},
        "wait_days_by_locality": {
            str(n): {"cases": len(d), "median": round(statistics.median(d), 2), "longest": round(d[-1], 2)}
            for n, d in waited.items()
        },
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def fingerprint(shown: Known) -> str:
    """Of everything that was told; instants, and ids that hang on them, are left out: they differ by milliseconds."""
    lines = []
    for t in shown.told:
        lasting = {k: v for k, v in t.data.items() if not k.endswith(_INSTANTS) and k not in _CHANCE_IDS}
        lines.append(json.dumps([t.kind, lasting], sort_keys=True))
    return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).hexdigest()
