"""One real stack that hostile input is sent to. Nothing else shares it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from attune.stack.stack import Stack
from fuzz import run
from fuzz.known import Known


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with Stack.temporary(fsync=False, environment={"ATTUNE_LOG_FORMAT": "json"}) as made:
        yield made


@pytest.fixture(scope="session")
def known(stack: Stack) -> Known:
    return asyncio.run(run.world(stack))
