"""What a campaign found, for machines as reports/faults.json and for people as a table."""

from __future__ import annotations

import json
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from attune.stack import jars, postgres
from faults.campaign import Result
from faults.plan import POINTS
from faults.world import Finding

BOUND = 3.0
"""No failure in n trials shows a rate below about 3/n, with 95 % confidence."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One campaign with what was found."""

    result: Result
    findings: Mapping[str, Finding]

    @property
    def holds(self) -> bool:
        return all(f.holds for f in self.findings.values())

    def count(self, kind: str) -> int:
        return sum(f.count for f in self.findings.values() if not f.holds and f.counts_as == kind)

    @property
    def slowest(self) -> float:
        return max([self.result.end.quiet_seconds, *(s.recovery_s for s in self.result.struck)])


def as_dict(runs: Sequence[Judged]) -> dict[str, Any]:
    """The report of one campaign, or of several replays of one plan."""
    plan = runs[0].result.plan
    names = sorted({name for run in runs for name in run.findings})
    strikes = sum(len(plan.faults) - _missed(run) for run in runs)
    return {
        "seed": plan.seed,
        "cases": plan.cases,
        "faults": len(plan.faults),
        "replays": len(runs),
        "plan": [f.as_dict() for f in plan.faults],
        "lost": sum(run.count("lost") for run in runs),
        "twice": sum(run.count("twice") for run in runs),
        "order_breaks": sum(run.count("order") for run in runs),
        "invariants": {n: all(run.findings[n].holds for run in runs if n in run.findings) for n in names},
        "slowest_recovery_s": round(max(run.slowest for run in runs), 2),
        "faults_made": strikes,
        "failure_rate_below": round(BOUND / strikes, 5) if strikes else None,
        "hits": {p: min(run.result.hits[p] for run in runs) for p in POINTS},
        "versions": versions(),
        "runs": [_run(run) for run in runs],
    }


def _missed(run: Judged) -> int:
    return sum(bool(s.not_possible or s.broken) for s in run.result.struck)


def _run(run: Judged) -> dict[str, Any]:
    r = run.result
    return {
        "seconds": round(r.seconds, 1),
        "requests": len(r.world.answers),
        "by_status": dict(sorted(Counter(str(a.status) for a in r.world.answers).items())),
        "cases": dict(sorted(r.cases.items())),
        "bad_messages": len(r.end.bad_messages),
        "parked": len(r.end.parked),
        "sent_again_by_a_person": r.end.repeated,
        "quiet_s": round(r.end.quiet_seconds, 2),
        "machine_share": round(r.machine_share, 2),
        "hits": {p: r.hits[p] for p in POINTS},
        "ended": dict(sorted(r.ends.items())),
        "struck": [
            {"number": s.fault.number, "began_s": s.began_s, "ended_s": s.ended_s, "recovery_s": s.recovery_s}
            | {"starved_s": s.starved_s}
            | {"told": dict(s.told)}
            | ({"not_possible": s.not_possible} if s.not_possible else {})
            | ({"broken": s.broken} if s.broken else {})
            | ({"waited_for": s.waited_for} if s.waited_for else {})
            for s in r.struck
        ],
        "findings": {
            f.name: {"holds": f.holds, "looked_at": f.looked_at, "count": f.count, "broken": list(f.broken)}
            for f in run.findings.values()
        },
    }


def versions() -> dict[str, str]:
    """Of everything whose behaviour the result depends on."""
    packages = ("faststream", "aiokafka", "asyncpg", "fastapi", "pydantic", "uvloop")
    told = subprocess.run([postgres.programs() / "postgres", "--version"], capture_output=True, text=True, check=True)
    server = told.stdout.split()[-1]
    return {"python": platform.python_version(), "kafka": jars.KAFKA_VERSION, "postgresql": server} | {
        name: version(name) for name in packages
    }


def write(path: Path, runs: Sequence[Judged]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_dict(runs), indent=1) + "\n")


def show(console: Console, run: Judged) -> None:
    """One table of invariants, then what is broken, sentence by sentence."""
    table = Table(box=None, pad_edge=False)
    for column in ("invariant", "looked at", "broken", ""):
        table.add_column(column, justify="right" if column in ("looked at", "broken") else "left")
    for f in sorted(run.findings.values(), key=lambda f: (f.holds, f.name)):
        table.add_row(
            f.name, str(f.looked_at), str(f.count or ""), "[green]holds[/]" if f.holds else "[bold red]broken[/]"
        )
    console.print(table)
    for f in run.findings.values():
        for sentence in () if f.holds else f.broken[:8]:
            console.print(f"[red]{f.name}[/]: {escape(sentence)}", highlight=False, soft_wrap=True)
    _figures(console, run)


def _figures(console: Console, run: Judged) -> None:
    r = run.result
    missed = [f"{s.fault.kind} ({s.not_possible or s.broken})" for s in r.struck if s.not_possible or s.broken]
    hits = ", ".join(f"{p} {r.hits[p]}" for p in POINTS)
    console.print(f"struck at points: {hits}", highlight=False)
    if missed:
        console.print(f"[yellow]not made:[/] {escape('; '.join(missed))}", highlight=False)
    console.print(
        f"[bold]{r.cases.total()} cases, {len(r.world.answers)} requests, {len(r.struck) - len(missed)} faults "
        f"in {r.seconds:.0f} s: {run.count('lost')} lost, {run.count('twice')} twice, "
        f"{run.count('order')} out of order, slowest recovery {run.slowest:.1f} s; "
        f"we got {r.machine_share:.0%} of a processor[/]",
        highlight=False,
    )
