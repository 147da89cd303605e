"""The process that holds a stack: `python -m attune.stack.supervisor DIRECTORY SUMMARY`, started by `Stack`.

It owns the stack's lock for as long as it lives, tells on standard output what is ready, and stops everything on
SIGTERM or, for a temporary stack, as soon as whoever started it is gone (end of file on standard input)."""

import contextlib
import json
import os
import select
import signal
import sys
import threading
from pathlib import Path

from attune.stack.assembly import Assembly
from attune.stack.keeper import note
from attune.stack.layout import Layout
from attune.stack.leftovers import StackLocked, hold, remove, stop_leftovers
from attune.stack.plan import Plan

_STOP = b"s"
_FAILED = b"f"


class Supervisor:
    """One stack from its first process to its last."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._plan = Plan.read(layout.plan)
        self._assembly = Assembly(layout, self._plan)
        self._wakes, self._wake = os.pipe()

    def run(self) -> int:
        """Until asked to stop; the exit status."""
        os.set_blocking(self._wake, False)
        for wanted in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(wanted, lambda *_: os.write(self._wake, _STOP))
        starting = threading.Thread(target=self._start, name="start")
        starting.start()
        reason = self._await_end()
        note("stack_stopping")
        self._assembly.stop()
        starting.join()
        self._assembly.stop()
        self._layout.summary.unlink(missing_ok=True)
        self._layout.running.unlink(missing_ok=True)
        note("stack_stopped")
        return 1 if reason == _FAILED else 0

    def _start(self) -> None:
        note("stack_starting", directory=self._layout.directory)
        try:
            self._assembly.start(lambda part, seconds: tell(ready=part, seconds=round(seconds, 2)))
        except Exception as failure:
            note("stack_failed", reason=failure)
            tell(failed=str(failure) or type(failure).__name__)
            os.write(self._wake, _FAILED)
            return
        note("stack_ready")
        tell(up=True)
        _say_no_more()

    def _await_end(self) -> bytes:
        leash = [sys.stdin.fileno()] if self._plan.temporary else []
        while True:
            readable, _, _ = select.select([self._wakes, *leash], [], [])
            if self._wakes in readable:
                return os.read(self._wakes, 1)
            if not os.read(leash[0], 1024):
                return _STOP


def tell(**fields: object) -> None:
    """One line for whoever waits; nobody may be there any more."""
    with contextlib.suppress(OSError):
        os.write(1, (json.dumps(fields) + "\n").encode())


def _say_no_more() -> None:
    os.dup2(2, 1)


def main(directory: Path, summary: Path) -> int:
    """Run the stack whose plan lies in the directory."""
    layout = Layout(directory.name, directory, summary)
    try:
        lock = hold(layout)
    except StackLocked as held:
        tell(failed=str(held))
        return 1
    with lock:
        temporary = Plan.read(layout.plan).temporary
        stop_leftovers(layout)
        status = Supervisor(layout).run()
        if temporary:
            remove(layout)
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
