"""A small dose of the bad records that `make fuzz` sends, while families are screened."""

from __future__ import annotations

import pytest

from attune.stack.stack import Stack
from fuzz import run, streams
from fuzz.run import Found
from tests.input.test_hostile_http import SEED, quiet

pytestmark = pytest.mark.filterwarnings("ignore")


async def test_every_bad_record_is_parked_by_its_readers_and_no_family_waits(stack: Stack) -> None:
    found, flood = await streams.flood(stack, seed=SEED, count=660, huge=6, told=quiet)
    assert not found.failures, found.examples
    assert len(found.kinds) == 23
    assert flood.delays
    assert sum(len(places) for places in flood.expected.values()) > 500


def test_afterwards_every_service_is_well(stack: Stack) -> None:
    found = Found()
    run.health(stack, found)
    assert not found.failures, found.examples
