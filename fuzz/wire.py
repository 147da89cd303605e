"""Requests as bytes and answers as they came: nothing between us and the server that would mend or refuse a request."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

PATIENCE_SECONDS = 30.0
"""A request without an answer in this time hangs. Longer than the server's own deadlines, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and what its sender knows about it."""

    service: str
    operation: str
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    dress: str
    """As whom and how changed: allowed, known, flipped, other_role, no_token, wrong_token."""
    seconds: float = PATIENCE_SECONDS

    def written(self) -> bytes:
        lines = [self.method.encode() + b" " + self.target + b" HTTP/1.1", b"host: attune"]
        lines += [name + b": " + value for name, value in self.headers]
        if self.body or self.method not in ("GET", "HEAD"):
            lines.append(b"content-length: " + str(len(self.body)).encode())
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 where nothing did."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 0.0
    hung: bool = False

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Line:
    """One connection, opened again when the server closed it."""

    port: int
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = field(default=None, repr=False)

    async def ask(self, request: Request) -> Answer:
        """The answer to a request. A connection that was closed meanwhile is opened once more."""
        started = time.perf_counter()
        for attempt in (1, 2):
            fresh = self._writer is None
            try:
                async with asyncio.timeout(request.seconds):
                    await self._open()
                    assert self._reader is not None
                    assert self._writer is not None
                    self._writer.write(request.written())
                    answer = await read_answer(self._reader, request.method)
            except TimeoutError:
                self.close()
                return Answer(0, seconds=time.perf_counter() - started, hung=True)
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                if fresh or attempt == 2:
                    return Answer(0, seconds=time.perf_counter() - started)
                continue
            if (answer.header("connection") or "").lower() == "close":
                self.close()
            return Answer(answer.status, answer.headers, answer.body, time.perf_counter() - started)
        raise AssertionError

    async def _open(self) -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def read_answer(reader: asyncio.StreamReader, method: str = "GET") -> Answer:
    """The next answer on a connection. Raises IncompleteReadError when it was closed before."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers = tuple((k.lower(), v.strip()) for k, _, v in (line.partition(":") for line in head[1:] if line))
    if status == 100:
        return await read_answer(reader, method)
    named = dict(headers)
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers)
    if named.get("transfer-encoding") == "chunked":
        return Answer(status, headers, await _chunks(reader))
    return Answer(status, headers, await reader.readexactly(int(named.get("content-length", "0"))))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readline()
    return b"".join(parts)


async def ask_all(ports: dict[str, int], requests: Sequence[Request], at_once: int = 12) -> list[Answer]:
    """The answers to many requests, in their order."""
    answers: list[Answer] = [Answer(0)] * len(requests)
    left = iter(enumerate(requests))

    async def work() -> None:
        lines: dict[str, Line] = {}
        for n, request in left:
            line = lines.setdefault(request.service, Line(ports[request.service]))
            answers[n] = await line.ask(request)
        for line in lines.values():
            line.close()

    await asyncio.gather(*(work() for _ in range(at_once)))
    return answers
