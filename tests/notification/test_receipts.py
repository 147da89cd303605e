"""Receipts: in any order, more than once, before our own result, about what is not ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from chassis.decision import Cause, Decision
from services.notification.domain import receipt, repair
from services.notification.domain.commands import SendAgain, TakeReceipt
from services.notification.domain.message import Message
from services.notification.domain.receipt import AtReceipt
from tests.notification.examples import (
    AT_HOME,
    TEAM,
    VISITOR,
    a_message,
    a_report,
    a_standing,
    after,
    being_sent,
    recorded,
)
from tests.support.given import NOON, given, some_id

MESSAGE, NOTIFYS = some_id("message"), some_id("notify")
SENT = given(being_sent("text")).when(recorded, a_report()).row
DOUBTFUL = given(being_sent("email")).when(recorded, a_report("unknown")).row


def a_receipt(status: str = "delivered", **changes: Any) -> TakeReceipt:
    return TakeReceipt(**{"id": NOTIFYS, "reference": str(MESSAGE), "status": status} | changes)


def at(message: Message | None, **standing: Any) -> AtReceipt:
    return AtReceipt(message, a_standing(**standing), None, None)


def names(decision: Decision) -> list[str]:
    return [type(event).__name__ for event in decision.told]


@pytest.mark.parametrize("before", [SENT, DOUBTFUL, being_sent("text"), a_message(channel="text", attempt=1)])
def test_what_reached_its_address_is_delivered(before: Message) -> None:
    decision = given(at(before)).when(receipt.take, a_receipt()).then_decided()
    (row,) = decision.rows
    assert (names(decision), row.status, row.next_due_at) == (["MessageDelivered"], "sent", None)
    given(at(row)).when(receipt.take, a_receipt()).then_nothing()
    given(row).when(recorded, a_report("unknown")).then_nothing()


@pytest.mark.parametrize("status", ["permanent-failure", "temporary-failure", "technical-failure"])
@pytest.mark.parametrize("before", [SENT, DOUBTFUL, being_sent("text")])
def test_what_never_will_has_failed_and_the_health_visitor_is_named(before: Message, status: str) -> None:
    decision = given(at(before, family=AT_HOME)).when(receipt.take, a_receipt(status)).then_decided()
    (row,), (event,) = decision.rows, decision.told
    assert (row.status, row.reason) == ("failed", f"notify_{status.replace('-', '_')}")
    assert (event.reason, event.team_id, event.health_visitor_id) == (row.reason, TEAM, VISITOR)  # type: ignore[attr-defined]
    given(at(row)).when(receipt.take, a_receipt(status)).then_nothing()


@pytest.mark.parametrize("status", ["created", "sending", "pending", "sent", "something-new"])
def test_what_is_on_its_way_changes_nothing(status: str) -> None:
    given(at(SENT)).when(receipt.take, a_receipt(status)).then_nothing()


@pytest.mark.parametrize("order", permutations(["delivered", "temporary-failure", "sending", "delivered"]))
def test_once_it_was_delivered_nothing_says_otherwise(order: tuple[str, ...]) -> None:
    message, told = SENT, []
    for n, status in enumerate(order):
        decision = receipt.take(at(message), a_receipt(status), Cause(some_id(str(n)), NOON))
        told += names(decision)
        message = decision.rows[0] if decision.rows else message
    assert message.status == "sent"
    assert told.count("MessageDelivered") == 1


def test_a_receipt_of_before_a_person_had_it_sent_again_is_too_late() -> None:
    failed = given(at(SENT)).when(receipt.take, a_receipt("permanent-failure")).row
    again = given(failed).when(repair.send_again, SendAgain(message_id=MESSAGE), at=after(hours=1)).row
    repeated = a_receipt("permanent-failure", completed_at=NOON + timedelta(minutes=1))
    given(at(again)).when(receipt.take, repeated, at=after(hours=2)).then_nothing()
    sent = replace(again, status="sent", next_due_at=None)
    fresh = a_receipt("permanent-failure", completed_at=after(hours=2))
    assert given(at(sent)).when(receipt.take, fresh, at=after(hours=2)).row.status == "failed"


@pytest.mark.parametrize("reference", [None, "", "somebody else's", str(some_id("nobody"))])
def test_what_is_not_ours_stays_visible_without_what_it_said(reference: str | None) -> None:
    command = a_receipt(reference=reference)
    assert command.message_id == (some_id("nobody") if reference == str(some_id("nobody")) else None)
    row = given(AtReceipt(None, None, None, None)).when(receipt.take, command).row
    assert (row.receipt_id, row.status, row.received_at) == (NOTIFYS, "delivered", NOON)
    given(AtReceipt(None, None, row, None)).when(receipt.take, command).then_nothing()


def test_a_message_that_was_never_given_to_a_channel_has_no_receipt() -> None:
    given(at(a_message())).when(receipt.take, a_receipt()).then_nothing()
