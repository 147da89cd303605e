"""Finds, in what passes between a service and PostgreSQL, the moment of a commit, so that the line can be cut there."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_WRITES = re.compile(rb"(?<!FOR )\b(INSERT|UPDATE|DELETE|COMMIT)\b", re.IGNORECASE)
_SSL_REQUEST, _CANCEL_REQUEST, _GSS_REQUEST = 80877103, 80877102, 80877104
_LARGEST_LOOKED_AT = 256 * 1024


@dataclass(slots=True)
class Scissors:
    """Shared by all links of one proxy: how many commits are yet to be cut, and on which side of the server's work."""

    before: int = 0
    after: int = 0
    cut: int = 0
    """How many were."""


class CommitWatch:
    """Follows one connection: every statement commits by itself, so a commit is the execution of one that writes."""

    def __init__(self, scissors: Scissors) -> None:
        self._scissors = scissors
        self._buffer = bytearray()
        self._started = False
        self._skip = 0
        self._writes: dict[bytes, bool] = {}
        self._bound: dict[bytes, bool] = {}
        self._answer_is_lost = False

    def up(self, chunk: bytes) -> bool:
        """False when this chunk commits something and is to be cut before the server sees it."""
        if not self._commits(chunk):
            return True
        if self._scissors.before:
            self._scissors.before -= 1
            self._scissors.cut += 1
            return False
        if self._scissors.after:
            self._scissors.after -= 1
            self._answer_is_lost = True
        return True

    def down(self, _chunk: bytes) -> bool:
        """False for the answer to a commit that is to be lost: the server has done it by now."""
        if self._answer_is_lost:
            self._scissors.cut += 1
            return False
        return True

    def _commits(self, chunk: bytes) -> bool:
        self._buffer += chunk
        found = False
        while True:
            if self._skip:
                gone = min(self._skip, len(self._buffer))
                del self._buffer[:gone]
                self._skip -= gone
                if self._skip:
                    return found
            if not self._started:
                if not self._start():
                    return found
                continue
            if len(self._buffer) < 5:
                return found
            kind = bytes(self._buffer[:1])
            (length,) = struct.unpack_from(">i", self._buffer, 1)
            if kind not in (b"P", b"B", b"E", b"Q") or length > _LARGEST_LOOKED_AT:
                self._skip = 1 + length
                continue
            if len(self._buffer) < 1 + length:
                return found
            body = bytes(self._buffer[5 : 1 + length])
            del self._buffer[: 1 + length]
            found |= self._message(kind, body)

    def _start(self) -> bool:
        """The first packets have no type; asking for encryption may come before the real one."""
        if len(self._buffer) < 8:
            return False
        length, code = struct.unpack_from(">ii", self._buffer)
        if len(self._buffer) < length:
            return False
        del self._buffer[:length]
        self._started = code not in (_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST)
        return True

    def _message(self, kind: bytes, body: bytes) -> bool:
        if kind == b"Q":
            return _WRITES.search(body) is not None
        first, _, rest = body.partition(b"\0")
        if kind == b"P":
            self._writes[first] = _WRITES.search(rest.partition(b"\0")[0]) is not None
        elif kind == b"B":
            self._bound[first] = self._writes.get(rest.partition(b"\0")[0], False)
        return kind == b"E" and self._bound.get(first, False)
