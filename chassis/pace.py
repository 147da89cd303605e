"""The size of batches under load: after a crowd a short pause lets the next crowd gather; a lone input never waits.

A batch has a price of its own (a plan to start, a commit, wake-ups here and in the servers): a larger one pays it once.
"""

from __future__ import annotations

import asyncio

CROWD = 24
"""Inputs in a batch from which on it was a crowd."""
SECONDS_PER_INPUT = 0.001
LONGEST_SECONDS = 0.05


async def gather_after(handled: int, *, longest: float = LONGEST_SECONDS) -> None:
    """To be awaited before the next batch is taken, with the number of inputs of the last one."""
    if handled >= CROWD:
        await asyncio.sleep(min(handled * SECONDS_PER_INPUT, longest))
