"""Keeps one program running: starts it, says when it is ready, starts it again when it dies."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

from attune.stack.program import Program, ProgramFailed

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_HEALTHY_AFTER = 30.0


def note(fact: str, **fields: object) -> None:
    """One line in the supervisor's log."""
    told = " ".join(f"{name}={value}" for name, value in fields.items())
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {fact} {told}", file=sys.stderr, flush=True)


class Keeper:
    """One program and its present process. `changed` is called, from any thread, whenever the process is another."""

    def __init__(self, program: Program, changed: Callable[[], None]) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self._changed = changed
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=program.name, daemon=True)

    def start(self, attempts: int = 1) -> None:
        """Start it and return when it is ready. Raises ProgramFailed after the last attempt."""
        for attempt in range(1, attempts + 1):
            try:
                self._begin()
                break
            except ProgramFailed as failure:
                self._end()
                if attempt == attempts or self._stopping.is_set():
                    raise
                note("program_start_failed", program=self.program.name, attempt=attempt, reason=str(failure))
                time.sleep(_FIRST_PAUSE)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """From now on its end is wanted; send the signal."""
        self._stopping.set()
        with self._lock:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(self.program.stop_signal)

    def stop(self) -> None:
        """Stop it and wait for its end."""
        self._stopping.set()
        self._end()
        if self._thread.is_alive():
            self._thread.join()

    def _begin(self) -> None:
        with self._lock:
            if self._stopping.is_set():
                raise ProgramFailed(f"{self.program.name} is no longer wanted")
            self.process = process = self.program.start()
        self._changed()
        self.program.await_ready(process, self._stopping.is_set)

    def _end(self) -> None:
        with self._lock:
            if self.process is not None:
                self.program.stop(self.process)

    def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            process = self.process
            if process is None:
                return
            since = time.monotonic()
            status = process.wait()
            if self._stopping.is_set():
                return
            pause = _FIRST_PAUSE if time.monotonic() - since > _HEALTHY_AFTER else min(pause * 2, _LONGEST_PAUSE)
            note("program_ended", program=self.program.name, status=status, again_in_s=pause)
            if self._stopping.wait(pause):
                return
            self._again()

    def _again(self) -> None:
        try:
            self._begin()
            note("program_ready_again", program=self.program.name)
        except (ProgramFailed, OSError) as failure:
            note("program_start_failed", program=self.program.name, reason=str(failure))
            if not self._stopping.is_set():
                self._end()
