"""One run against a stack: the routes from their descriptions, raw HTTP; what came back, and what was wrong with it."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from attune.stack.stack import Stack
from fuzz import documents, rubbish
from fuzz.documents import Operation, Published
from fuzz.generated import Generator, Size, Wardrobe
from fuzz.judging import faults
from fuzz.known import Known, settle
from fuzz.wire import Answer, Request, ask_all

Told = Callable[[str, int], None]
"""Called with the part that is under way and how many inputs of it are done."""

LAST = ("/operator/clock", "/clock")
"""Routes that change the world for all others, such as the time, come last."""
_BAD_LOG = re.compile(r'"event": ?"(request_failed|rule_raised|part_died|part_ended|hint_failed|Task exception[^"]*)"')


@dataclass(slots=True)
class Found:
    """The account of one part of a run."""

    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    hangs: int = 0
    server_errors: int = 0
    slowest_s: float = 0.0

    def note(self, where: str, answer: Answer, wrong: Sequence[str], sent: bytes) -> None:
        self.sent += 1
        self.statuses[str(answer.status)] += 1
        self.hangs += answer.hung
        self.server_errors += any(fault.startswith("5") for fault in wrong)
        self.slowest_s = max(self.slowest_s, answer.seconds)
        for fault in wrong:
            self.fail(f"{where}: {fault}", f"{sent[:1500]!r} -> {answer.status} {answer.body[:500]!r}")

    def fail(self, what: str, example: str) -> None:
        if what not in self.failures:
            print(f"{what}: {example}", file=sys.stderr, flush=True)  # at once, once: a run is long
        self.failures[what] += 1
        self.examples.setdefault(what, example)

    def summary(self) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "statuses": dict(sorted(self.statuses.items())),
            "kinds": dict(sorted(self.kinds.items())),
            "server_errors": self.server_errors,
            "hangs": self.hangs,
            "slowest_s": round(self.slowest_s, 2),
            "failures": [
                {"what": what, "times": n, "example": self.examples[what]} for what, n in self.failures.most_common(50)
            ],
        }


def operations(published: Sequence[Published]) -> list[tuple[Published, Operation]]:
    """Every route of every service; those that change the world for the others last."""
    every = [(p, operation) for p in published for operation in p.operations()]
    return sorted(every, key=lambda pair: pair[1].path in LAST)


def routes(stack: Stack, known: Known, *, seed: int, size: Size, limit: int | None = None, told: Told) -> Found:
    """Requests made from the descriptions: at least `limit` of them if one is given, in several rounds."""
    rng, found = random.Random(seed), Found()
    published = documents.read(stack)
    ports = {p.service: p.port for p in published}
    wardrobe = Wardrobe(stack)
    generators = {p.service: Generator(p, wardrobe, known, rng) for p in published}
    while True:
        for p, operation in operations(published):
            asked = generators[p.service].asked(operation, size)
            for request, answer in zip(asked, asyncio.run(ask_all(ports, asked)), strict=True):
                same = request.method in (operation.method, "HEAD")
                wrong = faults(operation if same else None, request, answer)
                found.note(f"{p.service} {operation.label}", answer, wrong, request.written())
                found.kinds[request.dress] += 1
            told("routes", found.sent)
            if limit is not None and found.sent >= limit:
                return found
        if limit is None:
            return found


COMMANDS = {
    "screening": ("/pregnancies", "records", "mother_nhs_number team_id expected_on expected_children"),
    "referral": ("/consultations", "health_visitor", "team_id child_id kind"),
    "notification": ("/recipients/{recipient_id}", "workforce_admin", "kind channels address"),
    "workforce": ("/practitioners", "workforce_admin", "practitioner_id team_id role"),
}
"""The command of each service around which raw HTTP is made, who may give it, and fields that it has."""


async def raw(stack: Stack, known: Known, *, seed: int, count: int, slow: int, told: Told) -> Found:
    """So much raw HTTP for each service, and so many senders who never come to an end."""
    found, rng = Found(), random.Random(seed)
    places = asyncio.Semaphore(60)

    async def one(service: str, port: int, made: rubbish.Rubbish) -> None:
        async with places:
            heard = await rubbish.send(port, made)
        found.kinds[made.kind] += 1
        for answer in heard.answers or (Answer(0, seconds=heard.seconds, hung=heard.hung),):
            found.note(service, answer, (), b"")
        for fault in rubbish.wrong_with(made, heard):
            found.server_errors += ": 5" in fault
            found.fail(f"{service} {fault}", repr([piece[:600] for piece in made.pieces[:3]]))
        told("raw HTTP", found.sent)

    makers = {service: maker(stack, service, known, rng) for service in COMMANDS}
    await asyncio.gather(
        *(
            one(service, int(stack.url(service).rpartition(":")[2]), made)
            for service, m in makers.items()
            for made in m.made(count) + m.slow(slow)
        )
    )
    return found


def maker(stack: Stack, service: str, known: Known, rng: random.Random) -> rubbish.Maker:
    """Raw HTTP around a command that the service would take."""
    route, role, fields = COMMANDS[service]
    fixed = {"kind": "case_consultation", "channels": ["file"], "address": None, "role": "other"}
    if service == "notification":
        fixed["kind"] = "practitioner"
    body = {name: known.by_field[name][0] if name in known.by_field else fixed[name] for name in fields.split()}
    route = re.sub(r"\{(\w+)\}", lambda name: known.by_field[name[1]][0], route)
    return rubbish.Maker(route, stack.token(role), json.dumps(body).encode(), rng)


def health(stack: Stack, found: Found) -> None:
    """Afterwards every service must still be the same process, ready, and have logged no failure of its own."""
    for service in documents.SERVICES:
        asked = Request(service, "GET /readyz", "GET", b"/readyz", (), b"", "no_token")
        port = int(stack.url(service).rpartition(":")[2])
        deadline = time.monotonic() + 30
        while (answer := asyncio.run(ask_all({service: port}, [asked]))[0]).status != 200:
            if time.monotonic() > deadline:
                found.fail(f"{service} is not ready afterwards", answer.body.decode("utf-8", "replace"))
                break
            time.sleep(0.2)
        for line in failures_logged(stack, service):
            found.fail(f"{service} logged a failure", line[:1500])


def failures_logged(stack: Stack, service: str) -> Iterator[str]:
    """Lines of a service's log that tell of a fault in the service itself."""
    log = stack.layout.log(service)
    with log.open(encoding="utf-8", errors="replace") as lines:
        yield from (line for line in lines if _BAD_LOG.search(line) or "Traceback" in line)


async def world(stack: Stack) -> Known:
    """What exists before anything hostile is sent."""
    return await settle(stack)
