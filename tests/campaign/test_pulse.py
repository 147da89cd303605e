"""What the machine gives us, and what others take."""

from __future__ import annotations

import asyncio

from faults.pulse import Pulse


def test_seconds_count_as_starved_where_a_little_work_took_long() -> None:
    pulse = Pulse([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 0.1, 0.19, 0.2, 0.01])
    assert pulse.starved(0.0, 10.0) == 3.0
    assert pulse.starved(1.5, 10.0) == 2.5
    assert pulse.starved(0.0, 2.5) == 1.5
    assert pulse.starved(5.5, 9.0) == 0.0
    assert pulse.median == 0.19


async def test_it_beats() -> None:
    pulse = Pulse()
    assert pulse.median == 1.0
    await pulse.start()
    async with asyncio.timeout(20):
        while len(pulse.shares) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await pulse.stop()
    assert all(0 < share < 1.5 for share in pulse.shares)
