"""`attune setup`, `attune up` and `attune down`."""

import os
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from attune.stack import jars, kafka, ports
from attune.stack.layout import DEFAULT_NAME, BadStackName, Layout, every_stack
from attune.stack.leftovers import remove
from attune.stack.plan import TIME_CAN_BE_SET
from attune.stack.stack import Stack, StackFailed
from attune.stack.stack import down as take_down

Name = Annotated[str, typer.Option("--name", help="Which stack; several can stand side by side.")]


def setup() -> None:
    """Fetch Kafka and make its start fast. Costs nothing the second time."""
    console = Console()
    began = time.monotonic()
    fetched = _fetch(console)
    if not kafka.seed().is_file():
        with console.status("preparing a cluster's first metadata"):
            kafka.make_seed()
    if not kafka.archive().is_file():
        with console.status("recording a broker's start, so that later ones take a second"):
            chosen = ports.choose({}, ("broker", "quorum"))
            if kafka.make_archive(chosen["broker"], chosen["quorum"]) is None:
                console.print("this Java records no starts: the broker will take a few seconds longer each time")
    what = f"{fetched} jars fetched" if fetched else "everything was there"
    console.print(f"Kafka {jars.KAFKA_VERSION} is ready: {what} ({time.monotonic() - began:.1f} s)")


def _fetch(console: Console) -> int:
    columns = (TextColumn("Kafka's jars"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("jars", total=None)
        total = sum(jar.size for jar in jars.missing())
        steps = max(total // 4, 1)
        printed = 0

        def progress(done: int, of: int, size: int) -> None:
            nonlocal printed
            bar.update(task, total=total, completed=size)
            if not console.is_terminal and size // steps > printed:
                printed = size // steps
                console.print(f"Kafka's jars: {done} of {of}, {size / 1e6:.0f} of {total / 1e6:.0f} MB")

        return jars.fetch(progress)


def up(
    name: Name = DEFAULT_NAME,
    time_can_be_set: Annotated[
        bool, typer.Option("--time-can-be-set", help="Allow `attune clock` to set its time ahead.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL, the mail sink and the services in the background."""
    console = Console()
    began = time.monotonic()
    try:
        with console.status("starting"):
            stack = Stack.up(
                name,
                lambda part, seconds: console.print(f"  {part:<22} ready after {seconds:5.2f} s"),
                environment=dict(TIME_CAN_BE_SET) if time_can_be_set else {},
            )
    except (StackFailed, BadStackName) as failure:
        _complain(console, "not started", failure)
        raise typer.Exit(1) from None
    if time_can_be_set and not stack.plan.environment.items() >= TIME_CAN_BE_SET.items():
        _complain(console, "its time cannot be set", RuntimeError(f"it runs already: attune down --name {name}, first"))
        raise typer.Exit(1)
    console.print(_addresses(stack))
    console.print(f"all ready in {time.monotonic() - began:.1f} s; details in {_short(stack.layout)}", highlight=False)


def _complain(console: Console, what: str, failure: Exception) -> None:
    console.print(f"[bold red]{what}:[/] {escape(str(failure))}", highlight=False, soft_wrap=True)


def _addresses(stack: Stack) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    rows = stack.summary["services"] | {"Kafka": stack.summary["kafka"]["bootstrap"], "SMTP": stack.summary["smtp"]}
    for name, address in rows.items():
        table.add_row(name, str(address))
    table.add_row("logs", os.path.relpath(stack.layout.logs))
    return table


def _short(layout: Layout) -> str:
    return os.path.relpath(layout.summary)


def down(
    name: Name = DEFAULT_NAME,
    every: Annotated[bool, typer.Option("--all", help="Every stack of this clone.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove its data too.")] = False,
) -> None:
    """Stop a stack. Its data stays for the next `up`."""
    console = Console()
    began = time.monotonic()
    stopped = 0
    try:
        with console.status("stopping"):
            for layout in every_stack() if every else (Layout.named(name),):
                stopped += len(take_down(layout))
                if forget:
                    remove(layout)
    except BadStackName as failure:
        _complain(console, "not stopped", failure)
        raise typer.Exit(1) from None
    if stopped:
        console.print(f"stopped {stopped} processes in {time.monotonic() - began:.1f} s")
    else:
        console.print("nothing was running")
