"""P5: a service that is killed between any two steps loses nothing, and nothing of what it does happens twice.

While screenings come in, every service is killed at each of its points, one after the other: the next process finds
what the last one left and is killed a step further on. Then all work undisturbed, and everything must add up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from attune.addresses import Addresses
from attune.facts import Facts, Gatherer
from attune.reconcile import reckon
from attune_contracts.referral import CaseAssigned, ConsultationRequested
from chassis.failpoints import POINTS
from faults.checks import check
from faults.world import Process, World
from tests.faults.crew import Crew
from tests.support.field import ANSWERS, ISSUED, Field, Team, eventually

WRITES = ("commit.before", "commit.after", "publish.before", "publish.after", "forget.after")
READS = ("acknowledge.before", "acknowledge.after")
SENDS = ("send.before", "send.after")
DEATHS = {
    "screening": (*WRITES, *READS),
    "referral": (*WRITES, *READS),
    "notification": (*WRITES, *SENDS, *READS),
    "workforce": WRITES,
}
EVERY_DEATH = [(service, point) for service, points in DEATHS.items() for point in points]

ENOUGH = 20
"""Concerns that must have been answered before anything is reckoned."""

_LEASES_RUN_OUT = """UPDATE messages SET lease_until = now(), next_due_at = now(), version = version + 1
WHERE status = 'sending'"""


@dataclass(slots=True)
class Drama:
    """What was done and what came of it."""

    deaths: dict[tuple[str, str], int | str] = field(default_factory=dict)
    """Exit status by service and point."""
    screened: list[UUID] = field(default_factory=list)
    """Screenings that were answered, all concerning."""
    facts: Facts = field(default_factory=Facts)
    letters: list[dict[str, Any]] = field(default_factory=list)
    """Lines of the file channel."""
    messages: list[Any] = field(default_factory=list)


@pytest.fixture(scope="module")
async def drama(crew: Crew) -> AsyncIterator[Drama]:
    played = Drama()
    async with Field(crew.stack) as people:
        people.patience = 90.0
        team = await people.team(10_000, 10_000)
        for specialist in team.specialists:
            await people.can_be_told(specialist, channels=["file"])
        over = asyncio.Event()
        async with asyncio.TaskGroup() as work:
            work.create_task(_clinic(people, team, played, over))
            work.create_task(_training(people, team, over))
            await asyncio.gather(*(_die(crew, people, service, played) for service in DEATHS))
            over.set()
        await _until_quiet(people, played)
        yield played


async def _clinic(people: Field, team: Team, played: Drama, over: asyncio.Event) -> None:
    """A concern now and then, whatever works; who gets no answer sends again under the same key.

    On a slow machine few are answered while processes die, so the clinic stays open until enough were.
    """
    while not over.is_set() or len(played.screened) < ENOUGH:
        screening = await people.screens(await people.baby(team), "concern")
        played.screened.append(screening.id)
        await asyncio.sleep(0.2)


async def _training(people: Field, team: Team, over: asyncio.Event) -> None:
    """Practitioners come and are certified, so that workforce has something to tell."""
    while not over.is_set():
        await people.employ(people.somebody("health_visitor"), team.id, certificate="eao_administration")
        await asyncio.sleep(0.4)


async def _die(crew: Crew, people: Field, service: str, played: Drama) -> None:
    """At each point once; then a process that lives."""
    for point in DEATHS[service]:
        try:
            played.deaths[service, point] = await crew.dies_at(point, service)
        except TimeoutError:
            played.deaths[service, point] = "lived on"
        if service == "notification":
            # As if the time had passed in which the dead process might still have been sending.
            await people.rows("notification", _LEASES_RUN_OUT)
    await crew.at_work(service)


async def _until_quiet(people: Field, played: Drama) -> None:
    async def quiet() -> bool:
        async with Gatherer(Addresses.of(people.stack.summary)) as gatherer:
            played.facts = await gatherer.facts()
        played.messages = await people.rows("notification", "SELECT message_id, channel, status, kind FROM messages")
        return not faults(played)

    with contextlib.suppress(AssertionError):
        await eventually(quiet, "everything adds up", 60)
    path = people.stack.layout.file_channel
    played.letters = [json.loads(line) for line in path.read_text().splitlines()]


def faults(played: Drama) -> list[str]:
    """What does not add up, except that e-mail under way at a death is doubtful: it may have left, once."""
    doubtful = [m for m in played.messages if m["status"] == "doubtful" and m["channel"] == "email"]
    known = {f"lost: message {m['message_id']} ({m['kind']}) is doubtful" for m in doubtful}
    known |= {f"wrong: mail {m['message_id']} is none of ours" for m in doubtful}
    return [str(f) for f in reckon(played.facts).faults if str(f) not in known]


@pytest.mark.parametrize(("service", "point"), EVERY_DEATH)
def test_p5_the_process_was_killed_at_its_point(service: str, point: str, drama: Drama) -> None:
    assert drama.deaths[service, point] == -signal.SIGKILL


def test_p5_every_point_there_is_was_used() -> None:
    assert {point for _, point in EVERY_DEATH} == set(POINTS)


def test_p5_everything_adds_up(drama: Drama) -> None:
    """Concerns, consultations, places, points, events, letters and mails, compared in every direction."""
    assert faults(drama) == []


def test_p6_every_concern_that_was_answered_has_one_consultation_and_one_assignment(drama: Drama) -> None:
    asked = Counter(t.event.screening_id for t in drama.facts.journal if isinstance(t.event, ConsultationRequested))
    given = Counter(t.event.consultation_id for t in drama.facts.journal if isinstance(t.event, CaseAssigned))
    assert len(drama.screened) >= ENOUGH
    assert set(drama.screened) <= asked.keys()
    assert set(asked.values()) == set(given.values()) == {1}
    assert len(given) == len(asked)


def test_p1_the_topics_hold_what_the_journals_hold(drama: Drama) -> None:
    assert drama.facts.topics is not None
    for service, ids in drama.facts.topics.items():
        assert set(ids) == {t.event_id for t in drama.facts.journal if t.service == service}
    assert set(drama.facts.outbox.values()) == {0}


def test_p3_sequences_have_no_gap(drama: Drama) -> None:
    numbers: dict[tuple[str, UUID], list[int]] = {}
    for t in drama.facts.journal:
        numbers.setdefault((t.service, t.key), []).append(t.sequence)
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())


def test_p8_each_letter_to_the_file_counts_once_and_each_mail_left_at_most_once(drama: Drama) -> None:
    by_file = {str(m["message_id"]) for m in drama.messages if m["channel"] == "file"}
    assert {m["status"] for m in drama.messages if m["channel"] == "file"} == {"sent"}
    assert {letter["message_id"] for letter in drama.letters} == by_file
    assert {m["status"] for m in drama.messages if m["channel"] == "email"} <= {"sent", "doubtful"}
    assert set(Counter(drama.facts.mails).values()) == {1}


def test_p4_nothing_was_parked(drama: Drama) -> None:
    assert not any(drama.facts.parked.values())


async def test_the_checks_of_a_campaign_look_at_everything_and_find_nothing(crew: Crew, drama: Drama) -> None:
    findings = await check(_world(crew))
    assert {name: f.broken for name, f in findings.items() if not f.holds} == {}
    looked_past = {name for name, f in findings.items() if not f.looked_at}
    assert looked_past == {
        "every_success_is_kept",  # this load keeps no list of its answers
        "every_refusal_changed_nothing",
        "what_is_bad_is_refused",
        "parked_is_exactly_what_was_injected",
    }


def _world(crew: Crew) -> World:
    stack, now = crew.stack, datetime.now(UTC)
    return World(
        seed=0,
        cases=0,
        started_at=now,
        ended_at=now,
        dsn={service: stack.dsn(service) for service in DEATHS},
        bootstrap=stack.bootstrap,
        mail=stack.layout.mail,
        file_channel=stack.layout.file_channel,
        logs=tuple(stack.layout.logs.glob("*.log")),
        urls={service: stack.url(service) for service in DEATHS},
        processes=tuple(Process(service, pid, stack.url(service)) for service, pid in crew.pids().items()),
        canaries=(*ISSUED, *ANSWERS.values()),
    )
