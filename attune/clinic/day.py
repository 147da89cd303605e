"""Runs a sample day against a running system, step after step, and reckons it up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console

from attune.addresses import Addresses, NotReachable
from attune.asking import Asking, Refusal
from attune.clinic.sample import Closure, Consultation, Leaving, Passing, Sample, Screenings, Step, Work
from attune.clinic.story import Story
from attune.clinic.world import World
from attune.clock import NOT_ALLOWED, time_of
from attune.facts import Facts, Gatherer
from attune.reconcile import Reckoning, reckon

SETTLES_WITHIN_SECONDS = 45.0
"""Longest wait until everything that follows from a step has happened."""
LOOK_AGAIN_SECONDS = 0.1
LINES_OF_A_KIND = 3
"""Where many days pass at once, so many clocks are heard that only the first of a kind are told."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a day came to."""

    reckoning: Reckoning
    facts: Facts
    prepared_seconds: float
    day_seconds: float
    check_seconds: float


async def live(
    addresses: Addresses, sample: Sample, console: Console, kind: Callable[..., Day] | None = None
) -> Outcome:
    """One day from the first appointment to the last message. Raises Refusal, or NotReachable also where data is.

    A step that does not settle in time ends the day: the reckoning says what is missing. `kind`: another sort of day.
    """
    async with Asking(addresses) as asking, Gatherer(addresses) as gatherer:
        if (await gatherer.facts(with_topics=False)).journal:
            raise NotReachable("this stack has data already; the day can only be reckoned up on a fresh one")
        try:
            await time_of(asking)
        except Refusal as refusal:
            raise NotReachable(NOT_ALLOWED) from refusal  # the second half of the story is weeks later
        world = World(sample, asking)
        async with Story(addresses, console, world.name) as story:
            day = (kind or Day)(world, gatherer, story, console)
            began = time.monotonic()
            settled = await day.prepare()
            prepared = time.monotonic()
            for step in sample.day.steps:
                settled = settled and await day.step(step)
            ended = time.monotonic()
            if not settled:
                console.print(
                    f"[bold red]Not everything followed within {SETTLES_WITHIN_SECONDS:.0f} s: it ends here.[/]"
                )
        with console.status("comparing databases, topics and mails"):
            facts = day.explained(await gatherer.facts())
        reckoning = reckon(facts, world.answered)
    return Outcome(reckoning, facts, prepared - began, ended - prepared, time.monotonic() - ended)


class Day:
    """An ordinary day."""

    def __init__(self, world: World, gatherer: Gatherer, story: Story, console: Console) -> None:
        self._world, self._gatherer, self._story, self._console = world, gatherer, story, console

    def explained(self, facts: Facts) -> Facts:
        """The facts without what the day itself did to the system."""
        return facts

    async def prepare(self) -> bool:
        """Everybody and everything that is there before the day begins. False: it did not settle."""
        with self._console.status("staff, certificates, addresses, families and births"):
            await self._world.prepare()
            settled = await self._settled()
        n = self._story.heard
        certificates = f"{n['CompetenceAwarded']} certificates ({n['CompetenceExpired']} ran out)"
        families = f"{n['PregnancyRegistered']} expected children, {n['BirthRecorded']} births"
        self._console.print(
            f"[bold]Before the day[/]  {n['PractitionerRegistered']} practitioners, {certificates}, {families}"
        )
        return settled

    async def step(self, step: Step) -> bool:
        """One step, until nothing more follows from it. False: it did not settle."""
        self._console.print(f"\n[bold]{step.title}[/]{_counted(step)}")
        self._story.telling = True
        self._story.at_most = LINES_OF_A_KIND if isinstance(step, Passing) else None
        await self._done(step)
        settled = await self._settled()
        self._story.telling = False
        self._story.end_step()
        return settled

    def _done(self, step: Step) -> Awaitable[None]:
        if isinstance(step, Screenings):
            return self._world.screen(step.screenings)
        if isinstance(step, Consultation):
            return self._world.request(step)
        if isinstance(step, Leaving):
            return self._world.leave(step)
        if isinstance(step, Closure):
            return self._world.close(step)
        if isinstance(step, Work):
            return self._world.work(step)
        return self._world.let_pass(step)

    async def _settled(self) -> bool:
        """Until every event is handled, every case has its place and every message has left; and the story heard it."""
        deadline = time.monotonic() + SETTLES_WITHIN_SECONDS
        while (told := await self._told_at_rest()) is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        await self._story.caught_up(told or 0)
        return told is not None

    async def _told_at_rest(self) -> int | None:
        """How many events were told, once nothing more follows from them; None before."""
        facts = await self._gatherer.facts(with_topics=False)
        if reckon(facts).faults or any((await self._gatherer.unread()).values()):
            return None
        # Everything told so far has been read; it is the end only if nothing more was told meanwhile.
        before, facts = facts, await self._gatherer.facts(with_topics=False)
        at_rest = len(facts.journal) == len(before.journal) and not reckon(facts).faults
        return len(facts.journal) if at_rest else None


def _counted(step: Step) -> str:
    many = isinstance(step, Screenings) and len(step.screenings) > 1
    return f"  [dim]{len(step.screenings)} screenings[/]" if isinstance(step, Screenings) and many else ""
