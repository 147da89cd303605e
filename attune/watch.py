"""`attune watch`: every event of the four topics in the terminal, as it happens."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attune.addresses import Addresses, NotReachable, StackOption, plain_output, readable_errors

if TYPE_CHECKING:
    from attune.sighting import Sighting
    from chassis.broker import Broker
    from chassis.parked import Record

TOGETHER_SECONDS = 0.04
"""Records of different topics that arrive within this time are put in order before they are shown."""
BACKLOG_SECONDS = 0.6
"""A backlog arrives topic by topic: it is shown, in order, once nothing more came for this long."""

LONGEST_GROUP_QUIETS = 20
"""A stream that never pauses is shown after this many times the pause that was waited for."""
LOST_BROKER_SECONDS = 10.0


def watch(
    type_: Annotated[
        str | None, typer.Option("--type", metavar="GLOB", help="Only such types: 'case-*', 'referral/*', '*concern*'.")
    ] = None,
    child: Annotated[
        str | None, typer.Option("--child", metavar="ID", help="Only this child (or case): an id, or its last part.")
    ] = None,
    since_start: Annotated[bool, typer.Option("--since-start", help="Begin with everything Kafka still has.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One CloudEvents JSON per line.")] = False,
    stack: StackOption = "default",
) -> None:
    """Show every event as it happens: time, service and type, child, outcome, waited since the one before."""
    from attune import sighting

    with readable_errors():
        broker = Addresses.running(stack).broker()
        wanted = sighting.Wanted(type_, child)
        show = _lines(sighting.as_json, plain_output()) if as_json else _terminal(stack)
        logging.getLogger("aiokafka").addHandler(_LostBroker())
        with suppress(KeyboardInterrupt):
            asyncio.run(_show(broker, wanted, show, since_start=since_start))


class _LostBroker(logging.Handler):
    """Kafka's client waits for a broker that went away, and says so many times a second: here once in a while."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._said = -LOST_BROKER_SECONDS

    def emit(self, record: logging.LogRecord) -> None:
        if record.created - self._said >= LOST_BROKER_SECONDS:
            self._said = record.created
            sys.stderr.write("attune: Kafka does not answer; waiting for it\n")


def _lines(of: Callable[[Sighting], str], out: Callable[[str], None]) -> Callable[[Sighting], None]:
    return lambda s: out(of(s))


def _terminal(stack: str) -> Callable[[Sighting], None]:
    from rich.console import Console

    from attune.sighting import WIDE, line

    console = Console(highlight=False)
    terminal = console.is_terminal
    if terminal:
        console.print(
            f"[dim]watching {stack}: time, event, child, waited since the one before, what it says. Ctrl-C ends it.[/]"
        )
    overflow: Literal["ellipsis", "ignore"] = "ellipsis" if terminal else "ignore"

    def show(s: Sighting) -> None:
        wide = not terminal or console.width >= WIDE
        console.print(line(s, wide=wide), no_wrap=True, overflow=overflow, crop=terminal, soft_wrap=not terminal)

    return show


async def _show(
    broker: Broker, wanted: Callable[[Sighting], bool], show: Callable[[Sighting], None], *, since_start: bool
) -> None:
    async with aclosing(sightings(broker, since_start=since_start)) as groups:
        async for group in groups:
            for s in group:
                if wanted(s):
                    show(s)


async def sightings(
    broker: Broker, *, since_start: bool, backlog_seconds: float = BACKLOG_SECONDS
) -> AsyncGenerator[list[Sighting], None]:
    """Records of all topics as they come, those that came together in order. Raises NotReachable."""
    from attune.sighting import Chain, seen
    from attune_contracts.catalogue import SERVICES, topic

    records: asyncio.Queue[Record | Exception] = asyncio.Queue()
    tail = asyncio.create_task(_tail(broker, [topic(s) for s in SERVICES], records, since_start=since_start))
    chain, quiet_for = Chain(), backlog_seconds if since_start else TOGETHER_SECONDS
    try:
        while True:
            group = [seen(r) for r in await _together(records, quiet_for)]
            quiet_for = TOGETHER_SECONDS
            yield chain.linked(group)
    finally:
        tail.cancel()
        await asyncio.wait([tail])


async def _tail(
    broker: Broker, topics: list[str], records: asyncio.Queue[Record | Exception], *, since_start: bool
) -> None:
    try:
        async with aclosing(broker.tail(topics, from_start=since_start)) as tail:  # type: ignore[type-var]
            async for record in tail:
                records.put_nowait(record)
    except Exception as error:
        where = ", ".join(broker.bootstrap)
        records.put_nowait(NotReachable(f"Kafka does not answer at {where} ({type(error).__name__})"))


async def _together(records: asyncio.Queue[Record | Exception], quiet_for: float) -> list[Record]:
    """The next record and what follows it closely. Raises what the tail raised."""
    group = [await records.get()]
    clock = asyncio.get_running_loop().time
    at_last = clock() + LONGEST_GROUP_QUIETS * quiet_for
    while clock() < at_last:
        try:
            group.append(await asyncio.wait_for(records.get(), quiet_for))
        except TimeoutError:
            break
    for found in group:
        if isinstance(found, Exception):
            raise found
    return [found for found in group if not isinstance(found, Exception)]
