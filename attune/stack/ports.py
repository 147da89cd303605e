"""Free TCP ports on the loopback address, below those that the system takes for outgoing connections."""

import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
_LOWEST, _HIGHEST = 20_000, 29_999
_PROMISED_SECONDS = 60
"""A server listens some seconds after its port was chosen: until then no other stack may choose the same."""


class NoFreePort(RuntimeError):
    """Two hundred ports between 20000 and 29999 were tried and all are taken."""


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # Without it a port is refused for a minute after its last server ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose(kept: dict[str, int], names: tuple[str, ...]) -> dict[str, int]:
    """A free port for each name: the kept one where it is still free, so that addresses survive a restart."""
    chosen: dict[str, int] = {}
    with _promised() as promised:
        for name in names:
            port = kept.get(name)
            if not port or port in chosen.values() or not is_free(port):
                port = _any_free(promised)
            chosen[name] = port
            promised.add(port)
    return chosen


@contextmanager
def _promised() -> Iterator[set[int]]:
    """Ports that any stack of this user chose a moment ago; whatever is added stays promised for a while."""
    path = Path(tempfile.gettempdir()) / f"attune-ports-{os.getuid()}"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        now = time.time()
        lines = [line.split() for line in file]
        earlier = {int(p): float(t) for p, t in lines if now - _PROMISED_SECONDS < float(t) <= now}
        ports = set(earlier)
        yield ports
        file.seek(0)
        file.truncate()
        file.writelines(f"{p} {earlier.get(p, now)}\n" for p in sorted(ports))


def _any_free(promised: set[int]) -> int:
    for _ in range(200):
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - not a secret; two stacks must not walk the same ports
        if port not in promised and is_free(port):
            return port
    raise NoFreePort(str(NoFreePort.__doc__))


def greets_with(port: int, banner: str) -> bool:
    """Does what answers here say this in its first line?"""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            return banner in connection.recv(512).decode(errors="replace")
    except OSError:
        return False
