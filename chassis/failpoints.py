"""Named points between the steps at which a test may end this process, as a power cut would.

Armed by ATTUNE_FAILPOINTS, for example `commit.after=3,publish.before=1`: the process kills itself when it gets there
for the n-th time. Unarmed they cost a comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

POINTS = (
    "commit.before",
    "commit.after",
    "publish.before",
    "publish.after",
    "forget.after",
    "acknowledge.before",
    "acknowledge.after",
    "send.before",
    "send.after",
)

_armed: dict[str, int] = {}


def arm(environment: Mapping[str, str]) -> None:
    """Reads what is to happen where. Raises ValueError for a point that does not exist."""
    _armed.clear()
    for entry in filter(None, environment.get("ATTUNE_FAILPOINTS", "").split(",")):
        point, _, count = entry.partition("=")
        if point not in POINTS:
            raise ValueError(f"no failpoint {point}")
        _armed[point] = int(count or 1)


def reached(point: str) -> None:
    """The process is at this point now."""
    if _armed and point in _armed:
        _armed[point] -= 1
        if _armed[point] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
