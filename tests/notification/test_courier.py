"""The courier between the rules and a channel: what it sends, what it gives back, and that it never decides alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chassis.decision import Cause, Due
from chassis.problem import Unavailable
from services.notification.channels.channel import Channel, Letter, Result
from services.notification.channels.file import FileChannel, letters_in
from services.notification.courier import Courier
from services.notification.domain import delivery
from services.notification.domain.commands import RecordDelivery
from services.notification.domain.delivery import AtResult, AtSending
from services.notification.domain.message import Message
from services.notification.lane import Lane, Shape
from services.notification.letters import Letters
from services.notification.store import Addressee
from tests.notification.examples import OTHER, a_message, a_standing, being_sent
from tests.support.given import NOON, some_id


@dataclass
class Chosen:
    """A channel that does with each letter what the test says."""

    results: list[Result] = field(default_factory=list)
    got: list[Letter] = field(default_factory=list)
    raises: Exception | None = None
    gate: asyncio.Event | None = None
    name: str = "email"
    honours_key: bool = False
    longest_send_s: float = 1.0

    async def send(self, letters: Sequence[Letter]) -> Sequence[Result]:
        if self.gate is not None:
            await self.gate.wait()
        if self.raises is not None:
            raise self.raises
        self.got += letters
        return [self.results.pop(0) if self.results else Result("accepted") for _ in letters]

    async def close(self) -> None:
        pass


class World:
    """The processor's part, in memory: the real rules, one input at a time, and the rows told to the courier."""

    def __init__(self, channel: Channel, letters: Letters, shape: Shape) -> None:
        self.messages: dict[UUID, Message] = {}
        self.addressee: Addressee | None = Addressee(a_standing(channels=(channel.name,)), "s@example.org", "en")
        self.recorded: list[RecordDelivery] = []
        self.events: list[str] = []
        self.changed = asyncio.Event()
        self.unavailable = 0
        self.now = NOON
        self.courier = Courier(
            [(channel, shape)], letters, submit=self.submit, addressees=self.addressees, now=lambda: self.now
        )

    async def submit(self, commands: Sequence[RecordDelivery]) -> list[Unavailable | None]:
        await asyncio.sleep(0)
        outcomes: list[Unavailable | None] = []
        for command in commands:
            if self.unavailable:
                self.unavailable -= 1
                outcomes.append(Unavailable())
            else:
                self.record(command)
                outcomes.append(None)
        return outcomes

    def record(self, command: RecordDelivery) -> None:
        self.recorded.append(command)
        self.apply(
            delivery.record(AtResult(self.messages[command.message_id]), command, Cause(some_id("result"), self.now))
        )

    async def addressees(self, message_ids: Sequence[UUID]) -> dict[UUID, Addressee]:
        addressee = self.addressee
        if addressee is None:
            return {}
        return {i: replace(addressee, standing=replace(addressee.standing, message_id=i)) for i in message_ids}

    def apply(self, decision: Any) -> None:
        self.messages |= {row.message_id: row for row in decision.rows}
        self.events += [type(event).__name__ for event in decision.told]
        self.courier.notify(decision.rows)
        self.changed.set()

    def claim(self, *messages: Message) -> None:
        standing = self.addressee.standing if self.addressee is not None else None
        for message in messages:
            at = AtSending(message, standing)
            self.apply(delivery.clock(at, Due(message.message_id), Cause(some_id("due"), self.now)))

    async def until(self, *statuses: str) -> None:
        async with asyncio.timeout(5):
            while {m.status for m in self.messages.values()} != set(statuses):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def world(channel: Channel, letters: Letters | None = None, shape: Shape | None = None) -> AsyncIterator[World]:
    made = World(channel, letters or Letters("https://console.example.org"), shape or Shape(10, 1, 100))
    running = asyncio.create_task(made.courier.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def some_messages(count: int) -> list[Message]:
    return [a_message(message_id=some_id(f"message {n}")) for n in range(count)]


async def test_what_is_claimed_is_sent_and_recorded() -> None:
    channel = Chosen()
    async with world(channel) as w:
        w.claim(a_message())
        await w.until("sent")
    (letter,) = channel.got
    assert (letter.address, letter.language, letter.attempt) == ("s@example.org", "en", 1)
    assert w.events == ["MessageSent"]


async def test_a_crowd_goes_to_the_file_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    async with world(FileChannel(path), shape=Shape(500, 1, 5000)) as w:
        w.claim(*some_messages(1200))
        await w.until("sent")
    assert {letter["message_id"] for letter in letters_in(path)} == {str(m.message_id) for m in some_messages(1200)}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"do_not_contact": True}, "do_not_contact"),
        ({"erased": True}, "recipient_left"),
        ({"channels": ()}, "no_channel_allowed"),
    ],
)
async def test_a_policy_changed_after_the_claim_is_kept(changes: dict[str, Any], reason: str) -> None:
    channel = Chosen()
    async with world(channel) as w:
        w.claim(a_message())
        assert w.addressee is not None
        w.addressee = replace(w.addressee, standing=replace(w.addressee.standing, **changes))
        await w.until("suppressed")
    assert channel.got == []
    assert w.messages[a_message().message_id].reason == reason


async def test_a_recipient_who_vanished_after_the_claim_is_not_written_to() -> None:
    channel = Chosen()
    async with world(channel) as w:
        w.claim(a_message())
        w.addressee = None
        await w.until("suppressed")
    assert channel.got == []


@pytest.mark.parametrize("changes", [{"channels": ("file",)}, {"recipient_id": OTHER}])
async def test_what_goes_elsewhere_since_the_claim_is_claimed_anew(changes: dict[str, Any]) -> None:
    channel = Chosen()
    async with world(channel) as w:
        w.claim(a_message())
        assert w.addressee is not None
        w.addressee = replace(w.addressee, standing=replace(w.addressee.standing, **changes))
        await w.until("pending")
    assert channel.got == []
    assert w.recorded[0].result == "not_begun"


async def test_a_lease_too_short_for_a_send_is_given_back() -> None:
    channel = Chosen(longest_send_s=60)
    async with world(channel) as w:
        message = being_sent("email")
        w.messages[message.message_id] = message
        w.now = NOON + timedelta(seconds=58)
        w.courier.notify([message])
        await w.until("pending")
    assert channel.got == []


async def test_a_template_that_cannot_be_filled_fails_visibly(tmp_path: Path) -> None:
    channel = Chosen()
    async with world(channel, Letters("https://console.example.org", tmp_path)) as w:
        w.claim(a_message())
        await w.until("failed")
    assert channel.got == []
    assert w.events == ["MessageFailed"]
    assert w.messages[a_message().message_id].reason == "template_unreadable"


async def test_a_channel_that_fails_is_shown_until_it_works_again() -> None:
    channel = Chosen(results=[Result("try_later", "smtp_connect_lost", channel_fault=True)])
    async with world(channel) as w:
        w.claim(a_message())
        await w.until("pending")
        assert w.courier.failing()["email"]["reason"] == "smtp_connect_lost"
        w.now += timedelta(minutes=1)
        w.claim(w.messages[a_message().message_id])
        await w.until("sent")
        assert w.courier.failing() == {}


async def test_a_channel_that_raises_leaves_a_doubt_and_the_courier_alive() -> None:
    channel = Chosen(raises=RuntimeError("bug"))
    async with world(channel) as w:
        w.claim(a_message())
        await w.until("doubtful")
        channel.raises = None
        w.claim(a_message(message_id=some_id("next")))
        await w.until("doubtful", "sent")


async def test_a_channel_that_this_deployment_does_not_have_is_tried_later() -> None:
    async with world(Chosen()) as w:
        message = being_sent("file", lease_s=20)
        w.messages[message.message_id] = message
        w.courier.notify([message])
        await w.until("pending")
    assert w.messages[message.message_id].reason == "channel_not_configured"


async def test_results_are_recorded_also_when_the_service_is_busy() -> None:
    channel = Chosen()
    async with world(channel) as w:
        w.unavailable = 3
        w.claim(*some_messages(5))
        await w.until("sent")
    assert len(channel.got) == 5


async def test_a_full_lane_gives_places_in_time_and_urgent_always_finds_room() -> None:
    channel = Chosen(gate=asyncio.Event())
    async with world(channel, shape=Shape(1, 1, 2)) as w:
        w.claim(*some_messages(6))
        await asyncio.sleep(0.02)
        urgent = a_message(message_id=some_id("urgent"), kind="urgent_concern")
        w.claim(urgent)
        waits = [report.wait_seconds for report in w.recorded]
        assert len(waits) >= 3
        assert waits == sorted(waits)
        assert waits[0] > 0
        assert channel.gate is not None
        channel.gate.set()
        await w.until("sent", "pending")
    assert channel.got[1].kind == "urgent_concern"


async def test_what_is_on_its_way_is_counted_until_its_result_is_recorded() -> None:
    channel = Chosen(gate=asyncio.Event())
    async with world(channel, shape=Shape(1, 1, 100)) as w:
        assert w.courier.in_hand() == 0
        w.claim(*some_messages(5))
        await asyncio.sleep(0.02)
        assert w.courier.in_hand() == 5
        assert channel.gate is not None
        channel.gate.set()
        await w.until("sent")
        await asyncio.sleep(0.02)
        assert w.courier.in_hand() == 0


async def test_at_the_end_what_was_begun_is_ended_and_the_rest_given_back() -> None:
    channel = Chosen(gate=asyncio.Event())
    async with world(channel, shape=Shape(1, 1, 100)) as w:
        w.claim(*some_messages(5))
        await asyncio.sleep(0.02)
        draining = asyncio.create_task(w.courier.drain())
        await asyncio.sleep(0.02)
        assert channel.gate is not None
        channel.gate.set()
        await draining
        w.claim(a_message(message_id=some_id("too late")))
        await w.until("sent", "pending")
    statuses = sorted(m.status for m in w.messages.values())
    assert statuses == ["pending"] * 5 + ["sent"]
    assert all(m.next_due_at == NOON for m in w.messages.values() if m.status == "pending")


def test_each_place_in_time_is_later_than_the_one_before() -> None:
    lane = Lane(Chosen(), Shape(1, 2, 10), clock=lambda: 100.0)
    lane.note([Result("accepted")], seconds=1.0)
    waits = [lane.come_again_in() for _ in range(10_000)]
    assert waits == sorted(waits)
    assert waits[-1] == 300.0


@pytest.mark.parametrize(("attempt", "together"), [(1, 2), (2, 1)], ids=["first", "tried again"])
async def test_a_digest_adds_nothing_to_a_letter_that_is_tried_again(attempt: int, together: int) -> None:
    """The channel may have that letter already, without what was added."""
    lane = Lane(Chosen(), Shape(1, 1, 10))
    waited = {"recipient_id": OTHER, "recorded_at": NOON - timedelta(hours=9)}
    for n, tries in (("one", attempt), ("two", 1)):
        lane.waiting.append(being_sent("email", message_id=some_id(n), attempt=tries, **waited))
    assert len(await lane.take()) == together
