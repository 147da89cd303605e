"""What all journeys together have left: read by strangers, complete, adding up, and without anything personal."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from attune.addresses import Addresses
from attune.facts import Gatherer
from attune.reconcile import Reckoning, reckon
from attune.stack.layout import ROOT
from attune.stack.stack import Stack
from attune_contracts.catalogue import CATALOGUE, SERVICES, topic
from tests.journeys import test_bad_input, test_direct_request
from tests.journeys.post_office import PostOffice
from tests.support import field as the_field
from tests.support.field import Field, eventually

pytestmark = pytest.mark.at_the_end

JOURNEYS = {path.stem for path in Path(__file__).parent.glob("test_*.py")}


@pytest.fixture(autouse=True)
def _after_all(request: pytest.FixtureRequest) -> None:
    """These look back: without the journeys there is nothing to see."""
    modules = {Path(item.path).stem for item in request.session.items}
    chosen = request.config.option.keyword or any("::" in argument for argument in request.config.args)
    if chosen or not modules >= JOURNEYS:
        pytest.skip("only when all journeys run")


UNSENT = re.compile(r"lost: message \S+ \(\w+\) is (suppressed|failed|doubtful)")
"""What the journeys about messages lead to on purpose, and no other journey does."""


@pytest.fixture(scope="module")
async def settled(field: Field, post_office: PostOffice) -> Reckoning:
    """The sum of everything, once nothing more follows."""
    sums: list[Reckoning] = []

    async def done() -> bool:
        async with Gatherer(Addresses.of(field.stack.summary)) as gatherer:
            facts = await gatherer.facts(mails=[{"message_id": m["Message-ID"]} for m in post_office.mails])
        sums.append(reckon(facts))
        return not surprises(sums[-1])

    with contextlib.suppress(AssertionError):
        await eventually(done, "everything adds up", 20)
    return sums[-1]


def surprises(sums: Reckoning) -> list[str]:
    return [str(fault) for fault in sums.faults if not UNSENT.fullmatch(str(fault))]


@pytest.fixture(scope="module")
def told(stack: Stack, settled: Reckoning) -> list[Message]:
    """Every record of every topic, by a client that is not ours."""
    return list(_read(stack.bootstrap))


def _read(bootstrap: str) -> Iterator[Message]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "stranger", "enable.auto.commit": False})
    try:
        places = [
            TopicPartition(name, n, OFFSET_BEGINNING)
            for name in map(topic, SERVICES)
            for n in consumer.list_topics(name, 10).topics[name].partitions
        ]
        left = {(p.topic, p.partition): consumer.get_watermark_offsets(p, 10)[1] for p in places}
        left = {place: end for place, end in left.items() if end}
        consumer.assign([p for p in places if (p.topic, p.partition) in left])
        while left:
            for message in consumer.consume(1000, 0.2):
                assert message.error() is None, message.error()
                yield message
                if message.offset() >= left[message.topic(), message.partition()] - 1:
                    del left[message.topic(), message.partition()]
    finally:
        consumer.close()


def test_everything_adds_up(settled: Reckoning) -> None:
    """Concerns, consultations, places, points, events, letters and mails: nothing lost, nothing twice."""
    assert surprises(settled) == []
    assert len(settled.faults) < 20  # the suppressed ones, each of them meant
    assert settled.concerns > 30
    assert settled.parked == 0


def test_any_cloudevents_library_reads_every_event(told: list[Message]) -> None:
    for message in told:
        headers = {name: value for name, value in message.headers() or () if isinstance(value, bytes)}
        event = from_kafka_event(KafkaMessage(headers=headers, key=message.key(), value=message.value()))
        assert event.get_type() in CATALOGUE
        assert event.get_source() == f"/attune/{event.get_type().split('.')[1]}"
        assert event.get_subject() == (message.key() or b"").decode()
        assert event.get_specversion() == "1.0"
        assert event.get_datacontenttype() == "application/json"
        assert event.get_time() is not None
        assert isinstance(event.get_data(), dict)
        for extension in ("correlationid", "causationid", "sequence"):
            assert event.get_extension(extension)
    assert len(told) > 300


def test_the_events_of_a_key_come_in_order_and_none_is_missing(told: list[Message]) -> None:
    """As a stranger sees it who keeps of each event only its first arrival."""
    seen: set[bytes] = set()
    numbers: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for message in told:
        headers = dict(message.headers() or ())
        if headers["ce_id"] not in seen:
            seen.add(headers["ce_id"])
            numbers[message.topic(), message.key()].append(int(headers["ce_sequence"]))
    assert {n for n, found in numbers.items() if found != list(range(1, len(found) + 1))} == set()


BY_RECEIPT = {"attune.notification.message-delivered.v1"}
"""Told only where GOV.UK Notify reports: `tests/notification` has that, against a server in its place."""


def test_every_event_of_the_catalogue_was_told(told: list[Message]) -> None:
    heard = {dict(message.headers() or ())["ce_type"].decode() for message in told}
    assert sorted(CATALOGUE.keys() - heard - BY_RECEIPT) == [], "in the catalogue, and no journey leads to it"
    assert sorted(heard - CATALOGUE.keys()) == []


async def test_every_declared_reader_has_handled_what_it_reads(field: Field, told: list[Message]) -> None:
    """Each event is in the inbox of each reader; where the rule needs no state only those that led to something are."""
    ids: dict[str, set[str]] = defaultdict(set)
    for message in told:
        headers = dict(message.headers() or ())
        ids[headers["ce_type"].decode()].add(headers["ce_id"].decode())
    for service in test_bad_input.SERVICES:
        inbox = {str(r[0]) for r in await field.rows(service.name, "SELECT id FROM inbox")}
        for kind, intake in service.events.items():
            handled = ids[kind] & inbox
            assert handled == ids[kind] if intake.state is not None else handled, (kind, service.name)
    declared = {(e.type, reader) for e in CATALOGUE.values() for reader in e.readers}
    assert declared == {(kind, s.name) for s in test_bad_input.SERVICES for kind in s.events}


def test_the_example_of_the_contracts_hears_who_was_given_a_case(stack: Stack, told: list[Message]) -> None:
    """Ten lines, our contracts and another Kafka client; nothing else of ours can be imported."""
    cases = [m for m in told if b"case-assigned" in dict(m.headers() or ())["ce_type"]]
    example = ROOT / "contracts" / "examples" / "subscriber.py"
    process = subprocess.Popen(
        [sys.executable, "-P", example, stack.bootstrap],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "contracts")},
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    impatience = threading.Timer(30, process.kill)
    impatience.start()
    with process.stdout or contextlib.nullcontext(()) as lines:
        heard = [line for _, line in zip(cases, lines, strict=False)]
        process.kill()
    process.wait()
    impatience.cancel()
    assert len(heard) == len(cases)
    practitioners = {line.split()[2] for line in heard}
    assert all(any(p.encode() in (m.value() or b"") for m in cases) for p in practitioners)
    assert all(re.search(r"waited \d+ s$", line) for line in heard)


# --- P9 ---------------------------------------------------------------------------------------------------------------


def personal() -> list[bytes]:
    """Everything personal that journeys have sent, in good and in bad requests."""
    texts = [*the_field.ISSUED, *the_field.ANSWERS.values(), test_bad_input.CANARY, test_bad_input.BAD_NUMBER]
    texts += [test_direct_request.QUESTION, "flinched", "@harbour.invalid"]
    return [text.encode() for text in texts]


def leaks(where: str, content: bytes) -> set[tuple[str, bytes]]:
    return {(where, text) for text in personal() if text in content}


async def test_p9_nothing_personal_is_in_logs_topics_or_metrics(field: Field, told: list[Message]) -> None:
    number = next(iter(the_field.ISSUED))
    with pytest.raises(asyncpg.UniqueViolationError):  # the server may log it, but not the value
        await field.rows("screening", "UPDATE children SET nhs_number = $1", number)
    found: set[tuple[str, bytes]] = set()
    for log in sorted(field.stack.layout.logs.iterdir()):
        found |= leaks(log.name, log.read_bytes())
    for message in told:
        parts = [message.key(), message.value(), *(value for _, value in message.headers() or ())]
        found |= leaks(message.topic(), b"\n".join(part for part in parts if isinstance(part, bytes)))
    for service in SERVICES:
        metrics = await field.asks(None, "GET /metrics", at=service)
        assert metrics.is_success
        found |= leaks(f"metrics of {service}", metrics.content)
    assert found == set()


async def test_p9_every_read_about_a_child_is_recorded(field: Field) -> None:
    """Who read, by which permission, about whom; and nothing of what was read."""
    rows: list[Any] = await field.rows("referral", "SELECT subject, action, about FROM audits")
    assert {r["action"] for r in rows} >= {"consultation.read"}
    assert all(re.fullmatch(r"[0-9a-f-]{36}", r["about"]) for r in rows)
