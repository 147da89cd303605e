"""A service that tells where its CPU time goes: `python -m bench.sampled SERVICE FILE`, written to FILE when it stops.

Interrupted after each millisecond of its own CPU time, it notes the line that runs and the functions that led there.
That costs a few per cent, where a tracing profiler would double the price of every call and distort the picture.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import FrameType

from chassis.process import main

EVERY_SECONDS = 0.001


class Samples:
    """How often each line ran, and how often each function was on the way to it."""

    def __init__(self) -> None:
        self.lines: Counter[tuple[str, int, str]] = Counter()
        self.functions: Counter[tuple[str, str]] = Counter()
        self.count = 0

    def note(self, _signal: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.count += 1
        self.lines[frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname] += 1
        above: set[tuple[str, str]] = set()
        step: FrameType | None = frame
        while step is not None:
            above.add((step.f_code.co_filename, step.f_code.co_qualname))
            step = step.f_back
        self.functions.update(above)

    def write(self, path: Path) -> None:
        lines = [[_short(file), line, name, n] for (file, line, name), n in self.lines.most_common(60)]
        own: Counter[tuple[str, str]] = Counter()
        for (file, _, name), n in self.lines.items():
            own[_short(file), name] += n
        through: Counter[tuple[str, str]] = Counter()
        for (file, name), n in self.functions.items():
            through[_short(file), name] += n
        path.write_text(
            json.dumps(
                {
                    "samples": self.count,
                    "lines": lines,
                    "own": [[*key, n] for key, n in own.most_common(60)],
                    "through": [[*key, n] for key, n in through.most_common(80)],
                }
            )
        )


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-3:])


def run(service: str, path: Path) -> None:
    """Serves until it is asked to stop."""
    served = import_module(f"services.{service}.main").SERVICE
    samples = Samples()
    signal.signal(signal.SIGPROF, samples.note)
    signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)
    sys.argv[1:] = ["serve"]
    try:
        main(served)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples.write(path)


def top(path: Path, lines: int = 12) -> str:
    """The heaviest functions of a written profile, by their own time and with everything that they call."""
    found = json.loads(path.read_text())
    all_ = max(found["samples"], 1)
    own = [f"    {100 * n / all_:5.1f} %  {name}  ({file})" for file, name, n in found["own"][:lines]]
    through = [f"    {100 * n / all_:5.1f} %  {name}  ({file})" for file, name, n in found["through"][: 2 * lines]]
    return "\n".join(["  own time", *own, "  with what they call", *through])


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
