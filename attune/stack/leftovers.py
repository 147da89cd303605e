"""What a crash leaves behind: a lock says whether a stack is held, and processes of a dead supervisor are ended."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil

from attune.stack import postgres
from attune.stack.layout import Layout
from attune.stack.program import born, is_same

TEMPORARY_PREFIX = "attune-stack-"
_PATIENCE = 20.0
_BEING_BORN = 60.0


class StackLocked(RuntimeError):
    """Another supervisor runs this stack."""


def hold(layout: Layout) -> IO[str]:
    """Take the stack's lock; it is free again when the file is closed or the process is gone, however it went.

    Raises StackLocked."""
    layout.directory.mkdir(parents=True, exist_ok=True)
    lock = layout.lock.open("a+")
    deadline = time.monotonic() + 1.0  # somebody may only be asking whether it is held
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                lock.close()
                raise StackLocked(f"stack {layout.name!r} is already run by another supervisor") from None
            time.sleep(0.01)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def is_held(layout: Layout) -> bool:
    """Whether a supervisor lives for this stack."""
    if not layout.lock.exists():
        return False
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def holder(layout: Layout) -> int | None:
    """The supervisor's process id, None when nobody holds the stack."""
    if not is_held(layout):
        return None
    text = layout.lock.read_text().strip()
    return int(text) if text else None


def living(layout: Layout) -> dict[str, int]:
    """Processes of this stack that are still there, by name."""
    try:
        noted = json.loads(layout.running.read_text())
    except (OSError, ValueError):
        return {}
    return {name: entry["pid"] for name, entry in noted.items() if is_same(entry["pid"], entry["born"])}


def stop_leftovers(layout: Layout) -> tuple[str, ...]:
    """End what a supervisor that died left running, services before servers; their names."""
    left = {name: pid for name, pid in living(layout).items() if pid != os.getpid()}
    servers = {"kafka": signal.SIGTERM, "smtp": signal.SIGTERM, "postgres": signal.SIGINT}
    _end({pid: signal.SIGTERM for name, pid in left.items() if name not in servers})
    _end({pid: servers[name] for name, pid in left.items() if name in servers})
    layout.running.unlink(missing_ok=True)
    _forget_dead_postgres(layout.directory / "postgres" / "data")
    return tuple(left)


def _end(signals: dict[int, signal.Signals]) -> None:
    for pid, wanted in signals.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, wanted)
    deadline = time.monotonic() + _PATIENCE
    while any(born(pid) is not None for pid in signals) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in signals:
        if born(pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _forget_dead_postgres(data: Path) -> None:
    """A crashed server's pid file may name a process that is somebody else by now: PostgreSQL would refuse."""
    noted = data / "postmaster.pid"
    try:
        pid = int(noted.read_text().split("\n", 1)[0])
        # One that nobody has collected yet is dead too, and PostgreSQL would not see that.
        alive = born(pid) is not None and psutil.Process(pid).name() == "postgres"
    except (psutil.NoSuchProcess, ValueError):
        alive = False
    except OSError:
        return
    if not alive:
        noted.unlink(missing_ok=True)


def remove(layout: Layout) -> None:
    """Remove a stack that does not run, with all its data."""
    postgres.remove(layout.directory / "postgres")
    shutil.rmtree(layout.directory, ignore_errors=True)


def sweep_temporary() -> None:
    """Remove temporary stacks whose whole process tree was killed."""
    for layout in _abandoned():
        with contextlib.suppress(StackLocked), hold(layout):
            stop_leftovers(layout)
            remove(layout)


def _abandoned() -> Iterator[Layout]:
    for directory in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"):
        layout = Layout.at(directory)
        with contextlib.suppress(OSError):
            about = directory.stat()
            old = about.st_uid == os.geteuid() and time.time() - about.st_mtime > _BEING_BORN
            if old and layout.lock.exists() and not is_held(layout):
                yield layout
