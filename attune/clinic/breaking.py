"""A day on which the broker is killed, the database crashes and a record cannot be read, while people work on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
from rich.console import Console

from attune import status
from attune.addresses import Addresses, NotReachable
from attune.asking import Asking
from attune.clinic.day import LOOK_AGAIN_SECONDS, Day
from attune.clinic.sample import Screenings, Step
from attune.clinic.sight import Sight, Trouble, look
from attune.clinic.story import Story
from attune.clinic.world import World
from attune.facts import Facts, Gatherer
from attune.stack.stack import Stack
from attune.upkeep import readers_of
from attune_contracts.catalogue import topic
from chassis.health import STALE_SECONDS

PATIENCE_S = 90.0
"""How long a device sends a result again, and how long everything may take to follow."""
SIGHT_S = 0.3
SEEN_WITHIN_S = 30.0
CRASHES_FOR_S = 1.6 * STALE_SECONDS


class BreakingDay(Day):
    """Breaks something in three of the day's clinics and tells what an operator sees."""

    stack: Stack
    addresses: Addresses
    troubles: list[Trouble]

    @classmethod
    def on(cls, stack: Stack) -> Callable[..., BreakingDay]:
        """Makes such a day on this stack."""

        def made(world: World, gatherer: Gatherer, story: Story, console: Console) -> BreakingDay:
            day = cls(world, gatherer, story, console)
            day.stack, day.addresses, day.troubles = stack, Addresses.of(stack.summary), []
            day._unreadable, day._since, day._crashing = 0, 0.0, None
            return day

        return made

    _unreadable: int
    _since: float
    _crashing: asyncio.Task[None] | None

    def explained(self, facts: Facts) -> Facts:
        return replace(facts, unreadable=facts.unreadable - self._unreadable)

    async def step(self, step: Step) -> bool:
        clinics = [s for s in self._world.sample.day.steps if isinstance(s, Screenings)]
        if step not in clinics or len(self.troubles) == len(self._breaks):
            return await super().step(step)
        name, strike, attend = self._breaks[len(self.troubles)]
        self._console.print(f"\n[bold]{step.title}[/]  [bold red]{name}[/]")
        trouble = Trouble(name)
        self.troubles.append(trouble)
        self._world.patience_s = PATIENCE_S
        self._since = time.monotonic()
        looking = asyncio.create_task(self._look_on(trouble))
        try:
            await strike(self, step)
            await self._done(step)
            await attend(self, step)
            settled = await self._settled_in_the_end(trouble)
            trouble.settled_s = time.monotonic() - self._since
        finally:
            looking.cancel()
            await asyncio.wait([looking])
        self._say(f"settled: {len(step.screenings) if isinstance(step, Screenings) else 1} results, each once", "green")
        return settled

    # --- what is broken, and what an operator does about it -----------------------------------------------------------

    async def _kill_broker(self, _step: Step) -> None:
        self._kill("kafka", signal.SIGKILL)
        self._say("kill -9 of the broker, and the clinic goes on: results are taken, what they tell waits")

    async def _crash_database(self, _step: Step) -> None:
        self._crashing = asyncio.create_task(self._crash_again_and_again())
        self._say("the database crashes, and again as it comes back: devices send their results again, with their keys")

    async def _crash_again_and_again(self) -> None:
        """For longer than a service waits before it says that it is not ready: one crash is over before that."""
        while time.monotonic() - self._since < CRASHES_FOR_S:
            with suppress(ProcessLookupError):
                self._kill("postgres", signal.SIGQUIT)
            await asyncio.sleep(SIGHT_S)

    async def _poison(self, step: Step) -> None:
        child = self._child(step)
        producer = self.addresses.broker().producer()
        await producer.start()
        try:
            await producer.send_and_wait(topic("screening"), value=b'{"unfinished', key=str(child).encode())
        finally:
            await producer.stop()
        self._unreadable += 1
        self._say(f"somebody writes a record to {topic('screening')} that nobody can read, under a family's key")

    async def _wait(self, _step: Step) -> None:
        """The supervisor starts again what was killed: nobody need do anything."""
        if self._crashing is not None:
            await self._crashing

    async def _give_up_the_poison(self, step: Step) -> None:
        """Looks who is stuck and why, and gives the unreadable record up, at each reader."""
        child = str(self._child(step))
        async with Asking(self.addresses) as asking:
            rows = await self._until(
                lambda: self._parked(asking, child, behind=True), "every reader holds the family up"
            )
            await self._until(self._seen_parked, "whoever looks on sees it parked")
            found = await status.look(self.addresses)
            self._say("attune status:")
            self._console.print(status.shown(found, every=False))
            for service, row in rows:
                headers = {"X-Operator": "demo", "X-Reason": "unreadable"}
                await asking.send(f"POST /parked/{row['id']}/discard", service, None, role="operator", headers=headers)
                self._say(f"attune parked discard {row['id'][-8:]} --service {service} --by demo --reason unreadable")
            await self._until(lambda: self._nothing_parked(asking, child), "what waited behind it follows")

    async def _parked(self, asking: Asking, child: str, *, behind: bool) -> list[tuple[str, dict[str, Any]]] | None:
        """The failed inputs of a family, once every reader has one (and later ones behind it)."""
        found = []
        for service in readers_of("screening"):
            rows = [r for r in await asking.get(service, "/parked", role="operator") if r["key"] == child]
            failed = [r for r in rows if r["state"] == "failed"]
            if not failed or (behind and len(rows) == len(failed)):
                return None
            found += [(service, r) for r in failed]
        return found

    async def _seen_parked(self) -> bool:
        return self.troubles[-1].most_parked > 0

    async def _nothing_parked(self, asking: Asking, child: str) -> bool:
        for service in readers_of("screening"):
            if any(r["key"] == child for r in await asking.get(service, "/parked", role="operator")):
                return False
        return True

    _breaks: tuple[tuple[str, Callable[..., Awaitable[None]], Callable[..., Awaitable[None]]], ...] = (
        ("the broker is killed", _kill_broker, _wait),
        ("the database crashes", _crash_database, _wait),
        ("a poison message", _poison, _give_up_the_poison),
    )

    def _child(self, step: Step) -> UUID:
        assert isinstance(step, Screenings)  # noqa: S101 - only clinics are broken
        return self._world.children[step.screenings[0].child]

    def _kill(self, program: str, how: signal.Signals) -> None:
        self.stack.refresh()
        os.kill(int(self.stack.summary["pids"][program]), how)

    # --- looking on ---------------------------------------------------------------------------------------------------

    async def _look_on(self, trouble: Trouble) -> None:
        last: Sight | None = None
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while True:
                sight = await look(client, self.addresses)
                at = time.monotonic() - self._since
                trouble.note(at, sight)
                if last is None or sight.seen != last.seen:
                    trouble.seen.append((at, sight.said()))
                    self._say(sight.said(), "yellow" if not sight.calm or sight.parked else "dim")
                last = sight
                await asyncio.sleep(SIGHT_S)

    def _say(self, what: str, style: str = "cyan") -> None:
        self._console.print(f"  +{time.monotonic() - self._since:5.1f} s  {what}", style=style, highlight=False)

    async def _settled_in_the_end(self, trouble: Trouble) -> bool:
        """At rest, and everybody ready again."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                if (told := await self._told_at_rest()) is not None and self._ready_again(trouble):
                    await self._story.caught_up(told)
                    return True
            except Exception:  # whatever is away while it is: the checks at the end have no such patience
                with suppress(NotReachable):
                    await self._gatherer.again()
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return False

    def _ready_again(self, trouble: Trouble) -> bool:
        return trouble.noticed_s is None or trouble.ready_again_s is not None

    async def _until(self, find: Callable[[], Awaitable[Any]], what: str) -> Any:
        until = time.monotonic() + SEEN_WITHIN_S
        while not (found := await find()):
            if time.monotonic() > until:
                raise NotReachable(f"it did not come to it within {SEEN_WITHIN_S:.0f} s: {what}")
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return found
