"""One real stack for all journeys: services, Kafka, PostgreSQL, a mail server. Each journey has a team of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from attune.stack.plan import TIME_CAN_BE_SET
from attune.stack.stack import Stack
from tests.journeys.post_office import PostOffice
from tests.support.field import Field
from tests.support.own_state import own_state

NAME = "journeys"
LATER = "later"
LAST = "at_the_end"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{LATER}: lets time pass for everybody, so it comes when the day is over")
    config.addinivalue_line("markers", f"{LAST}: looks at what all other journeys have left")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that set the time ahead come after those of today; those that look back come last."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in (LAST, LATER)])


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory of the journeys' own, with what was fetched already."""
    with own_state(tmp_path_factory, NAME) as made:
        yield made


@pytest.fixture(scope="session")
async def post_office() -> AsyncIterator[PostOffice]:
    """The mail server that the services send by; it lives through every restart of the stack."""
    async with PostOffice.open() as office:
        yield office


def start(post_office: PostOffice) -> Stack:
    """The journeys' stack, new or with the data of before."""
    return Stack.up(
        NAME,
        servers=("postgres", "kafka"),
        fsync=False,
        environment=TIME_CAN_BE_SET
        | {
            "ATTUNE_SMTP_HOST": "127.0.0.1",
            "ATTUNE_SMTP_PORT": str(post_office.port),
            "ATTUNE_SMTP_CAREGIVER_FROM": "hello@messages.invalid",
            "ATTUNE_CAREGIVER_LINK": "https://read.invalid/k7",
            "ATTUNE_LOG_FORMAT": "json",
        },
    )


@pytest.fixture(scope="session")
async def stack(state: Path, post_office: PostOffice) -> Stack:
    return await asyncio.to_thread(start, post_office)


@pytest.fixture(scope="session")
async def field(stack: Stack) -> AsyncIterator[Field]:
    async with Field(stack) as people:
        yield people
