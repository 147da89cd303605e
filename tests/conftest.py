"""What every test may ask for: a PostgreSQL server, a Kafka broker, a name of its own."""

import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import hypothesis
import pytest

from tests.support import servers

# How long one example takes says how much else the machine does, and nothing about the code.
hypothesis.settings.register_profile("explore", deadline=None)
# The gate tries the same examples each time: whoever hands in a change is not stopped by what chance finds elsewhere.
hypothesis.settings.register_profile("gate", deadline=None, derandomize=True)
hypothesis.settings.load_profile("gate" if os.environ.get("CI") else "explore")

TOGETHER = ("tests/journeys/", "tests/upkeep/", "tests/faults/", "tests/input/", "tests/stack/test_clinic_day.py",
            "tests/stack/test_restore.py")  # fmt: skip
"""Tests whose ids begin so run in one worker, since they share a stack. xdist's own groups are lost on this pytest."""

_MEETING_PLACE = pytest.StashKey[servers.MeetingPlace]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What belongs together first and in one place, everything else one by one wherever there is time."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByStack(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)

    return ByStack(config, log)


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
