"""Shows how far something has come that goes on in the services themselves, whether anybody watches or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

LOOK_SECONDS = 0.3
SAY_SECONDS = 5.0
"""How often it is said where nobody sees a bar."""

Look = Callable[[str], Awaitable[Mapping[str, Any] | None]]


async def followed(
    console: Console, what: str, services: Sequence[str], look: Look, done: str
) -> dict[str, Mapping[str, Any]]:
    """Until it has ended at every service; how each ended. `done` names the field that counts, beside `total`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn())
    last_said = time.monotonic()
    found: dict[str, Mapping[str, Any]] = {}
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        bars = {s: progress.add_task(s, total=None) for s in services}
        while len(found) < len(services):
            for s in services:
                row = await look(s)
                if row is None:
                    continue
                progress.update(bars[s], total=max(row["total"], row[done], 1), completed=row[done])
                if not console.is_terminal and time.monotonic() > last_said + SAY_SECONDS:
                    console.print(f"{what} {s}: {row[done]} of {row['total']}")
                if row["state"] != "open":
                    found[s] = row
                    progress.update(bars[s], total=max(row[done], 1), completed=max(row[done], 1))
            if time.monotonic() > last_said + SAY_SECONDS:
                last_said = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS if len(found) < len(services) else 0)
    return found
