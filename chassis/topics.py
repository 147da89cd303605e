"""What the broker says about itself and its topics: whether it answers at all, where a topic begins and ends."""

from __future__ import annotations

import asyncio
import contextlib
import time

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from chassis.stream import Broker

PROBE_SECONDS = 1.5
ANSWER_SECONDS = 2.0


class Probe:
    """Asks the broker for its metadata again and again: who neither reads nor sends would not see it freeze.

    A frozen broker keeps its connections open, so only an answer is a sign of life.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.answered_at: float | None = None

    async def run(self) -> None:
        """For as long as the service runs."""
        while True:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await self._ask_until_it_fails()
            await asyncio.sleep(PROBE_SECONDS)

    async def _ask_until_it_fails(self) -> None:
        client = AIOKafkaClient(**self._broker.client, request_timeout_ms=int(ANSWER_SECONDS * 1000))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await client.bootstrap()
            answers = True
            while answers:
                self.answered_at = time.monotonic()
                await asyncio.sleep(PROBE_SECONDS)
                # Not wait_for: it forgets that it was cancelled when the answer comes in the same moment.
                async with asyncio.timeout(ANSWER_SECONDS):
                    answers = await client.force_metadata_update()
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), ANSWER_SECONDS)
