"""Operators at work on a running system: nothing is lost, and nothing happens twice."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from attune.stack import kafka
from attune.stack.layout import ROOT
from chassis.broker import Broker
from tests.journeys.test_outages import LONG, all_assigned_once, clinic
from tests.support.field import Baby, Field, eventually
from tests.support.outages import kill


async def attune(field: Field, *arguments: str) -> Any:
    """What an `attune` command answers as JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "attune", *arguments, "--json", "--stack", field.stack.layout.name,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 3 * LONG)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def told(field: Field, babies: list[Baby]) -> dict[str, int]:
    """How many messages there are about the cases of these babies, and how often each was tried."""
    cases = [c["consultation_id"] for baby in babies for c in await field.consultations(baby)]
    messages = [m for case in cases for m in await field.messages(case)]
    return {m["message_id"]: m["attempt"] for m in messages}


async def test_p5_an_emptied_broker_is_refilled_while_the_services_run(field: Field) -> None:
    # given cases that are assigned and told
    babies = await clinic(field, 4)
    for baby in babies[:2]:
        await field.screens(baby, "concern")
    await all_assigned_once(field, babies[:2])
    before = await told(field, babies[:2])
    # when the broker loses everything that it held, and concerns are recorded all the same
    kill(field.stack, "kafka")
    kafka.empty(field.stack.layout.directory / "kafka")
    await field.screens(babies[2], "concern")
    refilling = asyncio.create_task(attune(field, "refill", "--by", "tester"))
    await field.screens(babies[3], "concern")
    report = await refilling
    # then the topics have every event again, and the readers have read them
    assert {row["state"] for row in (*report["refills"].values(), *report["replays"].values())} == {"done"}
    assert report["refills"]["screening"]["sent"] >= 4
    # and what was new goes its way, once, while what was old happens no second time
    await all_assigned_once(field, babies)
    assert await told(field, babies[:2]) == before


async def test_p2_a_service_that_reads_everything_again_does_nothing_again(field: Field) -> None:
    # given a case that is assigned and told
    babies = await clinic(field, 1)
    await field.screens(babies[0], "concern")
    await all_assigned_once(field, babies)
    before = await told(field, babies)
    # when every reader reads all of its topics again
    planned = {s: await attune(field, "replay", s, "--dry-run") for s in ("screening", "referral", "notification")}
    reports = {s: await attune(field, "replay", s, "--by", "tester") for s in planned}
    # then all of it was read, and nothing came of it
    assert all(planned[s]["records"] <= reports[s]["read"] == reports[s]["total"] for s in planned)
    assert await told(field, babies) == before
    case = (await field.consultations(babies[0]))[0]
    assert case["assigned_to"] == str(babies[0].team.specialists[0].id)


async def test_a_second_look_at_a_refill_finds_the_first(field: Field) -> None:
    await attune(field, "refill", "workforce", "--by", "tester")
    again = await attune(field, "refill", "workforce", "--dry-run")
    assert again["missing_topics"] == []
    assert again["plan"]["workforce"]["events"] > 0

    async def nothing_open() -> bool:
        standing = await field.does(field.operator, "GET /standing", at="workforce")
        return standing["refill"] is None and standing["outbox_events"] == 0

    await eventually(nothing_open, "workforce stands as before")


async def stuck(field: Field, baby: Baby) -> list[dict[str, Any]]:
    """What `attune status` says of a family."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "attune", "status", "--json", "--stack", field.stack.layout.name,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    found = json.loads((await process.communicate())[0])
    return [row for row in found["stuck"] if row["child_id"] == str(baby.child_id)]


async def test_a_stuck_family_is_seen_with_service_and_reason_until_it_moves(field: Field) -> None:
    # given a team without a free place, and a family about whom somebody wrote rubbish to a topic
    team = await field.team(0)
    waiting, poisoned = await field.baby(team), await field.baby(team)
    await field.screens(waiting, "concern")
    producer = Broker((field.stack.bootstrap,)).producer()
    await producer.start()
    await producer.send_and_wait("attune.screening", value=b"{", key=str(poisoned.child_id).encode())
    await producer.stop()

    async def shown() -> bool:
        return {row["service"] for row in await stuck(field, poisoned)} == {"notification", "referral"}

    # then both readers show it, with the reason, and the case that waits as it should is no alarm
    await eventually(shown, "the poisoned family is shown as stuck")
    assert {(row["what"], row["wrong"]) for row in await stuck(field, poisoned)} == {("parked", True)}

    async def waits() -> bool:
        return [(row["what"], row["wrong"]) for row in await stuck(field, waiting)] == [("waits", False)]

    await eventually(waits, "the waiting family waits")
    # when an operator gives it up, then the family is free again
    for service in ("referral", "notification"):
        rows = await field.does(field.operator, "GET /parked", at=service)
        (bad,) = [r["id"] for r in rows if r["key"] == str(poisoned.child_id) and r["state"] == "failed"]
        await field.does(field.operator, f"POST /parked/{bad}/discard", at=service)
    assert await stuck(field, poisoned) == []
