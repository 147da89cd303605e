"""Start, find and stop stacks from the command line, the demo, the benchmark and the tests."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

from attune.stack import assembly, postgres, services, tokens
from attune.stack.layout import DEFAULT_NAME, ROOT, Layout
from attune.stack.leftovers import TEMPORARY_PREFIX, holder, is_held, living, remove, stop_leftovers, sweep_temporary
from attune.stack.plan import Memory, Plan
from attune.stack.program import Program, born, clean_environment

Told = Callable[[str, float], None]
"""Called with each part that becomes ready and the seconds since the start."""

_LONGEST_STOP = 90.0


class StackNotRunning(RuntimeError):
    """No such stack runs: start one with `make up`."""


class StackFailed(RuntimeError):
    """The stack did not start; the message says which part and shows the end of its log."""


class Parts(TypedDict, total=False):
    """What `Plan` takes, as keyword arguments."""

    services: tuple[str, ...]
    servers: tuple[str, ...]
    fsync: bool
    trusting: bool
    kafka_heap_mib: int
    quick_compiler_only: bool
    postgres_settings: tuple[str, ...]
    environment: dict[str, str]
    by_hand: bool
    kafka_through: int


@dataclass(slots=True)
class Stack:
    """A running stack. `summary` is the content of its stack.json."""

    layout: Layout
    plan: Plan
    summary: dict[str, Any]
    _supervisor: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    """Of a temporary stack: our child, whose standard input is the leash."""

    # -- start and find

    @classmethod
    def up(cls, name: str = DEFAULT_NAME, told: Told = lambda *_: None, **parts: Unpack[Parts]) -> Self:
        """The named stack, running in the background when this returns; one that runs already is left as it is.

        Raises StackFailed."""
        layout = Layout.named(name)
        if is_held(layout):
            return cls.running(name, wait=60)
        layout.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        plan = Plan(**parts)
        launched = _launch(layout, plan)
        launched.wait()
        _await_up(launched, layout, told)
        return cls(layout, plan, json.loads(layout.summary.read_text()))

    @classmethod
    def running(cls, name: str = DEFAULT_NAME, wait: float = 0) -> Self:
        """The named stack, if it is up; a stack that is just being started is waited for, `wait` seconds at most.

        Raises StackNotRunning."""
        layout = Layout.named(name)
        deadline = time.monotonic() + wait
        while is_held(layout):
            if layout.summary.exists():
                return cls(layout, Plan.read(layout.plan), json.loads(layout.summary.read_text()))
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        named = "" if name == DEFAULT_NAME else f" NAME={name}"
        raise StackNotRunning(f"no stack named {name!r} runs: start it with `make up{named}`")

    @classmethod
    def temporary(cls, told: Told = lambda *_: None, **parts: Unpack[Parts]) -> Self:
        """A new stack in a directory of its own; it ends with the `with` block or with this process. Nothing is left.

        Raises StackFailed."""
        return cls.starting(**parts).when_up(told)

    @classmethod
    def starting(cls, **parts: Unpack[Parts]) -> Self:
        """As `temporary`, but does not wait: `when_up` does."""
        sweep_temporary()
        directory = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
        directory.chmod(0o711)  # PostgreSQL of root runs as another user, who must be able to pass
        layout = Layout.at(directory)
        plan = dataclasses.replace(Plan(**parts), temporary=True)
        return cls(layout, plan, {}, _launch(layout, plan))

    def when_up(self, told: Told = lambda *_: None) -> Self:
        """Wait until everything is ready. Raises StackFailed, and then nothing is left."""
        if self._supervisor is not None and not self.summary:
            _await_up(self._supervisor, self.layout, told)
            self.refresh()
        return self

    def refresh(self) -> None:
        """Read stack.json again: process ids change when something was restarted."""
        self.summary = json.loads(self.layout.summary.read_text())

    # -- use

    @property
    def bootstrap(self) -> str:
        """Kafka's address, host:port."""
        return str(self.summary["kafka"]["bootstrap"])

    def url(self, service: str) -> str:
        return str(self.summary["services"][service])

    def dsn(self, service: str) -> str:
        """PostgreSQL as the service's runtime role."""
        return str(self.summary["postgres"][service])

    def administrator_dsn(self, database: str = "postgres") -> str:
        """PostgreSQL as its administrator; for checks and tests, never for a service."""
        return assembly.database_server(self._memory()).dsn(database)

    def psql(self, script: str, database: str = "postgres") -> str:
        """Run statements as the administrator; what they print, unaligned."""
        return postgres.psql(assembly.database_server(self._memory()), script, database)

    def token(self, *roles: str, subject: uuid.UUID | None = None) -> str:
        """A bearer token for these roles, speaking for `subject` (by default the first role's own person)."""
        return tokens.Issuer(self.layout.keys).token(*roles, subject=subject)

    def environment(self, service: str) -> dict[str, str]:
        """The variables of a service process, for starting a further instance by hand."""
        return clean_environment() | assembly.environment(self.layout, self.plan, self._memory(), service)

    def port(self, name: str) -> int:
        """A port of the stack: of a service, of `postgres`, `smtp`, `kafka`, or `kafka_through`."""
        return self._memory().ports[name]

    def program(self, service: str, extra: Mapping[str, str]) -> Program:
        """How to run a service of this stack whose plan leaves that to its holder; `extra` variables win."""
        memory = self._memory()
        settings = assembly.environment(self.layout, self.plan, memory, service) | dict(extra)
        return services.program(service, self.layout.log(service), memory.ports[service], settings)

    def mails(self) -> list[dict[str, Any]]:
        """Every mail that has left so far."""
        if not self.layout.mail.exists():
            return []
        return [json.loads(line) for line in self.layout.mail.read_text().splitlines()]

    def _memory(self) -> Memory:
        return Memory.read(self.layout.memory)

    # -- stop

    def stop(self) -> None:
        """Stop everything, in order; a temporary stack's directory goes too."""
        if self._supervisor is None:
            down(self.layout)
            return
        if self._supervisor.stdin:
            self._supervisor.stdin.close()
        try:
            self._supervisor.wait(_LONGEST_STOP)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        if self.layout.directory.exists():
            stop_leftovers(self.layout)
            remove(self.layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def down(layout: Layout) -> tuple[str, ...]:
    """Stop the stack of this layout, however it stands; the names of what was still running."""
    running = tuple(living(layout))
    supervisor = holder(layout)
    if supervisor is not None:
        _terminate(supervisor, layout)
    if layout.directory.exists():
        stop_leftovers(layout)
        layout.summary.unlink(missing_ok=True)
    return running


def _terminate(supervisor: int, layout: Layout) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + _LONGEST_STOP
    while is_held(layout) or born(supervisor) is not None:
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGKILL)
            return
        time.sleep(0.02)


def _launch(layout: Layout, plan: Plan) -> "subprocess.Popen[bytes]":
    layout.logs.mkdir(parents=True, exist_ok=True)
    layout.summary.unlink(missing_ok=True)
    plan.write(layout.plan)
    forwarded = {name: value for name, value in os.environ.items() if name.startswith("ATTUNE_")}
    # In the background nobody is left to be its parent, so the shell hands it to the system.
    background = () if plan.temporary else ("/bin/sh", "-c", '"$@" &', "sh")
    with layout.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            [*background, sys.executable, "-m", "attune.stack.supervisor", layout.directory, layout.summary],
            stdin=subprocess.PIPE if plan.temporary else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env=clean_environment() | forwarded | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )


def _await_up(launched: "subprocess.Popen[bytes]", layout: Layout, told: Told) -> None:
    """Listen until it is up. Raises StackFailed."""
    heard = launched.stdout
    if heard is None:
        raise StackFailed("nobody can hear the supervisor")
    with heard:
        for line in heard:
            message = json.loads(line)
            if "ready" in message:
                told(message["ready"], message["seconds"])
            elif "up" in message:
                return
            else:
                launched.wait()
                raise StackFailed(message["failed"])
    launched.wait()
    log = layout.log("supervisor")
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
    raise StackFailed(f"the supervisor ended before the stack was up\n{tail}")
