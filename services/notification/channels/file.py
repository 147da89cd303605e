"""The file channel: letters as JSON Lines, a whole batch with one write and one fsync; the message id is the key."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from services.notification.channels.channel import ACCEPTED, Letter, Result


class FileChannel:
    """Appends to one file, which several processes may share. Who reads it keeps the first line of each message id."""

    name = "file"
    honours_key = True
    longest_send_s = 5.0

    def __init__(self, path: Path) -> None:
        self.path = path

    async def send(self, letters: Sequence[Letter]) -> Sequence[Result]:
        lines = b"".join(map(_line, letters))
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            # Some of it may be in the file: safe, since a repeated id counts once.
            return [Result("unknown", f"file_errno_{error.errno or 0}", channel_fault=True)] * len(letters)
        return [ACCEPTED] * len(letters)

    async def close(self) -> None:
        """Nothing is kept open between two batches."""

    def _append(self, lines: bytes) -> None:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # a crash tore the last line: it must not swallow the next
            try:
                rest = memoryview(lines)
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)


def _line(letter: Letter) -> bytes:
    """One line; without the address, which belongs to the recipient's row only."""
    content: dict[str, Any] = {
        "message_id": letter.message_id,
        "kind": letter.kind,
        "recipient_id": letter.recipient_id,
        "language": letter.language,
        "subject": letter.subject,
        "body": letter.body,
        "attempt": letter.attempt,
        "written_at": letter.written_at,
    }
    if letter.also:
        content["also"] = letter.also
    return to_json(content) + b"\n"


def letters_in(path: Path) -> Iterator[dict[str, Any]]:
    """Every letter once: the first line of each message id; a torn line is no letter."""
    seen = set()
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                letter: dict[str, Any] = json.loads(line)
                key = letter["message_id"]
            except (ValueError, TypeError, KeyError):
                continue
            if key not in seen:
                seen.add(key)
                yield letter
