"""A small dose of what `make fuzz` sends: every route from its description, and HTTP that is none."""

from __future__ import annotations

import asyncio

import pytest

from attune.stack.stack import Stack
from fuzz import run
from fuzz.documents import SERVICES
from fuzz.generated import Size
from fuzz.known import Known
from fuzz.run import Found

pytestmark = pytest.mark.filterwarnings("ignore")
SEED = 20_261


def quiet(_part: str, _done: int) -> None: ...


def test_every_route_answers_as_it_is_described_whatever_it_is_sent(stack: Stack, known: Known) -> None:
    found = run.routes(stack, known, seed=SEED, size=Size(covering=10, random=1, dresses=2), told=quiet)
    assert not found.failures, found.examples
    assert (found.server_errors, found.hangs) == (0, 0)
    assert found.sent > 1200
    assert {"200", "201", "400", "401", "403", "404", "405", "409", "415", "422"} <= found.statuses.keys()


def test_what_is_hardly_http_is_refused_or_cut_off(stack: Stack, known: Known) -> None:
    found = asyncio.run(run.raw(stack, known, seed=SEED, count=240, slow=6, told=quiet))
    assert not found.failures, found.examples
    assert found.sent >= len(SERVICES) * 246


def test_afterwards_every_service_is_well_and_has_logged_no_failure_of_its_own(stack: Stack) -> None:
    found = Found()
    run.health(stack, found)
    assert not found.failures, found.examples
