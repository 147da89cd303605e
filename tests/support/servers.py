"""Where the tests' PostgreSQL and Kafka come from: named addresses, else containers, else local processes.

Each server is started when the first test asks for it, once for all workers, and is gone after the run."""

import json
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attune.stack.stack import Stack
from tests.support import containers

POSTGRES, KAFKA = "postgres", "kafka"
ADDRESSES = {POSTGRES: "ATTUNE_TEST_POSTGRES", KAFKA: "ATTUNE_TEST_KAFKA"}
"""Variables that name a server to use: an administrator's DSN, and a bootstrap address."""

SOURCE = "ATTUNE_TEST_SERVERS"
"""`local` or `containers` forces that rung."""

MEETING_PLACE = "ATTUNE_TEST_MEETING_PLACE"
"""Set for the workers of a parallel run: the directory in which they ask the first process for servers."""

_START_WITHIN = 180.0


class NoServer(RuntimeError):
    """A test needs a server, and none could be had; the message says what was tried."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server for tests: a DSN for PostgreSQL, host:port for Kafka."""

    address: str
    stop: Callable[[], None]


def start(name: str) -> Server:
    """The first rung of the ladder that holds. Raises NoServer or StackFailed."""
    named = os.environ.get(ADDRESSES[name])
    if named:
        return Server(named, lambda: None)
    forced = os.environ.get(SOURCE)
    if forced != "local" and (forced or containers.engine_answers()):
        try:
            return Server(*containers.start(name))
        except Exception as failure:
            if forced:
                raise NoServer(f"no container for {name}: {failure}") from failure
            warnings.warn(f"no container for {name} ({failure}): taking a local process", stacklevel=2)
    return start_postgres() if name == POSTGRES else start_kafka()


def start_postgres() -> Server:
    """A local PostgreSQL that trusts local clients and flushes nothing: quick, and worthless after a power cut."""
    many = ("max_connections=300", "max_locks_per_transaction=256", "shared_buffers=64MB")
    stack = Stack.temporary(services=(), servers=("postgres",), fsync=False, trusting=True, postgres_settings=many)
    return Server(stack.administrator_dsn(), stack.stop)


def start_kafka() -> Server:
    """A local broker."""
    stack = Stack.temporary(services=(), servers=("kafka",))
    return Server(stack.bootstrap, stack.stop)


class MeetingPlace:
    """Lets the workers of a parallel run share servers which the first process owns.

    A worker leaves the file `NAME.wanted`; the owner starts the server and answers with `NAME.answer`."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="attune-tests-")
        self._running: list[Server] = []
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._serve, args=(name,), daemon=True) for name in ADDRESSES]
        os.environ[MEETING_PLACE] = self._directory.name
        for thread in self._threads:
            thread.start()

    def _serve(self, name: str) -> None:
        place = Path(self._directory.name)
        while not (place / f"{name}.wanted").exists():
            if self._closing.wait(0.05):
                return
        try:
            server = start(name)
            self._running.append(server)
            answer = {"address": server.address}
        except Exception as failure:
            answer = {"failed": str(failure)}
        (place / f"{name}.new").write_text(json.dumps(answer))
        (place / f"{name}.new").rename(place / f"{name}.answer")

    def close(self) -> None:
        """Stop what was started."""
        self._closing.set()
        for thread in self._threads:
            thread.join()
        for server in self._running:
            server.stop()
        os.environ.pop(MEETING_PLACE, None)
        self._directory.cleanup()


def shared(name: str) -> Server:
    """In a worker of a parallel run the common server, else one of our own."""
    named = os.environ.get(MEETING_PLACE)
    if named is None:
        return start(name)
    answer = Path(named) / f"{name}.answer"
    (Path(named) / f"{name}.wanted").touch()
    deadline = time.monotonic() + _START_WITHIN
    while not answer.exists():
        if time.monotonic() > deadline:
            raise NoServer(f"{name} did not start within {_START_WITHIN:.0f} s")
        time.sleep(0.05)
    told: dict[str, str] = json.loads(answer.read_text())
    if "failed" in told:
        raise NoServer(f"{name}: {told['failed']}")
    return Server(told["address"], lambda: None)
