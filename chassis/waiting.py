"""Two ways to wait that `asyncio.wait_for` of Python 3.11 gets wrong.

It may forget a cancellation that comes together with the result, so that who waits in a loop goes on for ever; and it
waits without limit for what does not heed its own cancellation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any


async def until_set(event: asyncio.Event, seconds: float) -> None:
    """Returns when the event is set, or when so much time has passed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def let_go(closing: Awaitable[Any], seconds: float) -> None:
    """Closes something that may be broken: who lets go of it goes on after so long, and never because it failed."""
    task = asyncio.ensure_future(closing)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        task.cancel()
    task.add_done_callback(_heard)


def _heard(task: asyncio.Future[Any]) -> None:
    """Looks at the outcome, so that asyncio does not report that nobody did."""
    if not task.cancelled():
        task.exception()
