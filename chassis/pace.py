"""The size of batches under load: after a batch a short pause lets the next one gather; who comes alone never waits.

A batch has a price of its own (a plan to start, a commit, wake-ups here and in the servers): a larger one pays it once.
"""

from __future__ import annotations

import asyncio

CROWD = 24
"""Inputs in a batch from which on it was a crowd."""
SECONDS_PER_INPUT = 0.001
LONGEST_SECONDS = 0.05
BREATH_SECONDS = 0.003
"""After a batch that was no crowd. What comes one by one in quick succession is then handled in twos and threes."""


async def gather_after(handled: int, *, longest: float = LONGEST_SECONDS, breath: float = BREATH_SECONDS) -> None:
    """To be awaited before the next batch is taken, with the number of inputs of the last one."""
    if handled >= CROWD:
        await asyncio.sleep(min(handled * SECONDS_PER_INPUT, longest))
    elif handled and breath:
        await asyncio.sleep(breath)
