"""How long it takes from `attune up` until every process is ready, when everything was set up before."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from attune.stack.layout import Layout
from attune.stack.leftovers import remove
from bench.rounds import Told

NAME = "bench-start"


def measure(rounds: int, told: Told) -> list[float]:
    """Seconds of each start. The first start, which makes the databases, does not count."""
    taken = []
    try:
        for number in range(rounds + 1):
            begun = time.monotonic()
            _attune("up")
            seconds = time.monotonic() - begun
            _attune("down")
            if number:
                taken.append(seconds)
            told(f"start {number}: {seconds:.1f} s" + ("" if number else " (first one, not counted)"))
    finally:
        _attune("down")
        remove(Layout.named(NAME))
    return taken


def _attune(what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "attune", what, "--name", NAME],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"attune {what} ended with {done.returncode}: {done.stdout}{done.stderr}")
