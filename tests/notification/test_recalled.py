"""After a restore a message ends as it was told, whatever is known by then of attempts and policies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chassis.decision import Due, Recalled
from services.notification.domain import booklet, delivery, recalled, receipt
from services.notification.domain.delivery import AtResult, AtSending
from services.notification.domain.family import Child
from services.notification.domain.message import Message
from services.notification.domain.receipt import AtReceipt
from services.notification.domain.refusals import UnknownMessage
from tests.notification.examples import CHILD, a_message, a_report, a_standing, after, being_sent, recorded
from tests.notification.test_families import MOTHER, PREGNANCY, a_family
from tests.notification.test_receipts import a_receipt
from tests.support.given import NOON, given

THIRD = replace(being_sent("email"), attempt=3)
"""It left at the third attempt; after a restore only what was told of that is known."""
DOUBTFUL = given(being_sent("email")).when(recorded, a_report("unknown")).row
FAMILY = a_family(Child(CHILD, NOON))


def told(result: Any) -> tuple[Any, Message]:
    """What was told of a message that ended so, and the message."""
    if result == "delivered":
        sent = given(THIRD).when(recorded, a_report(attempt=3)).row
        then = given(AtReceipt(sent, a_standing(), None, None)).when(receipt.take, a_receipt())
    elif result == "suppressed":
        stopped = AtSending(a_message(), a_standing(do_not_contact=True))
        then = given(stopped).when(delivery.clock, Due(a_message().message_id))
    else:
        reason = None if result == "accepted" else "smtp_550"
        then = given(THIRD).when(recorded, a_report(result, attempt=3, reason=reason))
    (event,) = then.events
    return event, then.row


def again(event: Any) -> Recalled:
    found = recalled.RECALLS[type(event)](event)
    assert found is not None
    return found


@pytest.mark.parametrize("result", ["accepted", "delivered", "refused_for_good", "unknown", "suppressed"])
@pytest.mark.parametrize("known", [a_message(), being_sent("email"), DOUBTFUL], ids=lambda m: m.status)
def test_a_message_ends_as_it_was_told(result: str, known: Message) -> None:
    event, ended = told(result)
    then = given(AtResult(known)).when(recalled.settle, again(event).command, at=after(hours=1))
    assert then.events == (event,)
    row = then.row
    assert (row.status, row.reason, row.attempt) == (ended.status, ended.reason, ended.attempt)
    assert (row.next_due_at, row.lease_until) == (None, None)
    assert row.may_have_left or not ended.may_have_left


def test_its_clock_waits_for_that() -> None:
    event, _ = told("accepted")
    assert (again(event).row, again(event).with_others) == (event.message_id, True)


def test_a_message_that_nothing_leads_to_any_more_is_left_to_people() -> None:
    event, _ = told("accepted")
    given(AtResult(None)).when(recalled.settle, again(event).command).then_refused(UnknownMessage)


def test_a_booklet_that_left_is_given() -> None:
    about = {"kind": "booklet", "about_id": PREGNANCY, "recipient_kind": "caregiver", "recipient_id": MOTHER}
    message = being_sent("letter", **about)
    first = given(AtResult(message, FAMILY)).when(delivery.record, a_report(language="ro"))
    command = again(first.events[0]).command
    assert command.pregnancy_id == PREGNANCY
    assert given(AtResult(message, FAMILY)).when(recalled.settle, command).events == first.events


def test_the_clock_of_the_booklet_makes_the_same_messages_whenever_it_rings() -> None:
    rings = [NOON + timedelta(days=8), NOON + timedelta(days=9)]
    made = [given(FAMILY).when(booklet.clock, Due(PREGNANCY), at=at).then_decided().rows[1:] for at in rings]
    first, second = ([message.message_id for message in messages] for messages in made)
    assert len(first) == 2
    assert first == second
