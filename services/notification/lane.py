"""The claimed messages of one channel on their way to it: a bounded queue, its workers, and how the channel fares."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chassis import waiting
from services.notification.channels.channel import Channel, Result
from services.notification.domain.message import Message

LONGEST_WAIT_S = 300.0
MOST_IN_DIGEST = 50
WAITED_FOR_ITS_HOUR = timedelta(minutes=3)
"""From its record to the end of its lease; longer than any lease alone, so that what goes at once goes alone."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a channel is worked: letters given to it at once, workers beside each other, messages that may wait here."""

    batch: int
    workers: int
    capacity: int
    gather_s: float = 0.0
    """How long what is not urgent waits for company, where a batch costs hardly more than a letter."""


@dataclass(slots=True)
class Lane:
    """What waits for one channel. A claimed message that finds no room gets a time to come again instead of a place."""

    channel: Channel
    shape: Shape
    clock: Callable[[], float] = time.monotonic
    waiting: deque[Message] = field(default_factory=deque)
    failing_since: datetime | None = None
    failing_reason: str | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _urgent: asyncio.Event = field(default_factory=asyncio.Event)
    _seconds_per_letter: float = 0.01
    _promised_until: float = 0.0

    def put(self, message: Message) -> bool:
        """False when there is no room; what is urgent always finds some, in front."""
        if message.is_urgent:
            self.waiting.appendleft(message)
            self._urgent.set()
        elif len(self.waiting) >= self.shape.capacity:
            return False
        else:
            self.waiting.append(message)
        self._wake.set()
        return True

    async def take(self) -> list[Message]:
        """The next messages, as soon as there is one."""
        while not self.waiting:
            self._wake.clear()
            await self._wake.wait()
            if self.shape.gather_s and self.waiting and not self.waiting[0].is_urgent:
                self._urgent.clear()
                await waiting.until_set(self._urgent, self.shape.gather_s)
        taken = [self.waiting.popleft() for _ in range(min(len(self.waiting), self.shape.batch))]
        while self.waiting and len(taken) < MOST_IN_DIGEST and self._belongs_to(taken[-1]):
            taken.append(self.waiting.popleft())
        return taken

    def _belongs_to(self, last: Message) -> bool:
        """Waited for its hour and was claimed together with the last one, for the same person: perhaps one digest."""
        following = self.waiting[0]
        return (
            following.recipient_id == last.recipient_id
            and last.may_be_gathered
            and following.lease_until is not None
            and following.lease_until == last.lease_until
            and following.lease_until - following.recorded_at > WAITED_FOR_ITS_HOUR
        )

    def come_again_in(self) -> float:
        """Seconds until there should be room for one more; each caller gets a later time than the one before."""
        now = self.clock()
        first = now + len(self.waiting) * self._seconds_per_letter
        self._promised_until = max(self._promised_until, first) + self._seconds_per_letter
        return min(self._promised_until - now, LONGEST_WAIT_S)

    def note(self, results: list[Result], seconds: float) -> None:
        """What the channel did with a batch, and how long it took."""
        measured = seconds / len(results) / self.shape.workers
        self._seconds_per_letter += 0.2 * (measured - self._seconds_per_letter)
        faults = [result for result in results if result.channel_fault]
        if len(faults) < len(results):
            self.failing_since = self.failing_reason = None
        elif self.failing_since is None:
            self.failing_since = datetime.now(UTC)
        if faults:
            self.failing_reason = faults[-1].reason
