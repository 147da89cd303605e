"""Listens to the topics like any subscriber, and knows when the city is at rest: nothing to publish, nothing unread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

import httpx
import structlog

from attune.addresses import SERVICES, Addresses, NotReachable
from attune_contracts.catalogue import topic
from attune_contracts.envelope import Unreadable, read
from attune_contracts.event import Event

log = structlog.get_logger(__name__)

RESTS_WITHIN_SECONDS = 120.0
_LOOK_AGAIN_SECONDS = 0.04
_ON_THEIR_WAY = ("attune_outbox_rows ", "attune_messages_in_hand ")
_PUBLISHED = "attune_published_events_total "
_ASKED = {"name[]": [name.strip() for name in (*_ON_THEIR_WAY, _PUBLISHED)]}


class DoesNotRest(RuntimeError):
    """Something is still on its way after a long time; the message says what."""


class Ears:
    """Every event of the four topics, handed to `heard` in the order of its topic and key."""

    def __init__(
        self, addresses: Addresses, groups: Mapping[str, Sequence[str]], heard: Callable[[Event], None]
    ) -> None:
        self._addresses, self._groups, self._heard = addresses, groups, heard
        self._count = 0
        self._before: int | None = None
        """Events that were published before the processes counted: those of an interrupted run."""
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)
        self._task: asyncio.Task[None] | None = None
        self._held = AsyncExitStack()
        self._behind: Callable[[], Awaitable[dict[str, int]]]

    async def __aenter__(self) -> Self:
        self._behind = await self._held.enter_async_context(self._addresses.broker().looking_behind(self._groups))
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._client.aclose()
        await self._held.aclose()

    async def _listen(self) -> None:
        async for record in self._addresses.broker().tail([topic(s) for s in SERVICES], from_start=True):
            self._count += 1
            try:
                received = read(record.key, record.value, record.headers)
            except Unreadable as unreadable:
                log.warning("event_unreadable", reason=unreadable.reason)
                continue
            if received.event is not None:
                self._heard(received.event)

    async def at_rest(self) -> None:
        """Returns when everything that follows from what was done has happened. Raises DoesNotRest."""
        deadline = time.monotonic() + RESTS_WITHIN_SECONDS
        calm_at = -1
        while True:
            if self._task is not None and self._task.done():
                raise NotReachable("Kafka went away") from self._task.exception()
            waiting, published = await self._metrics()
            if not waiting and calm_at == published:
                if not any((await self._behind()).values()) and await self._heard_all(published):
                    again = await self._metrics()
                    if again == (0, published):
                        return
                calm_at = -1
            else:
                calm_at = published if not waiting else -1
            if time.monotonic() > deadline:
                raise DoesNotRest(f"{waiting} events or messages wait, {published} published, {self._count} heard")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _heard_all(self, published: int) -> bool:
        if self._before is None:
            last = -1
            while last != self._count:  # what was published before is in the topics already: let it all come in
                last = self._count
                await asyncio.sleep(1.0)
            self._before = self._count - published
        return self._count >= published + self._before

    async def _metrics(self) -> tuple[int, int]:
        """Events in the outboxes and messages with the courier, and events published since the processes began."""
        answers = await asyncio.gather(
            *(self._client.get(f"{url}/metrics", params=_ASKED) for url in self._addresses.services.values())
        )
        waiting = published = 0
        for line in "\n".join(a.text for a in answers).splitlines():
            if line.startswith(_ON_THEIR_WAY):
                waiting += int(float(line.rpartition(" ")[2]))
            elif line.startswith(_PUBLISHED):
                published += int(float(line[len(_PUBLISHED) :]))
        return waiting, published
