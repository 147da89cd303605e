"""Free TCP ports on the loopback address, below those that the system takes for outgoing connections."""

import random
import socket

HOST = "127.0.0.1"
_LOWEST, _HIGHEST = 20_000, 29_999


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
    for name in names:
        port = kept.get(name)
        chosen[name] = port if port and port not in chosen.values() and is_free(port) else _any_free(chosen)
    return chosen


def _any_free(taken: dict[str, int]) -> int:
    for _ in range(200):
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - not a secret; two stacks must not walk the same ports
        if port not in taken.values() and is_free(port):
            return port
    raise NoFreePort(str(NoFreePort.__doc__))


def greets_with(port: int, banner: str) -> bool:
    """Does what answers here say this in its first line?"""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            return banner in connection.recv(512).decode(errors="replace")
    except OSError:
        return False
