"""The HTTP server of a process: uvicorn on httptools, started and stopped by its caller, with limits on clients."""

from __future__ import annotations

import contextlib
import resource
import socket
from asyncio import TimerHandle
from collections.abc import Generator
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.problem import MEDIA_TYPE, Malformed, Problem, Unavailable

REQUEST_SECONDS = 10.0
"""A request must have arrived whole in this time, counted from its first packet (or from the connection)."""
LARGEST_HEAD = 32 * 1024
KEEP_ALIVE_SECONDS = 60
CONNECTIONS = 1000
"""Beyond this the answer is 503, except to whoever asks whether the service is well."""
TURNED_AWAY = 1000
"""Connections beyond those that may still wait for their 503; any more are closed unheard, to keep descriptors."""
DESCRIPTORS = 4096
"""Files that the process wants to have open at once; the usual soft limit of 1,024 is less than its clients."""
_ABOUT_ITSELF = frozenset({"/livez", "/readyz", "/metrics"})
STALLED_SECONDS = 0.5
"""A deadline that is noticed so much too late was missed by this process, not by the client."""
LATE = "attune.late"
"""Set in the scope of a request whose body did not arrive in time."""


class HeadTooLarge(Exception):
    """Stops the parser within a head that is refused."""


class Protocol(HttpToolsProtocol):
    """One connection. Adds what httptools leaves open: how long and how large a request may be while it arrives."""

    _whole = False
    _begun = False
    _in_head = True
    _between = True
    _arriving = 0
    _before = 0
    _deadline: TimerHandle | None = None
    _due = 0.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS + TURNED_AWAY:
            transport.abort()
            return
        self._arm(REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._arriving, self._between = len(data), self._whole or not self._begun
        super().data_received(data)
        if self._whole and self.cycle is not None and not self.cycle.response_complete:
            if self._deadline is not None:
                self._disarm()
            return
        if self._deadline is None and not self.transport.is_closing():
            self._arm(REQUEST_SECONDS)
        if self._in_head:
            self._before += self._arriving
            if self._before > LARGEST_HEAD:
                self._refuse_head()

    def on_message_begin(self) -> None:
        # What came in one packet with the end of an earlier request is not counted until this head is whole.
        self._before = 0 if self._between else -self._arriving
        self._begun, self._whole, self._in_head, self._between = True, False, True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._before + 2 * self._arriving > LARGEST_HEAD and self._size_of_head() > LARGEST_HEAD:
            self._refuse_head()
            raise HeadTooLarge
        self._in_head = False
        self.app = self._crowded if len(self.connections) > CONNECTIONS else self.config.loaded_app
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._whole = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text, not ours
        """A request that is not HTTP, as a problem like every other."""
        self._refuse(Malformed(rule="malformed-http"))

    def _refuse_head(self) -> None:
        self._refuse(Malformed(rule="head-too-large"))

    def _refuse(self, problem: Problem) -> None:
        """The last answer on this connection. An earlier request that waits for its own is not answered by this."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete and (self._in_head or self.pipeline):
            self.cycle.keep_alive = False
            return
        body = problem.body()
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"cache-control: no-store\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    async def _crowded(self, scope: Any, receive: Any, send: Any) -> None:
        """The application while there are too many connections: looks at nothing, so that it costs next to nothing."""
        if scope["path"] in _ABOUT_ITSELF:
            await self.config.loaded_app(scope, receive, send)
            return
        problem = Unavailable("Too many connections.", rule="too-many-connections")
        body = problem.body()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in problem.headers]
        headers += [(b"cache-control", b"no-store"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _arm(self, seconds: float) -> None:
        self._due = self.loop.time() + seconds
        self._deadline = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self._deadline = None
        if self.loop.time() - self._due > STALLED_SECONDS:
            # We stood still; what has arrived meanwhile waits to be read, and the timer is only quicker.
            self._arm(STALLED_SECONDS)
            return
        if self._in_head or self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            return
        cast("dict[str, Any]", self.scope)[LATE] = True
        self.cycle.more_body = False
        self.cycle.message_event.set()


class Server(uvicorn.Server):
    """Serves until `should_exit` is set, then answers what is in hand; `started` and `closed` tell where it is."""

    closed = False

    def __init__(self, config: uvicorn.Config, host: str, port: int) -> None:
        super().__init__(config)
        self._address = (host, port)

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Runs until told to stop. Raises OSError when the address cannot be bound."""
        try:
            await super().serve(sockets or [self._bound()])
        finally:
            self.closed = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the business of whoever started this server."""
        yield

    def _bound(self) -> socket.socket:
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=self.config.backlog)
        bound.setblocking(False)
        return bound


def want_descriptors() -> None:
    """Raises this process's own limit of open files as far as it may, for as many clients as it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(app: Any, host: str, port: int) -> Server:
    """A server for the application, not started: `await server.serve()` runs it. Port 0 takes a free one."""
    want_descriptors()
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=1024,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
    )
    return Server(config, host, port)
