"""A day of a clinic on a stack of its own, and what people see of it: watch, case and parked."""

import asyncio
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from attune.__main__ import application
from attune.addresses import Addresses
from attune.asking import Asking
from attune.clinic.day import Outcome, live
from attune.clinic.sample import load
from attune.facts import Gatherer
from attune.reconcile import reckon
from attune.stack.plan import TIME_CAN_BE_SET
from attune.stack.stack import Stack
from attune.watch import sightings
from chassis import database

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack.temporary(fsync=False, environment=dict(TIME_CAN_BE_SET)) as running:
        yield running


@pytest.fixture(scope="module")
def told() -> Console:
    return Console(width=100, record=True, file=StringIO())


@pytest.fixture(scope="module")
def addresses(stack: Stack) -> Addresses:
    return Addresses.of(stack.summary)


@pytest.fixture(scope="module")
async def day(addresses: Addresses, told: Console) -> Outcome:
    return await live(addresses, load(), told)


def run(stack: Stack, *command: str) -> Any:
    group, *rest = command
    options = [group, "--stack", str(stack.layout.summary), *rest]
    return CliRunner().invoke(application(group), options, env={"COLUMNS": "120"})


def test_the_day_adds_up(day: Outcome) -> None:
    r = day.reckoning
    assert r.faults == ()
    assert (r.lost, r.twice, r.parked) == (0, 0, 0)
    assert r.concerns == r.by_outcome["concern"] + r.by_outcome["urgent_concern"]
    assert r.consultations == r.concerns + 3
    assert r.assigned + r.waiting + r.ended == r.consultations
    assert r.waiting > 0
    assert r.handed_over > 0
    assert r.messages == r.required == len(day.facts.mails or ())


def test_every_event_of_the_day_was_told_in_a_line(day: Outcome, told: Console) -> None:
    text = told.export_text(clear=False)
    first_day = text.partition("Eight days later")[0]
    second_ratings = first_day.count("to be rated by a second person too")
    assert first_day.count("  screening  ") - second_ratings == sum(day.reckoning.by_outcome.values())
    assert first_day.count("    mail    told ") == day.reckoning.messages - 2  # of a certificate, and of a plan, later
    assert "certificate lapsed" in text
    assert "has the sibling" in text
    assert "told Grace: an urgent concern" in text
    assert "unnamed " in text


def test_its_second_half_goes_from_the_held_consultation_to_the_age_limit(told: Console) -> None:
    text = told.export_text(clear=False)
    for said in ("accepted by Ines", "acknowledged is overdue", "held by", "reported to Joan", "session 1", "MISSED"):
        assert said in text
    assert "21 months old, without onward plan" in text
    assert "more of referral: acknowledged is overdue" in text


async def test_a_watcher_who_comes_late_sees_every_event_in_order(day: Outcome, addresses: Addresses) -> None:
    watching = sightings(addresses.broker(), since_start=True)
    seen = await anext(watching)
    await watching.aclose()
    assert len(seen) == day.reckoning.events
    assert [s.at for s in seen] == sorted(s.at for s in seen)
    assert all(s.event is not None for s in seen)


def test_a_case_is_found_by_the_end_of_its_id_and_tells_the_whole_chain(day: Outcome, stack: Stack) -> None:
    waiting = next(c for c in day.facts.cases if c.waits)
    child = next(
        t.key for t in day.facts.journal if getattr(t.event, "consultation_id", None) == waiting.consultation_id
    )
    result = run(stack, "case", "--json", child.hex[-8:])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    # Of an urgent concern, or a lapsed certificate, people are told before there is a case.
    case_id = str(waiting.consultation_id)
    told = [(e["type"].split(".")[2], e["data"].get("about_id")) for e in document["events"]]
    kinds = [kind for kind, about_id in told if kind != "message-sent" or about_id == case_id]
    chain = ["birth-recorded", "screening-completed", "consultation-requested", "waiting-list-joined", "message-sent"]
    assert [k for k in kinds if k in chain][: len(chain)] == chain
    assert "waiting list" in document["open"][0]["what"]
    assert "waiting list" in run(stack, "case", str(child)).stdout


async def test_what_is_parked_is_listed_retried_and_discarded_by_name(stack: Stack, addresses: Addresses) -> None:
    producer = addresses.broker().producer()
    await producer.start()
    await producer.send_and_wait("attune.screening", b"\xff garbage", key=b"?")
    await producer.stop()
    async with asyncio.timeout(10):
        while not (rows := await _parked(addresses)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    listed = await asyncio.to_thread(run, stack, "parked")
    assert rows[0]["id"].replace("-", "")[-8:] in listed.stdout
    by_name = ("--by", "jo.b", "--service", "referral")
    tried = await asyncio.to_thread(run, stack, "parked", "retry", rows[0]["id"], *by_name)
    assert "failed again" in tried.stdout, tried.output
    gone = await asyncio.to_thread(run, stack, "parked", "discard", rows[0]["id"], *by_name, "--reason", "not_ours")
    assert gone.stdout.startswith("discarded"), gone.output
    assert await _parked(addresses) == []
    connection = await database.connect(addresses.postgres["referral"], name="test")
    audits = await connection.fetch("SELECT subject, action FROM audits WHERE action LIKE 'parked%' ORDER BY at")
    await connection.close()
    assert [a["action"] for a in audits] == ["parked.retry", "parked.discard:not_ours"]
    operator = addresses.subject("operator")
    assert {a["subject"] for a in audits} == {f"jo.b/{operator}"}


async def _parked(addresses: Addresses) -> list[dict[str, Any]]:
    async with Asking(addresses) as asking:
        rows: list[dict[str, Any]] = await asking.get("referral", "/parked", role="operator")
    return rows


async def test_the_check_sees_what_is_still_parked_elsewhere(addresses: Addresses) -> None:
    async with Gatherer(addresses) as gatherer:
        facts = await gatherer.facts()
    assert "wrong: 1 inputs are parked in notification" in map(str, reckon(facts).faults)
    assert "wrong: 1 records cannot be read" in map(str, reckon(facts).faults)
