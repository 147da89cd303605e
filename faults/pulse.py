"""How much of the machine we get: a small process asks for a little work twice a second and tells how long it took.

Recovery is promised on a machine that has time for it. Where others take nearly all of it, seconds say nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from bisect import bisect_left
from dataclasses import dataclass, field

STARVED_BELOW = 0.2
"""Share of one processor, while we want it, below which we are starved."""
_WORK = """
import time
while True:
    wall, work = time.monotonic(), time.process_time()
    while time.process_time() - work < 0.004: pass
    print(time.monotonic(), 0.004 / (time.monotonic() - wall), flush=True)
    time.sleep(0.5)
"""


@dataclass(slots=True)
class Pulse:
    """Shares of the processor, each with the instant (monotonic) at which it was measured."""

    at: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WORK, stdout=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        async for line in self._process.stdout:
            at, share = line.split()
            self.at.append(float(at))
            self.shares.append(float(share))

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            self._reading.cancel()

    def starved(self, since: float, until: float | None = None) -> float:
        """Seconds between two instants in which others had the machine."""
        end = until if until is not None else time.monotonic()
        first, lost, before = bisect_left(self.at, since), 0.0, since
        for at, share in zip(self.at[first:], self.shares[first:], strict=True):
            now = min(at, end)
            if share < STARVED_BELOW:
                lost += now - before
            before = now
            if at >= end:
                break
        return lost

    @property
    def median(self) -> float:
        """Of all shares so far; 1 where nothing was measured."""
        return sorted(self.shares)[len(self.shares) // 2] if self.shares else 1.0
