"""HTTP that is none, or hardly: what a broken proxy, a scanner or somebody in malice writes to a socket."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fuzz import odd
from fuzz.generated import flipped
from fuzz.judging import faults
from fuzz.wire import Answer, Request, read_answer

SILENCE_SECONDS = 45.0
"""Longer than the server lets anything half-sent stand; a connection that is still open then hangs."""


@dataclass(frozen=True, slots=True)
class Rubbish:
    """Pieces to write one after the other, with a pause before each but the first."""

    kind: str
    pieces: tuple[bytes, ...]
    pause: float = 0.0
    half_close: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """Every answer on the connection before the server closed it."""

    answers: tuple[Answer, ...]
    seconds: float
    hung: bool = False


class Maker:
    """Rubbish around one command that would be taken: `route`, a token that may, a body that is right."""

    def __init__(self, route: str, token: str, body: bytes, rng: random.Random) -> None:
        self._route, self._token, self._body, self._rng = route.encode(), token.encode(), body, rng
        self._kinds: tuple[Callable[[], Rubbish], ...] = (
            self._request_line,
            self._header,
            self._huge_head,
            self._length,
            self._chunks,
            self._bytes,
            self._json,
            self._json,
            self._pipelined,
            self._cut,
            self._noise,
            self._path,
        )

    def made(self, count: int) -> list[Rubbish]:
        return [self._kinds[n % len(self._kinds)]() for n in range(count)]

    def slow(self, count: int) -> list[Rubbish]:
        """Senders who never come to an end; each holds its connection as long as the server lets it."""
        head = b"POST " + self._route + b" HTTP/1.1\r\n"
        kinds = (
            Rubbish("slow head", (b"POST ", *[b"/"] * 40), 0.5),
            Rubbish("slow headers", (head, *[b"x: y\r\n"] * 40), 0.5),
            Rubbish("slow body", (self._head(b"content-length: 5000"), *[b" "] * 40), 0.5),
            Rubbish("slow chunks", (self._head(b"transfer-encoding: chunked"), *[b"1\r\n \r\n"] * 40), 0.5),
            Rubbish("silent", ()),
            Rubbish("empty lines", (b"\r\n",) * 20, 1.0),
        )
        return [kinds[n % len(kinds)] for n in range(count)]

    def _head(self, *more: bytes, line: bytes | None = None) -> bytes:
        lines = (
            line or b"POST " + self._route + b" HTTP/1.1",
            b"host: attune",
            b"authorization: Bearer " + self._token,
            b"content-type: application/json",
            *more,
        )
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _whole(self, body: bytes, *more: bytes, line: bytes | None = None) -> bytes:
        return self._head(b"content-length: %d" % len(body), b"connection: close", *more, line=line) + body

    def _request_line(self) -> Rubbish:
        return Rubbish("request line", (self._head(b"connection: close", line=self._rng.choice(odd.REQUEST_LINES)),))

    def _header(self) -> Rubbish:
        return Rubbish("header", (self._whole(self._body, self._rng.choice(odd.HEADERS)),))

    def _huge_head(self) -> Rubbish:
        size = self._rng.choice((31_000, 33_000, 70_000, 300_000))
        many = b"\r\n".join(b"x-%d: %s" % (n, b"y" * 90) for n in range(size // 100))
        return Rubbish("huge head", (self._whole(self._body, self._rng.choice((b"x: " + b"y" * size, many))),))

    def _length(self) -> Rubbish:
        length = self._rng.choice(
            (
                b"-1",
                b"0",
                b"3",
                b"+5",
                b"0x10",
                b"1e3",
                b"99999999999999999999999",
                b"",
                b"5, 5",
                b" 5 ",
                b"\xb2",
                b"70000",
            )
        )
        return Rubbish(
            "length", (self._head(b"content-length: " + length, b"connection: close") + self._body,), half_close=True
        )

    def _chunks(self) -> Rubbish:
        chunk = b"%x\r\n%s\r\n" % (len(self._body), self._body)
        broken: Sequence[bytes] = (
            b"zz\r\nabc\r\n0\r\n\r\n",
            b"-1\r\n\r\n",
            b"ffffffffffffffffff\r\nabc",
            b"5\r\nabc\r\n0\r\n\r\n",
            b"3;x=" + b"y" * 9000 + b"\r\nabc\r\n0\r\n\r\n",
            chunk + b"0\r\nx: y\r\n\r\n",
            chunk,
            b"\r\n\r\n",
            b"0\r\n\r\n",
            chunk * 400 + b"0\r\n\r\n",
            b"1\r\n{\r\n" * 2000 + b"0\r\n\r\n",
            b"3\nabc\n0\n\n",
        )
        head = self._head(b"transfer-encoding: chunked", b"connection: close")
        return Rubbish("chunks", (head + self._rng.choice(broken),), half_close=True)

    def _bytes(self) -> Rubbish:
        return Rubbish("bytes of the body", (self._whole(flipped(self._body, self._rng)),))

    def _json(self) -> Rubbish:
        name = self._rng.choice(sorted(json.loads(self._body)) or ["x"]).encode()
        whole = json.loads(self._body) | {name.decode(): None}
        text = (
            json.dumps(whole)
            .encode()
            .replace(b'"%s": null' % name, b'"%s": %s' % (name, self._rng.choice((*odd.SPICES, *odd.VALUES))), 1)
        )
        if self._rng.random() < 0.15:
            text = text.replace(b"{", b'{"%s": 1, ' % name, 1)
        if self._rng.random() < 0.1:
            text = self._rng.choice((b"\xef\xbb\xbf", b" " * 70_000, b"[", b"null", b'"')) + text
        return Rubbish("JSON", (self._whole(text),))

    def _pipelined(self) -> Rubbish:
        get = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
        body = flipped(self._body, self._rng)
        post = self._head(b"content-length: %d" % len(body)) + body
        last = self._whole(self._body)
        return Rubbish(
            "pipelined",
            (self._rng.choice((get * 50 + last, post * 5 + last, get + b"rubbish\r\n\r\n" + get, post + last + get)),),
        )

    def _cut(self) -> Rubbish:
        whole = self._whole(self._body)
        return Rubbish("cut", (whole[: self._rng.randrange(1, len(whole))],), half_close=True)

    def _noise(self) -> Rubbish:
        return Rubbish("noise", (self._rng.randbytes(self._rng.choice((1, 40, 4000))),), half_close=True)

    def _path(self) -> Rubbish:
        part = self._rng.choice(odd.PATHS)
        at = self._rng.choice(
            (
                self._route + b"/" + part,
                b"/" + part,
                self._route + b"?" + part,
                b"/timeline/" + part,
                b"/parked?limit=" + part,
                b"/parked/" + part + b"/retry",
            )
        )
        method = self._rng.choice((b"GET", b"POST", b"PUT", b"HEAD", b"DELETE"))
        body = self._body if method in (b"POST", b"PUT") else b""
        return Rubbish("path", (self._whole(body, line=method + b" " + at + b" HTTP/1.1"),))


async def send(port: int, rubbish: Rubbish) -> Heard:
    """Writes it and listens until the server closes."""
    started = time.perf_counter()
    answers: list[Answer] = []
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writing = asyncio.create_task(_write(writer, rubbish))
            try:
                while True:
                    answers.append(await read_answer(reader))
            except (OSError, ValueError, IndexError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            finally:
                writing.cancel()
                writer.close()
    except TimeoutError:
        return Heard(tuple(answers), time.perf_counter() - started, hung=True)
    except OSError:
        pass
    return Heard(tuple(answers), time.perf_counter() - started)


async def _write(writer: asyncio.StreamWriter, rubbish: Rubbish) -> None:
    try:
        for n, piece in enumerate(rubbish.pieces):
            if n and rubbish.pause:
                await asyncio.sleep(rubbish.pause)
            writer.write(piece)
            await writer.drain()
        if rubbish.half_close:
            writer.write_eof()
    except OSError:
        return


def wrong_with(rubbish: Rubbish, heard: Heard) -> list[str]:
    """What is wrong with what was heard: a failure, a hang, an answer that is no problem."""
    if heard.hung:
        return [f"{rubbish.kind}: hangs"]
    sent = Request("", rubbish.kind, "GET", b"/", (), b"", rubbish.kind)
    return [f"{rubbish.kind}: {fault}" for answer in heard.answers for fault in faults(None, sent, answer)]
