"""When the next batch is taken: after a crowd at once, after a few in quick succession with a breath in between.

A batch has a price of its own (a plan to start, a commit, wake-ups here and elsewhere): after a breath the next few
come in twos and threes. In a crowd batches are large by themselves, and to wait only holds up whoever comes next.
"""

from __future__ import annotations

import asyncio

CROWD = 24
"""Inputs in a batch from which on it was a crowd."""
BREATH_SECONDS = 0.003


async def breathe_after(handled: int) -> None:
    """To be awaited before the next batch is taken, with the size of the last one; who is alone never waits."""
    if 0 < handled < CROWD:
        await asyncio.sleep(BREATH_SECONDS)
