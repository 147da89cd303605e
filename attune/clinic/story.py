"""Tells a day as it happens: listens to Kafka like any subscriber and says each event in a line."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from attune.addresses import Addresses
from attune.sighting import Sighting, fact
from attune.watch import sightings
from attune.wording import SERVICE_STYLES, Names, lasting, short, style_of
from attune_contracts.notification import MessageSent

COMES_WITHIN_SECONDS = 5.0
_MARKS = {"screening": "screening", "referral": "  referral", "notification": "    mail", "workforce": "workforce"}
"""How far along the chain a line is: a result, what the specialists do, who is told."""

_BEGINS = ("screening", "workforce")
"""What begins something new: the time since the event before says nothing."""


class Story:
    """Everything heard so far; what is heard while `telling` becomes a line on the console."""

    def __init__(self, addresses: Addresses, console: Console, names: Names) -> None:
        self._addresses, self._console, self._names = addresses, console, names
        self.telling = False
        self.at_most: int | None = None
        """How many lines of one kind are told in full; the others are counted."""
        self._lines: Counter[str] = Counter()
        self.heard: Counter[str] = Counter()
        """Events by class name."""
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])

    async def caught_up(self, events: int) -> None:
        """Waits until so many events have been heard, for a short while; raises what the listener raised."""
        deadline = asyncio.get_running_loop().time() + COMES_WITHIN_SECONDS
        while self.heard.total() < events and asyncio.get_running_loop().time() < deadline:
            if self._listening is not None and self._listening.done():
                self._listening.result()
            await asyncio.sleep(0.01)

    async def _listen(self) -> None:
        async with aclosing(sightings(self._addresses.broker(), since_start=True, backlog_seconds=0.05)) as groups:
            async for group in groups:
                for s in group:
                    self.heard[type(s.event).__name__ if s.event is not None else "unreadable"] += 1
                    if self.telling:
                        self._tell(s)

    def _tell(self, s: Sighting) -> None:
        kind = f"{s.service}: {fact(s, lambda _: '...').partition(',')[0].partition(' 20')[0]}"
        self._lines[kind] += 1
        if self.at_most is None or self._lines[kind] <= self.at_most:
            self._console.print(told(s, self._names), no_wrap=True, overflow="ellipsis")

    def end_step(self) -> None:
        """Says how many lines were not told, and begins to count anew."""
        for kind, lines in self._lines.items():
            if self.at_most is not None and lines > self.at_most:
                self._console.print(f"[dim]{'':<8}  ... and {lines - self.at_most} more of {kind}[/]")
        self._lines.clear()


def told(s: Sighting, names: Names) -> Text:
    """One line of the story: the child, where along the chain, what happened, how long after the step before."""
    text = Text(no_wrap=True, overflow="ellipsis")
    child = getattr(s.event, "child_id", None)
    unnamed = "unnamed" if hasattr(s.event, "child_id") else ""
    text.append(f"{short(child) if child is not None else unnamed:<8}  ", "dim")
    text.append(f"{_MARKS.get(s.service, s.service):<10}  ", SERVICE_STYLES.get(s.service, ""))
    text.append(fact(s, names), "green" if isinstance(s.event, MessageSent) else style_of(s.event))
    if s.waited is not None and s.service not in _BEGINS:
        text.append(f"  +{lasting(s.waited)}", "dim")
    return text
