"""A TCP proxy between a service and a server, on which the weather of a bad network can be made."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

HOST = "127.0.0.1"
_CHUNK = 64 * 1024
_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset."""

Weather = Literal["clear", "latency", "blackhole", "reset", "half_close", "cut_after", "refuse"]


class Watch(Protocol):
    """Looks at what passes on one link; speaks the language of the server behind the proxy."""

    def up(self, chunk: bytes) -> bool:
        """What the client sends. False: the link is cut, and this never arrives."""

    def down(self, chunk: bytes) -> bool:
        """What the server answers. False: the link is cut, and the client never learns of it."""


@dataclass(frozen=True, slots=True)
class Sky:
    """The weather, with its figure: milliseconds of latency, bytes until a cut."""

    weather: Weather = "clear"
    figure: int = 0


class Link:
    """One connection of a client with its connection to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter, left: int) -> None:
        self.client, self.server, self.left = client, server, left

    def abort(self) -> None:
        """Both sides get a reset, whatever was under way."""
        for writer in (self.client, self.server):
            raw: socket.socket | None = writer.get_extra_info("socket")
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            writer.transport.abort()


class Proxy:
    """One listening port that leads to another; `watch` is asked for each new link."""

    def __init__(self, name: str, watch: Callable[[], Watch] | None = None) -> None:
        self.name, self._watch = name, watch
        self.port = 0
        self.upstream: int | None = None
        self.sky = Sky()
        self.passed = 0
        """Bytes so far, both ways: a proxy that nobody uses proves nothing."""
        self._links: set[Link] = set()
        self._clear = asyncio.Event()
        self._clear.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Listens; the port."""
        self._server = await asyncio.start_server(self._accept, HOST, 0, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._cut_all()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def links(self) -> int:
        return len(self._links)

    def make(self, weather: Weather, figure: int = 0) -> None:
        """From now on, also for links that stand already."""
        self.sky = Sky(weather, figure)
        (self._clear.clear if weather == "blackhole" else self._clear.set)()
        if weather in ("reset", "refuse"):
            self._cut_all()
        elif weather == "half_close":
            for link in self._links:
                if link.client.can_write_eof():
                    with contextlib.suppress(OSError):
                        link.client.write_eof()
        elif weather == "cut_after":
            for link in self._links:
                link.left = figure

    def heal(self) -> None:
        """Clear weather for whatever still stands and all that comes."""
        self.make("clear")

    def _cut_all(self) -> None:
        for link in list(self._links):
            link.abort()

    def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._between(reader, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _between(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self.sky.weather in ("refuse", "reset") or self.upstream is None:
            client.transport.abort()
            return
        try:
            await self._clear.wait()
        except asyncio.CancelledError:
            client.transport.abort()
            raise
        try:
            answers, server = await asyncio.open_connection(HOST, self.upstream, limit=_CHUNK)
        except OSError:
            client.transport.abort()
            return
        link = Link(client, server, self.sky.figure)
        self._links.add(link)
        watch = self._watch() if self._watch is not None else None
        pumps = [
            asyncio.create_task(self._pump(link, reader, server, watch.up if watch else None)),
            asyncio.create_task(self._pump(link, answers, client, watch.down if watch else None)),
        ]
        self._tasks.update(pumps)
        try:
            await asyncio.wait(pumps)
        finally:
            self._tasks.difference_update(pumps)
            self._links.discard(link)
            for pump in pumps:
                pump.cancel()
            for writer in (client, server):
                writer.close()

    async def _pump(
        self,
        link: Link,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        look: Callable[[bytes], bool] | None,
    ) -> None:
        try:
            while chunk := await source.read(_CHUNK):
                await self._clear.wait()
                sky = self.sky
                if sky.weather == "latency":
                    await asyncio.sleep(sky.figure / 1000)
                if sky.weather == "cut_after":
                    chunk, link.left = chunk[: link.left], link.left - len(chunk)
                if look is not None and not look(chunk):
                    return link.abort()
                self.passed += len(chunk)
                sink.write(chunk)
                await sink.drain()
                if sky.weather == "cut_after" and link.left <= 0:
                    return link.abort()
            # One side has said all: the other may still have something to say.
            if sink.can_write_eof() and not sink.is_closing():
                sink.write_eof()
        except OSError:
            link.abort()  # who was killed must not live on at the other end
        return None
