"""`attune demo`: a day of a clinic on a real stack of its own, from screening to mail, and a check of it all."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attune.addresses import Addresses, readable_errors
from attune.stack.layout import ROOT

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from attune.clinic.day import Outcome
    from attune.stack.stack import Stack

REPORT = ROOT / "reports" / "demo.json"


def demo(
    report: Annotated[
        Path, typer.Option("--report", help="Where the figures go, as JSON.", show_default="reports/demo.json")
    ] = REPORT,
    samples: Annotated[Path | None, typer.Option("--samples", help="Another directory with the three files.")] = None,
    stack: Annotated[
        str | None,
        typer.Option(
            "--stack", metavar="NAME", help="A running stack without data whose time can be set, or its stack.json."
        ),
    ] = None,
) -> None:
    """Live through a day of a clinic on real Kafka and PostgreSQL, with real mail; then check that it adds up.

    Fresh data in a stack of its own, which ends with the command. Exit status 1 if anything was lost or told twice.
    """
    from rich.console import Console

    from attune.asking import Refusal
    from attune.clinic.day import live
    from attune.clinic.sample import SAMPLES, SampleBroken, load
    from attune.stack.stack import StackFailed

    console = Console(highlight=False)
    began = time.monotonic()
    with readable_errors(Refusal, SampleBroken, StackFailed):
        sample = load(samples or SAMPLES)
        with _system(stack, console, report.parent) as addresses:
            outcome = asyncio.run(live(addresses, sample, console))
            console.print(table(outcome))
            if outcome.reckoning.faults:
                raise _DoesNotAddUp
    seconds = time.monotonic() - began
    _write(report, outcome, seconds)
    _close(console, outcome, report, seconds, left_running=stack is not None)
    if outcome.reckoning.faults:
        raise typer.Exit(1)


class _DoesNotAddUp(Exception):
    """The check found something: the logs are worth keeping."""


@contextmanager
def _system(stack: str | None, console: Console, logs: Path) -> Iterator[Addresses]:
    """The system that is asked for, or a new one, stopped at the end; where something went wrong, its logs are kept."""
    if stack is not None:
        with suppress(_DoesNotAddUp):
            yield Addresses.running(stack)
        return
    made = started(console)
    try:
        yield Addresses.of(made.summary)
    except _DoesNotAddUp:
        keep_logs(made, logs)
    except Exception:
        keep_logs(made, logs)
        raise
    finally:
        with console.status("stopping"):
            made.stop()


def started(console: Console) -> Stack:
    """A new stack with everything ready; says which part is, since the first time takes a while."""
    from attune.stack.plan import TIME_CAN_BE_SET
    from attune.stack.stack import Stack

    ready: list[str] = []
    with console.status("starting Kafka, PostgreSQL, a mail sink and four services") as status:

        def told(part: str, seconds: float) -> None:
            ready.append(f"{part} {seconds:.1f}")
            status.update(f"starting; ready after seconds: {', '.join(ready)}")
            if not console.is_terminal:
                console.print(f"  {part:<22} ready after {seconds:5.1f} s")

        stack = Stack.temporary(told, environment=dict(TIME_CAN_BE_SET))
    if console.is_terminal:
        console.print(f"[bold]Ready after seconds[/]  {', '.join(ready)}")
    return stack


def table(outcome: Outcome) -> RenderableType:
    """The day in figures, each beside what it was compared with."""
    from rich.table import Table

    r, facts = outcome.reckoning, outcome.facts
    shown = Table(
        title="\nThe day, checked against databases, topics and mails", title_justify="left", title_style="bold"
    )
    shown.add_column("what")
    shown.add_column("", justify="right", style="bold")
    shown.add_column("checked against", style="dim")
    outcomes = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in r.by_outcome.items())
    by_screening = sum(c.screening_id is not None for c in facts.cases)
    asked = f"{by_screening} after a concern, {r.consultations - by_screening} asked directly"
    in_topics = sum(len(set(ids)) for ids in (facts.topics or {}).values())
    mails = f"{r.required} required by the events; {len(facts.mails or ())} mails in the sink, each once"
    rows: list[tuple[str, int, str]] = [
        ("screenings", sum(r.by_outcome.values()), outcomes),
        (
            "concerns in",
            r.concerns,
            f"{r.by_outcome.get('urgent_concern', 0)} urgent; each has exactly one consultation",
        ),
        ("consultations", r.consultations, asked),
        ("  assigned", r.assigned, "rows of the cases, points in the pool, and the events replayed"),
        ("  waiting", r.waiting, "more concerns than free places; each has one place on the list"),
        ("  closed", r.ended, "points given back"),
        ("handed over", r.handed_over, "nobody who left has a case"),
        ("messages", r.messages, mails),
        ("events", r.events, f"in the journals; {in_topics} in Kafka, in order; all read by all readers"),
        ("parked", r.parked, "inputs that could not be handled"),
    ]
    for what, figure, against in rows:
        shown.add_row(what, f"{figure:,}", against)
    for what, figure in (("lost", r.lost), ("twice", r.twice)):
        shown.add_row(what, f"[{'bold red' if figure else 'bold green'}]{figure}[/]", "must be 0")
    return shown


def _close(console: Console, outcome: Outcome, report: Path, seconds: float, *, left_running: bool) -> None:
    faults = outcome.reckoning.faults
    for fault in faults[:20]:
        console.print(f"[bold red]{fault.kind}[/] {fault.what}")
    if len(faults) > 20:
        console.print(f"... and {len(faults) - 20} more in {_near(report)}")
    verdict = "[bold red]It does not add up.[/]" if faults else "[bold green]Everything adds up.[/]"
    running = "" if left_running else ", nothing is left running"
    console.print(f"{verdict} {seconds:.1f} s in all; the figures are in {_near(report)}{running}.")
    if left_running:
        return
    if not faults:
        console.print(
            "[dim]To look around in it yourself: .venv/bin/attune up --time-can-be-set, "
            ".venv/bin/attune demo --stack default; then attune status, case, parked, watch, and make down[/]"
        )
    else:
        console.print(f"[dim]The logs of the services are in {_near(report.parent / 'demo-logs')}.[/]")


def _write(report: Path, outcome: Outcome, seconds: float) -> None:
    parts = {
        "prepared_seconds": round(outcome.prepared_seconds, 2),
        "day_seconds": round(outcome.day_seconds, 2),
        "check_seconds": round(outcome.check_seconds, 2),
        "seconds": round(seconds, 2),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(outcome.reckoning.as_dict() | parts, indent=2) + "\n", "utf-8")


def keep_logs(stack: Stack, directory: Path) -> None:
    kept = directory / "demo-logs"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(stack.layout.logs, kept, dirs_exist_ok=True)


def _near(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
