"""Named points between the steps at which a test may end or stop this process, as a power cut or a stalled host would.

Armed by ATTUNE_FAILPOINTS, for example `commit.after=3,publish.before=1:stop`: the process kills (or stops) itself when
it gets there for the n-th time. Where ATTUNE_FAILPOINTS_FILE names a file, SIGUSR2 arms a process that runs already
from that file's content, and each point that strikes is noted in a file of the same name that ends in `.struck`.
Neither is known where ATTUNE_ENVIRONMENT is production, as it is unless it says otherwise. Unarmed, a comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

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
ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

_armed: dict[str, tuple[int, str]] = {}
_file: Path | None = None


def arm(environment: Mapping[str, str]) -> None:
    """Reads what is to happen where. Raises ValueError for a point that does not exist."""
    global _file  # noqa: PLW0603
    _armed.clear()
    given, named = environment.get("ATTUNE_FAILPOINTS", ""), environment.get("ATTUNE_FAILPOINTS_FILE", "")
    if (given or named) and environment.get("ATTUNE_ENVIRONMENT", "production") == "production":
        raise ValueError("failpoints are for tests, never for production")
    _read(given)
    _file = Path(named) if named else None
    if _file is not None:
        signal.signal(signal.SIGUSR2, lambda *_: _arm_again())
        _arm_again()


def _arm_again() -> None:
    """What the file says now; nothing where it is not there."""
    _armed.clear()
    if _file is not None and _file.exists():
        _read(_file.read_text())


def _read(text: str) -> None:
    for entry in filter(None, text.strip().split(",")):
        point, _, rest = entry.partition("=")
        count, _, action = rest.partition(":")
        if point not in POINTS or (action or "kill") not in ACTIONS:
            raise ValueError(f"no failpoint {entry}")
        _armed[point] = int(count or 1), action or "kill"


def reached(point: str) -> None:
    """The process is at this point now."""
    if _armed and point in _armed:
        left, action = _armed[point]
        if left > 1:
            _armed[point] = left - 1, action
        else:
            _strike(point, action)


def _strike(point: str, action: str) -> None:
    del _armed[point]
    if _file is not None:
        with _file.with_suffix(".struck").open("a") as noted:
            noted.write(f"{point} {action} {os.getpid()}\n")
    os.kill(os.getpid(), ACTIONS[action])
