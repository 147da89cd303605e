"""The broker loses all that it held, and the topics are refilled from the journals by the operator's own command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from attune.stack import kafka
from attune.stack.layout import ROOT
from faults.plan import Fault
from faults.site import Site
from faults.strikes import Told

REFILLED_WITHIN = 180.0


class NotRefilled(Exception):
    """`attune refill` failed; the message is what it said."""


async def kafka_emptied(site: Site, _fault: Fault) -> Told:
    """Killed, its data gone, started again by the stack, refilled."""
    before = site.pid("kafka")
    os.kill(before, signal.SIGKILL)
    await asyncio.to_thread(kafka.empty, site.stack.layout.directory / "kafka")
    site.emptied()
    await site.begun_anew("kafka", before)
    await _refill(site)
    return {"refilled": 1}


async def _refill(site: Site) -> None:
    arguments = ("refill", "--since", "all", "--by", "campaign", "--make-topics", "1", "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "attune", *arguments, "--stack", str(site.stack.layout.summary),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = await asyncio.wait_for(process.communicate(), REFILLED_WITHIN)
    except TimeoutError:
        process.kill()
        raise NotRefilled(f"not within {REFILLED_WITHIN:.0f} s") from None
    if process.returncode:
        raise NotRefilled(said.decode()[-300:])
