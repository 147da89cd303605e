"""When a consumer that seems to live will get no more records: its process must end, for a new one to begin (P10).

The tasks and names looked at are aiokafka's own and not documented; docs/decisions/0003-kafka-client.md.
"""

from __future__ import annotations

import time
from typing import Any

FAILING_SECONDS = 30.0
OUTSIDE_SECONDS = 60.0
"""Longer than any rebalance. Who is outside the group for so long, while the broker answers, will not come in again."""


class ConsumerDead(RuntimeError):
    """The consumer can no longer get records although the process lives; only a restart helps."""


class Watchdog:
    """Looks at one consumer again and again."""

    def __init__(self) -> None:
        self._outside_since: float | None = None

    def look(self, consumer: Any, *, failing_since: float | None, outside: bool, answered: bool) -> None:
        """Raises ConsumerDead.

        `failing_since` (monotonic): since when every poll fails. `outside`: it reads partitions and is not in its
        group. `answered`: the broker answers its fetches.
        """
        now = time.monotonic()
        if failing_since is not None and now - failing_since > FAILING_SECONDS:
            raise ConsumerDead("every poll fails")
        if _has_ended(consumer, "_coordinator", "_coordination_task"):
            raise ConsumerDead("the group coordination has ended")
        if _has_ended(consumer, "_client", "_sync_task"):
            raise ConsumerDead("the look at the cluster has ended")
        self._outside_since = (self._outside_since or now) if outside and answered else None
        if self._outside_since is not None and now - self._outside_since > OUTSIDE_SECONDS:
            raise ConsumerDead("it does not come back into its group")


def _has_ended(consumer: Any, part: str, name: str) -> bool:
    task = getattr(getattr(consumer, part, None), name, None)
    return task is not None and bool(task.done())
