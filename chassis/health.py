"""Health that tells the truth (P10): ready only while database, broker, relay and consumer do their work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from chassis import telemetry
from chassis.database import Pool
from chassis.processor import Processor
from chassis.relay import Relay
from chassis.stream import Subscription
from chassis.topics import Probe

_OLDEST = "SELECT recorded_at FROM outbox ORDER BY position LIMIT 1"
CHECK_SECONDS = 1.0
STALE_SECONDS = 5.0
"""A part that has failed for longer than this makes the service not ready."""


class Health:
    """What /livez and /readyz answer. Live: the loop turns. Ready: every part has worked within the last seconds."""

    def __init__(self) -> None:
        self.stopping = False
        self._turned = time.monotonic()
        self._database_at: float | None = None
        self._details: dict[str, Callable[[], Any]] = {}
        self._parts: tuple[Processor, Relay, Subscription | None, Probe, Pool] | None = None

    def watch(
        self,
        processor: Processor,
        relay: Relay,
        subscription: Subscription | None,
        probe: Probe,
        pool: Pool,
        *,
        details: dict[str, Callable[[], Any]],
    ) -> None:
        """From now on these are looked at; `details` are shown and decide nothing."""
        self._details = details
        self._parts = processor, relay, subscription, probe, pool

    async def run(self) -> None:
        """Asks the database every second; everything else is known without asking."""
        while True:
            self._turned = time.monotonic()
            if self._parts is not None:
                with contextlib.suppress(Exception):  # that there is no answer is recorded by not recording one
                    await self._ask_database(*self._parts)
                self._tell()
            await asyncio.sleep(CHECK_SECONDS)

    async def _ask_database(self, processor: Processor, *parts: Any) -> None:
        pool: Pool = parts[-1]
        async with pool.acquire(timeout=2) as connection:
            oldest = await connection.fetchval(_OLDEST, timeout=2)
        self._database_at = time.monotonic()
        waited = (processor.now() - oldest).total_seconds() if oldest is not None else 0.0
        telemetry.OUTBOX_SECONDS.set(max(0.0, waited))

    def _tell(self) -> None:
        well, detail = self.ready()
        telemetry.READY.set(well)
        for part, works in detail.get("parts", {}).items():
            telemetry.PART_READY.labels(part).set(works)
        subscription = self._parts[2] if self._parts is not None else None
        for topic, seconds in subscription.lag().items() if subscription is not None else ():
            telemetry.LAG_SECONDS.labels(topic).set(seconds)

    def live(self) -> tuple[bool, dict[str, Any]]:
        """True while the event loop turns."""
        late = time.monotonic() - self._turned
        return late < 30, {"loop_late_seconds": round(late, 1)}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether work given to this process now would be done, and which part says no."""
        if self._parts is None:
            return False, {"starting": True}
        processor, relay, subscription, probe, _ = self._parts
        now = time.monotonic()
        parts = {
            "accepting": not self.stopping,
            "database": _recent(self._database_at, now),
            "broker": _recent(probe.answered_at, now),
            "topics": not probe.missing,
            "processor": _fine(processor.failing_since, now),
            "relay": _fine(relay.failing_since, now) and _fine(relay.sending_since, now),
        }
        detail: dict[str, Any] = {"parts": parts, "parked": processor.parking.open_count, "publishes": relay.holds_lock}
        detail |= {name: show() for name, show in self._details.items()}
        if subscription is not None:
            parts["consumer"] = (
                _fine(subscription.errors_since, now)
                and now - subscription.last_poll < 60
                and subscription.silent_seconds < STALE_SECONDS
            )
            parts["group"] = subscription.in_group
            detail["partitions"] = subscription.assigned
        return all(parts.values()), detail


def _recent(answered_at: float | None, now: float) -> bool:
    return answered_at is not None and now - answered_at < STALE_SECONDS


def _fine(failing_since: float | None, now: float) -> bool:
    return failing_since is None or now - failing_since < STALE_SECONDS
