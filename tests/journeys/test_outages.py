"""Something is down: whoever records a concern gets an answer or is told to come again, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any

from attune.stack.leftovers import is_held
from attune.stack.stack import down
from tests.journeys.conftest import start
from tests.journeys.post_office import PostOffice
from tests.support.field import Baby, Field, eventually
from tests.support.outages import frozen, kill, kill_all

LONG = 60.0
"""Seconds in which a killed server is back and the services have caught up."""


async def clinic(field: Field, count: int) -> list[Baby]:
    """Babies of a team whose people are told by file: what was under way to a mail server at a crash stays in doubt."""
    team = await field.team(100)
    for who in (team.health_visitor, *team.specialists):
        await field.can_be_told(who, channels=["file"])
    return [await field.baby(team) for _ in range(count)]


async def all_assigned_once(field: Field, babies: list[Baby]) -> None:
    """Each baby has one case, with somebody; both sides are told once."""

    async def assigned() -> list[dict[str, Any]] | None:
        cases = [c for baby in babies for c in await field.consultations(baby)]
        return cases if len(cases) == len(babies) and all(c["assigned_to"] for c in cases) else None

    for case in await eventually(assigned, "every baby has one assigned case", LONG):
        team = babies[0].team
        for kind, who in (("case_assigned_to_you", team.specialists[0]), ("case_assigned", team.health_visitor)):
            await field.message(kind, case["consultation_id"], to=who, within=LONG)


async def test_a_concern_is_taken_while_the_broker_is_down(field: Field) -> None:
    # given a broker that was killed
    babies = await clinic(field, 5)
    kill(field.stack, "kafka")
    # when concerns are recorded
    for baby in babies:
        await field.screens(baby, "concern")
    # then each was taken at once, and is delivered when the broker is back
    await all_assigned_once(field, babies)


async def test_a_concern_is_taken_while_the_broker_does_not_answer(field: Field) -> None:
    # given a broker that is there and silent
    babies = await clinic(field, 3)
    with frozen(field.stack, "kafka"):
        # when concerns are recorded
        for baby in babies:
            await field.screens(baby, "concern")
    # then they are delivered when it answers again
    await all_assigned_once(field, babies)


async def test_p10_a_service_that_only_tells_is_not_ready_while_the_broker_is_silent(field: Field) -> None:
    async def readiness() -> tuple[int, dict[str, bool]]:
        answer = await field.asks(None, "GET /readyz", at="workforce")
        return answer.status_code, answer.json()["parts"]

    async def says(status: int) -> bool:
        return (await readiness())[0] == status

    # given the workforce service, which reads no topic and has nothing to send
    await eventually(lambda: says(200), "workforce is ready")
    with frozen(field.stack, "kafka"):
        # when the broker is there and silent, then it says so within seconds, and which part it is
        await eventually(lambda: says(503), "workforce sees it", 12)
        assert [part for part, well in (await readiness())[1].items() if not well] == ["broker"]
    # then it is ready as soon as the broker answers again
    await eventually(lambda: says(200), "workforce is ready again", LONG)


async def test_whoever_comes_while_the_database_is_down_comes_again(field: Field) -> None:
    # given a database server that was killed
    babies = await clinic(field, 5)
    kill(field.stack, "postgres")
    # when the health visitor's device sends her results until they are taken
    field.patience = LONG
    try:
        await asyncio.gather(*(field.screens(baby, "concern") for baby in babies))
        # then each has had its effect once
        await all_assigned_once(field, babies)
    finally:
        field.patience = 0.0


async def test_everything_is_there_after_a_stop_and_a_start(field: Field, post_office: PostOffice) -> None:
    # given a case that is assigned, and concerns recorded just before the stop
    babies = await clinic(field, 4)
    await field.screens(babies[0], "concern")
    before = await field.assigned(babies[0])
    for baby in babies[1:]:
        await field.screens(baby, "concern")
    # when the whole system is stopped and started
    await asyncio.to_thread(down, field.stack.layout)
    await asyncio.to_thread(start, post_office)
    # then what was there is there, and what had been begun goes on
    assert (await field.consultations(babies[0]))[0] == before
    await all_assigned_once(field, babies)


async def test_everything_that_was_answered_is_there_after_the_power_fails(
    field: Field, post_office: PostOffice
) -> None:
    # given results that are being sent
    babies = await clinic(field, 12)
    sending = [asyncio.create_task(field.screens(baby, "concern")) for baby in babies]
    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
    # when all processes end at once
    kill_all(field.stack)
    answered = [
        baby
        for baby, outcome in zip(babies, await asyncio.gather(*sending, return_exceptions=True), strict=True)
        if not isinstance(outcome, BaseException)
    ]

    async def gone() -> bool:
        return not is_held(field.stack.layout)

    await eventually(gone, "nobody holds the stack")
    await asyncio.to_thread(start, post_office)
    # then every result that was answered leads to its case
    assert answered
    await all_assigned_once(field, answered)
