"""Sends prepared requests over kept connections from a process of its own, and notes when each was due and answered.

`python -m bench.driver PLAN`, where PLAN is a JSON file (see `Plan`). Prints READY when all requests are built and all
connections stand, begins at the first line on stdin, and ends with one line of JSON. One thread, one epoll loop: the
driver must not be what is measured. In the open loop a request is due by the schedule, not when a connection is free.
"""

import json
import select
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.cases import Callers, build, read_children

OPEN_LOOP_CONNECTIONS = 256
_SENT = struct.Struct("16s16sdd")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `rate` in requests a second; None means: as fast as `connections` allow."""

    port: int
    seed: int
    children: str
    """File of sixteen-byte child ids."""
    first_child: int
    count: int
    callers: str
    sent: str
    """File that is to hold one record for each request."""
    connections: int
    rate: float | None = None

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: its ids, and when it was due and answered, in seconds since the epoch."""

    screening_id: UUID
    command_key: UUID
    due: float
    answered: float


def read_sent(path: Path) -> list[Sent]:
    return [Sent(UUID(bytes=s), UUID(bytes=k), a, b) for s, k, a, b in _SENT.iter_unpack(path.read_bytes())]


class Driver:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        children = read_children(Path(plan.children), plan.first_child, plan.count)
        self.cases = build(plan.seed, children, plan.count, Callers.read(Path(plan.callers)))
        self.due = [0.0] * plan.count
        self.answered = [0.0] * plan.count
        self.refused: dict[str, int] = {}
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.parts: dict[int, bytes] = {}
        self.busy: dict[int, int] = {}
        for _ in range(plan.connections if plan.rate is None else OPEN_LOOP_CONNECTIONS):
            made = socket.create_connection(("127.0.0.1", plan.port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[made.fileno()] = made
            self.poll.register(made.fileno(), select.EPOLLIN)
        self.free = list(self.sockets)

    def run(self) -> dict[str, Any]:
        """Send everything and wait for every answer."""
        used, begun = time.process_time(), time.time()
        if self.plan.rate is None:
            self._closed()
        else:
            self._open(begun + 0.02, self.plan.rate)
        used = time.process_time() - used
        return {
            "requests": self.plan.count,
            "refused": self.refused,
            "seconds": max(self.answered) - min(self.due),
            "cpu_seconds": used,
        }

    def _closed(self) -> None:
        following, left = 0, self.plan.count
        while left:
            while self.free and following < self.plan.count:
                self._send(following, time.time())
                following += 1
            left -= self._answers(None)

    def _open(self, begin: float, rate: float) -> None:
        following, left = 0, self.plan.count
        while left:
            now = time.time()
            while self.free and following < self.plan.count and begin + following / rate <= now:
                self._send(following, begin + following / rate)
                following += 1
            if following < self.plan.count and self.free:
                # select waits in microseconds, epoll only in milliseconds
                select.select([self.poll.fileno()], [], [], max(0.0, begin + following / rate - time.time()))
                left -= self._answers(0)
            else:
                left -= self._answers(None)

    def _send(self, n: int, due: float) -> None:
        handle = self.free.pop()
        self.due[n], self.busy[handle] = due, n
        request = self.cases[n].request
        sent = self.sockets[handle].send(request)
        if sent < len(request):
            self.sockets[handle].sendall(request[sent:])

    def _forget(self, handle: int) -> None:
        """An idle connection that the service has closed."""
        self.poll.unregister(handle)
        self.sockets.pop(handle).close()
        self.free.remove(handle)

    def _answers(self, timeout: float | None) -> int:
        """Take what has come; how many answers are complete."""
        complete = 0
        for handle, _ in self.poll.poll(timeout):
            received = self.sockets[handle].recv(65536)
            if not received:
                if handle in self.busy:
                    raise ConnectionError("the service closed a connection with a request under way")
                self._forget(handle)
                continue
            data = self.parts.pop(handle, b"") + received
            head = data.find(b"\r\n\r\n")
            if head < 0 or len(data) < head + 4 + _length(data[:head]):
                self.parts[handle] = data
                continue
            n = self.busy.pop(handle)
            self.answered[n] = time.time()
            if not data.startswith(b"HTTP/1.1 201"):
                status = data[9:12].decode(errors="replace")
                self.refused[status] = self.refused.get(status, 0) + 1
            self.free.append(handle)
            complete += 1
        return complete

    def write_sent(self) -> None:
        with Path(self.plan.sent).open("wb") as opened:
            opened.writelines(
                _SENT.pack(case.screening_id.bytes, case.command_key.bytes, due, answered)
                for case, due, answered in zip(self.cases, self.due, self.answered, strict=True)
            )


def _length(head: bytes) -> int:
    at = head.lower().index(b"content-length:") + 15
    end = head.find(b"\r\n", at)
    return int(head[at:] if end < 0 else head[at:end])


def main() -> None:
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    driver = Driver(plan)
    print("READY", flush=True)
    sys.stdin.readline()
    result = driver.run()
    driver.write_sent()
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
