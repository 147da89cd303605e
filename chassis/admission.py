"""Commands on their way in: queued, grouped into one transaction, answered when it is durable."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import pace
from chassis.arrivals import Answer, Input, Outcome
from chassis.commands import Command
from chassis.decision import derived_id
from chassis.inputs import CommandIntake
from chassis.problem import Unavailable
from chassis.processor import BATCH, Processor
from chassis.waiting import until_set

WRITERS = 2
"""Batches of commands under way at once at most."""
RELIEF_SECONDS = 0.05
"""How long a batch waits for the one before: two at once may want the same rows, and one is then decided in vain."""
PAUSE_SECONDS = 0.008
"""After a crowd: most of it writes again as soon as it is answered, and makes one batch instead of two."""
QUEUE = 5_000
"""Commands that may wait; beyond that callers are told to come again."""
_KEYED_BY_CALLER = UUID("018f0000-0000-7000-8000-000000000000")


class Admission:
    """The door for commands, from HTTP and from the service itself."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self._queue: asyncio.Queue[tuple[Input, asyncio.Future[Outcome]]] = asyncio.Queue(QUEUE)
        self._open = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        """Takes nothing more and returns when everything taken has been answered."""
        self._open = False
        while not self._queue.empty() or self._busy:  # noqa: ASYNC110 - a few turns at the end of a process's life
            await asyncio.sleep(0.005)

    async def submit(
        self,
        intake: CommandIntake,
        command: Command,
        *,
        caller: str = "",
        idempotency_key: str | None = None,
        body: bytes = b"",
        traceparent: str | None = None,
    ) -> Answer:
        """The durable answer. Raises Refused when a rule says no, Unavailable when the service cannot take it now."""
        if not self._open:
            raise Unavailable("the service is starting or stopping")
        id_ = uuid7() if idempotency_key is None else command_id(caller, intake.name, idempotency_key)
        fingerprint = hashlib.blake2b(body, digest_size=16).digest()
        i = Input(intake, id_, command, id_, traceparent=traceparent, by=caller, fingerprint=fingerprint)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((i, future))
        except asyncio.QueueFull:
            raise Unavailable("too many commands are waiting") from None
        outcome = await future
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, str):
            return Answer(intake.status, b"{}")
        return outcome

    async def run(self) -> None:
        """One writer, for as long as the service runs: whatever waits when it is free makes its next batch."""
        waiting: list[tuple[Input, asyncio.Future[Outcome]]] = []
        while True:
            if len(waiting) >= pace.CROWD:
                await asyncio.sleep(PAUSE_SECONDS)
            waiting = [await self._queue.get()]
            if self._busy:
                await until_set(self._idle, RELIEF_SECONDS)
            while len(waiting) < BATCH and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            self._busy += 1
            self._idle.clear()
            try:
                outcomes = await self.processor.process([i for i, _ in waiting])
                for (_, future), outcome in zip(waiting, outcomes, strict=True):
                    if not future.done():
                        future.set_result(outcome)
            finally:
                self._busy -= 1
                if not self._busy:
                    self._idle.set()
                for _, future in waiting:
                    if not future.done():
                        future.set_result(Unavailable("the service is stopping"))


def command_id(caller: str, name: str, idempotency_key: str) -> UUID:
    """The same id for the same caller, command and key; keeps the time of a UUIDv7 key, for compact indexes."""
    try:
        source = UUID(idempotency_key)
    except ValueError:
        source = _KEYED_BY_CALLER
    if source.version != 7:
        source = _KEYED_BY_CALLER
    return derived_id(source, f"{caller}\0{name}\0{idempotency_key}")
