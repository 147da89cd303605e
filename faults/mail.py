"""The mail server in a bad mood: refusing for now or for good, or taking a letter and never saying so."""

from __future__ import annotations

import asyncio
from typing import Literal

from faults.proxy import HOST

Mood = Literal["well", "later", "never", "silent"]
_CODES = {"later": b"451 4.3.0 come again later", "never": b"550 5.1.1 no such mailbox"}


class Postbox:
    """A mail server that says no, for when the real one is to be out of temper; `mood` says how."""

    def __init__(self) -> None:
        self.mood: Mood = "well"
        self.port = 0
        self.refused = 0
        self.swallowed = 0
        """Answers to letters that were taken and never confirmed."""
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 postbox\r\n")
            while line := await reader.readline():
                word = line.strip().upper()[:4]
                if word == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                if word == b"RCPT":
                    self.refused += 1
                    writer.write(_CODES.get(self.mood, b"451 4.3.0 come again") + b"\r\n")
                else:
                    writer.write(b"503 5.5.1 nobody to send to\r\n" if word == b"DATA" else b"250 ok\r\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()


class MailWatch:
    """Looks for the end of a letter; when the server is to be silent, its answer to that is lost with the line."""

    def __init__(self, postbox: Postbox) -> None:
        self._postbox, self._tail, self._lost = postbox, b"", False

    def up(self, chunk: bytes) -> bool:
        self._tail = (self._tail + chunk)[-5:]
        if self._postbox.mood == "silent" and self._tail == b"\r\n.\r\n":
            self._lost = True
        return True

    def down(self, _chunk: bytes) -> bool:
        if self._lost:
            self._postbox.swallowed += 1
            return False
        return True
