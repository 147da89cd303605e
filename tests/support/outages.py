"""What happens to machines: processes end without a word, all at once or one of them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil

from attune.stack.leftovers import living
from attune.stack.stack import Stack


def kill_all(stack: Stack) -> None:
    """As the machine would when it loses power: nobody gets to tidy up."""
    for pid in living(stack.layout).values():
        for process in (*psutil.Process(pid).children(recursive=True), psutil.Process(pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def pid_of(stack: Stack, program: str) -> int:
    """The present process of a program of the stack."""
    stack.refresh()
    return int(stack.summary["pids"][program])


def kill(stack: Stack, program: str) -> None:
    os.kill(pid_of(stack, program), signal.SIGKILL)


@contextlib.contextmanager
def frozen(stack: Stack, program: str) -> Iterator[None]:
    """A process that is there and does nothing, neither answers nor ends."""
    pid = pid_of(stack, program)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
