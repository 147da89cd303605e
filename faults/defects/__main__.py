"""`make defects`: tries every defect, or those that are named, and says which test caught which."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from attune.stack.stack import Stack
from faults.defects.defect import Defect, OutOfDate, every_defect
from faults.defects.trial import ROOT, Outcome, base_copy, run, spoilt_copy

REPORT = ROOT / "reports" / "defects.json"
_SERVER_SETTINGS = ("max_connections=300", "max_locks_per_transaction=256", "shared_buffers=64MB")


def main() -> int:
    """Ends with 0 when every defect was caught, 1 when one was not, 2 when the control says that nothing is proved."""
    asked = _arguments()
    console = Console(soft_wrap=True)
    defects = [d for d in every_defect() if not asked.names or d.name in asked.names]
    unknown = set(asked.names) - {d.name for d in defects}
    if unknown:
        console.print(f"there is no defect {', '.join(sorted(unknown))}")
        return 2
    began = time.monotonic()
    try:
        outcomes = _try_all(defects, asked.workers, console)
    except (OutOfDate, _ControlFailed) as problem:
        console.print(str(problem), markup=False)
        return 2
    seconds = time.monotonic() - began
    console.print(_table(defects, outcomes))
    missed = [d.name for d in defects if outcomes[d.name].verdict != "caught"]
    for name in missed:
        console.print(f"\n{name} {outcomes[name].verdict}:\n{outcomes[name].output}", markup=False, style="red")
    console.print(f"{len(defects) - len(missed)} of {len(defects)} defects caught in {seconds:.0f} s.")
    if not asked.names:
        _write(defects, outcomes, seconds, asked.workers)
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make defects", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these defects")
    parser.add_argument("--workers", type=int, default=2, help="copies that are tested at the same time")
    return parser.parse_args()


class _ControlFailed(Exception):
    """Without any defect, a test that should catch one fails already."""


def _try_all(defects: Sequence[Defect], workers: int, console: Console) -> dict[str, Outcome]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="attune-defects-") as directory,
        console.status("starting Kafka and PostgreSQL"),
        _servers() as stack,
    ):
        servers = {"ATTUNE_TEST_POSTGRES": stack.administrator_dsn(), "ATTUNE_TEST_KAFKA": stack.bootstrap}
        base = base_copy(Path(directory) / "sources")
        for defect in defects:
            defect.applied(base)
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("without a defect", total=len(defects))
            control = run(base, sorted({t for d in defects for t in d.tests}), servers, workers=workers)
            if control.verdict != "survived":
                raise _ControlFailed(f"Without a defect: {', '.join(control.failed) or 'broken'}\n{control.output}")
            outcomes: dict[str, Outcome] = {}
            with ThreadPoolExecutor(workers) as threads:
                trials = {threads.submit(_try, base, defect, servers): defect for defect in defects}
                for done in as_completed(trials):
                    name = trials[done].name
                    outcomes[name] = done.result()
                    progress.update(bar, advance=1, description=f"{name} {outcomes[name].verdict}")
                    if not console.is_terminal:
                        console.print(f"{outcomes[name].verdict:<8} {outcomes[name].seconds:4.0f} s  {name}")
    return outcomes


def _servers() -> Stack:
    return Stack.temporary(
        services=(),
        servers=("postgres", "kafka"),
        fsync=False,
        trusting=True,
        postgres_settings=_SERVER_SETTINGS,
    )


def _try(base: Path, defect: Defect, servers: dict[str, str]) -> Outcome:
    with tempfile.TemporaryDirectory(prefix=f"{defect.name}-", dir=base.parent) as directory:
        return run(spoilt_copy(base, Path(directory) / "sources", defect), defect.tests, servers)


def _table(defects: Sequence[Defect], outcomes: dict[str, Outcome]) -> Table:
    shown = Table(title="Defects put in on purpose", title_justify="left", title_style="bold")
    for column in ("defect", "breaks", "", "caught by", "s"):
        shown.add_column(column, overflow="fold")
    for defect in defects:
        o = outcomes[defect.name]
        colour = "green" if o.verdict == "caught" else "bold red"
        by = "\n".join(test.removeprefix("tests/").partition("[")[0] for test in o.failed)
        shown.add_row(defect.name, defect.breaks, f"[{colour}]{o.verdict}[/]", by, f"{o.seconds:.0f}")
    return shown


def _write(defects: Sequence[Defect], outcomes: dict[str, Outcome], seconds: float, workers: int) -> None:
    found = [
        {
            "name": d.name,
            "breaks": d.breaks,
            "says": d.says,
            "verdict": outcomes[d.name].verdict,
            "caught_by": list(outcomes[d.name].failed),
            "seconds": round(outcomes[d.name].seconds, 1),
        }
        for d in defects
    ]
    caught = sum(entry["verdict"] == "caught" for entry in found)
    report = {"defects": len(found), "caught": caught, "seconds": round(seconds), "workers": workers, "each": found}
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
