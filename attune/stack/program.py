"""One operating system process of a stack: what to run, when it is ready, how it ends."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import psutil

Argument = str | os.PathLike[str]
_LARGEST_LOG_BYTES = 20 * 1024 * 1024


class ProgramFailed(RuntimeError):
    """A process ended or did not become ready in time; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """How to run one process; times in seconds."""

    name: str
    argv: tuple[Argument, ...]
    log: Path
    ready: Callable[[int], bool]
    """Given the process id: does it do its work now? Must say no for a stranger on the same port."""
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    """Another user to run as; only root can."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 25.0
    ready_within: float = 60.0

    def start(self) -> "subprocess.Popen[bytes]":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [os.fspath(argument) for argument in self.argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment() | dict(self.environment),
                cwd="/",
                # An own group: Ctrl-C in the terminal must not reach the servers before they are stopped in order.
                process_group=0, **as_user(self.user),
            )  # fmt: skip

    def await_ready(self, process: "subprocess.Popen[bytes]", given_up: Callable[[], bool] = lambda: False) -> None:
        """Raises ProgramFailed if the process ends first, is not ready within `ready_within`, or `given_up` says so."""
        deadline = time.monotonic() + self.ready_within
        while True:
            ended = process.poll()
            if ended is not None:
                raise ProgramFailed(f"{self.name} ended with {ended} before it was ready{self.last_words()}")
            if self.ready(process.pid):
                return
            if time.monotonic() > deadline or given_up():
                raise ProgramFailed(f"{self.name} was not ready within {self.ready_within:.0f} s{self.last_words()}")
            time.sleep(0.02)

    def stop(self, process: "subprocess.Popen[bytes]") -> int:
        """Ask, wait, and only then kill the whole group; the exit status."""
        if process.poll() is None:
            process.send_signal(self.stop_signal)
        try:
            return process.wait(self.stop_within)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def last_words(self, lines: int = 15) -> str:
        try:
            text = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            return ""
        return "".join(f"\n  | {line}" for line in text)


def clean_environment() -> dict[str, str]:
    """What every process inherits: enough to find programs, nothing of the developer's own settings."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "COVERAGE_PROCESS_START")
    return {"TZ": "UTC", "PYTHONUNBUFFERED": "1"} | {name: os.environ[name] for name in kept if name in os.environ}


class Identity(TypedDict, total=False):
    """Arguments for subprocess that name another user."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(name: str | None) -> Identity:
    """Arguments for subprocess that drop root's rights."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def born(pid: int) -> float | None:
    """When this process began (seconds since the epoch), None if there is none: the id alone may have been reused."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def is_same(pid: int, birth: float | None) -> bool:
    """Whether the process born then still has this number; a number may have been given to another since."""
    now = born(pid)
    return now is not None and birth is not None and abs(now - birth) < 2
