"""The HTTP server of a process: uvicorn on httptools, started and stopped by its caller, with limits on clients."""

from __future__ import annotations

import contextlib
import socket
from asyncio import TimerHandle
from collections.abc import Generator
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.problem import MEDIA_TYPE, Malformed

REQUEST_SECONDS = 10.0
"""A request must have arrived whole in this time, counted from its first packet (or from the connection)."""
LARGEST_HEAD = 32 * 1024
KEEP_ALIVE_SECONDS = 60
CONNECTIONS = 1000
"""Beyond this the answer is 503; below the usual limit of 1,024 file descriptors."""
LATE = "attune.late"
"""Set in the scope of a request whose body did not arrive in time."""


class Protocol(HttpToolsProtocol):
    """One connection. Adds what httptools leaves open: how long and how large a request may be while it arrives."""

    _whole = False
    _in_head = True
    _head_size = 0
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._whole:
            if self._deadline is not None:
                self._disarm()
            return
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._late)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > LARGEST_HEAD:
                self.send_400_response("head_too_large")

    def on_message_begin(self) -> None:
        self._whole, self._in_head, self._head_size = False, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._whole = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """A request that is not HTTP, as a problem like every other."""
        if self.transport.is_closing():
            return
        body = Malformed(rule="head-too-large" if msg == "head_too_large" else "malformed-http").body()
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"cache-control: no-store\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
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


def serve(app: Any, host: str, port: int) -> Server:
    """A server for the application, not started: `await server.serve()` runs it. Port 0 takes a free one."""
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
        limit_concurrency=CONNECTIONS,
        backlog=1024,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
    )
    return Server(config, host, port)
