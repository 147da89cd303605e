"""The issuer's public keys, from a URL or a file: read beside the event loop, renewed on change, not too often."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import structlog

from chassis.problem import Unavailable

log = structlog.get_logger(__name__)

FETCH_TIMEOUT_SECONDS = 5.0
LARGEST_SET = 1024 * 1024


class KeySet:
    """A JSON Web Key Set. `generation` grows whenever its content has changed."""

    def __init__(
        self,
        location: str,
        *,
        renew_s: float = 600.0,
        retry_s: float = 10.0,
        look_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A URL is fetched again after `renew_s`, and for an unknown key once in `retry_s`; a file is looked at every
        `look_s`; all in seconds."""
        self._url = location if location.startswith(("http://", "https://")) else None
        self._file = None if self._url else Path(location)
        self._renew_s, self._retry_s, self._look_s, self._clock = renew_s, retry_s, look_s, clock
        self._keys: list[dict[str, Any]] = []
        self._made: dict[tuple[str | None, str], jwt.PyJWK] = {}
        self._content = b""
        self._stat: tuple[int, int, int] | None = None
        self._tried = self._loaded = -1e9
        self._renewing: asyncio.Task[None] | None = None
        self.generation = 0

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key with this id for this algorithm, None if the issuer has none.

        Without an id the only key is meant. Raises Unavailable while no set could be loaded.
        """
        since = self._clock() - self._tried
        if not self._keys:
            if since >= self._look_s or self._under_way():
                await self._renew()
            if not self._keys:
                raise Unavailable("The issuer's keys cannot be read.", rule="keys-unavailable")
        elif self._file is not None and since >= self._look_s:
            await self._renew()
        elif self._url is not None and self._clock() - self._loaded >= self._renew_s and since >= self._retry_s:
            self._start()
        key = self._key(key_id, algorithm)
        if key is None and self._url is not None and self._clock() - self._tried >= self._retry_s:
            await self._renew()
            key = self._key(key_id, algorithm)
        return key

    def _key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        made = self._made.get((key_id, algorithm))
        if made is not None:
            return made
        fitting = [key for key in self._keys if key_id is None or key.get("kid") == key_id]
        if len(fitting) != 1 or fitting[0].get("alg", algorithm) != algorithm:
            return None
        try:
            made = self._made[key_id, algorithm] = jwt.PyJWK(fitting[0], algorithm=algorithm)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return made

    def _under_way(self) -> bool:
        return self._renewing is not None and not self._renewing.done()

    def _start(self) -> asyncio.Task[None]:
        if self._renewing is None or self._renewing.done():
            self._tried = self._clock()
            self._renewing = asyncio.create_task(self._load())
        return self._renewing

    async def _renew(self) -> None:
        # Shielded: the caller that happened to start it may go away, the others wait for the same answer.
        await asyncio.shield(self._start())

    async def _load(self) -> None:
        try:
            content = await asyncio.to_thread(self._read)
            if content is None:
                return
            keys = [key for key in json.loads(content)["keys"] if _usable(key)]
            if not keys:
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            log.warning("key_set_not_loaded", error=type(error).__name__, kind="url" if self._url else "file")
            return
        self._loaded = self._clock()
        if content != self._content:
            self._content, self._keys = content, keys
            self._made.clear()
            self.generation += 1
            log.info("key_set_loaded", count=len(keys))

    def _read(self) -> bytes | None:
        """The content, or None if the file is as it was."""
        if self._file is not None:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._stat:
                return None
            content = self._file.read_bytes()[: LARGEST_SET + 1]
            self._stat = seen
        else:
            request = urllib.request.Request(self._url or "", headers={"accept": "application/json"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=FETCH_TIMEOUT_SECONDS) as response:  # noqa: S310
                content = response.read(LARGEST_SET + 1)
        if len(content) > LARGEST_SET:
            raise ValueError
        return bytes(content)


def _usable(key: Any) -> bool:
    """Public signature keys only: a symmetric one in a public set would let every reader sign."""
    return isinstance(key, dict) and key.get("kty") in ("EC", "RSA", "OKP") and key.get("use", "sig") == "sig"
