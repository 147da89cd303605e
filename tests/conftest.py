"""What every test may ask for: a PostgreSQL server, a Kafka broker, a name of its own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support import servers

_MEETING_PLACE = pytest.StashKey[servers.MeetingPlace]()


def pytest_configure(config: pytest.Config) -> None:
    parallel = getattr(config.option, "dist", "no") != "no"
    if parallel and not hasattr(config, "workerinput"):
        config.stash[_MEETING_PLACE] = servers.MeetingPlace()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _MEETING_PLACE in config.stash:
        config.stash[_MEETING_PLACE].close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """DSN of a PostgreSQL server as its administrator; make databases of your own in it."""
    server = servers.shared(servers.POSTGRES)
    yield server.address
    server.stop()


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Address of a Kafka broker, host:port; prefix topics and groups with `unique`."""
    server = servers.shared(servers.KAFKA)
    yield server.address
    server.stop()


@pytest.fixture
def unique() -> str:
    """A short name that no other test has: for topics, groups and databases."""
    return f"t{uuid4().hex[:12]}"
