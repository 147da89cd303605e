"""A stack whose services are started by the tests, so that they can die at a named point and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from attune.stack.stack import Stack
from tests.faults.crew import Crew


@pytest.fixture(scope="session")
async def crew() -> AsyncIterator[Crew]:
    stack = await asyncio.to_thread(
        Stack.temporary, by_hand=True, fsync=False, environment={"ATTUNE_LOG_FORMAT": "json"}
    )
    made = Crew(stack)
    try:
        await made.all_at_work()
        yield made
    finally:
        await asyncio.to_thread(made.stop)
        await asyncio.to_thread(stack.stop)
