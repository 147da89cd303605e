"""`attune simulate`: a seeded city lives through a year on a stack of its own, and is judged from outside."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attune.addresses import Addresses, readable_errors
from attune.simulate.telling import REPORT, Bar, Lived, tell
from attune.stack.layout import Layout

if TYPE_CHECKING:
    from rich.console import Console

    from attune.simulate.parameters import City


def simulate(  # noqa: PLR0917 - options, given by name
    seed: Annotated[int, typer.Option(help="The same seed gives the same people, and the same events.")] = 1,
    births: Annotated[int, typer.Option(min=1, help="Births in the year.")] = 9_000,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=NUMBER", help="Another number of the city; may be repeated."),
    ] = None,
    stack: Annotated[str, typer.Option("--name", help="Name of the stack that it runs on.")] = "city",
    afresh: Annotated[bool, typer.Option("--afresh", help="Begin anew, whatever was begun before.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running at the end, to look around.")] = False,
    report: Annotated[Path, typer.Option("--report", show_default="reports/simulate.json")] = REPORT,
) -> None:
    """Let a year of a city pass on real services, by their public APIs alone, and check that nobody was forgotten.

    Interrupted, it goes on where it was when it is started again. Exit status 1 when anything does not add up.
    """
    from rich.console import Console

    from attune.asking import Refusal
    from attune.simulate.ears import DoesNotRest
    from attune.simulate.parameters import City, UnknownParameter
    from attune.simulate.year import AnotherCity
    from attune.stack.stack import StackFailed

    console = Console(highlight=False)
    began = time.monotonic()
    with readable_errors(Refusal, DoesNotRest, UnknownParameter, AnotherCity, StackFailed):
        given = [pair.partition("=") for pair in with_ or ()]
        city = City(births=births).with_({name: number for name, _, number in given})
        lived = _live(city, seed, stack, console, afresh=afresh, keep=keep)
    holds = tell(lived, console, report, time.monotonic() - began)
    if not holds:
        raise typer.Exit(1)
    if not keep:
        _forget(Layout.named(stack))


def _live(city: City, seed: int, name: str, console: Console, *, afresh: bool, keep: bool) -> Lived:
    """The year on a stack of its own, which ends with it unless it is to be kept; what was told remains."""
    from attune.simulate.records import known
    from attune.simulate.year import Year
    from attune.stack.plan import TIME_CAN_BE_SET
    from attune.stack.stack import Stack, down

    layout = Layout.named(name)
    if afresh:
        _forget(layout)
    console.print(f"[bold]A city with {city.births:,} births[/]  seed {seed}, stack {name}")
    running = Stack.up(name, environment=dict(TIME_CAN_BE_SET))
    try:
        with Bar(console) as bar:
            year = Year(running, seed, city, layout.directory / "simulation.json", bar.told)
            staff = asyncio.run(year.live())
        letters = Path(running.environment("notification")["ATTUNE_FILE_CHANNEL"])
        addresses = Addresses.of(running.summary)
        with console.status("the judge reads what was told"):
            shown = asyncio.run(known(addresses, letters, asyncio.run(_now(addresses))))
    finally:
        if not keep:
            down(layout)
    return Lived(shown, staff, seed, city, year.sent, year.refused, year.unexpected)


async def _now(addresses: Addresses) -> datetime:
    from attune.asking import Asking
    from attune.clock import time_of

    async with Asking(addresses) as asking:
        return await time_of(asking)


def _forget(layout: Layout) -> None:
    import shutil

    from attune.stack.stack import down

    down(layout)
    shutil.rmtree(layout.directory, ignore_errors=True)
