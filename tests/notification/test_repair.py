"""What a person may do about a message that ended badly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chassis.decision import Due
from services.notification.domain import delivery, repair
from services.notification.domain.commands import SendAgain, SettleDoubt
from services.notification.domain.delivery import AtResult, AtSending
from services.notification.domain.message import GIVE_UP_AFTER
from services.notification.domain.refusals import (
    MessageAlreadySent,
    MessageInDoubt,
    MessageNotInDoubt,
    MessageStillOpen,
    UnknownMessage,
)
from tests.notification.examples import ADMIN, a_message, a_report, a_standing, after, being_sent, recorded
from tests.support.given import given, some_id

AGAIN = SendAgain(message_id=some_id("message"))
ARRIVED = SettleDoubt(message_id=some_id("message"), arrived=True)
NOT_ARRIVED = SettleDoubt(message_id=some_id("message"), arrived=False)
DOUBTFUL = given(being_sent("email")).when(recorded, a_report("unknown")).row


@pytest.mark.parametrize("status", ["failed", "suppressed"])
def test_a_failed_or_suppressed_message_is_sent_again_under_the_policy_of_then(status: Any) -> None:
    ended = a_message(status=status, attempt=3, reason="smtp_550", next_due_at=None)
    at = after(hours=30)
    row = given(ended).by(ADMIN).when(repair.send_again, AGAIN, at=at).row
    assert (row.status, row.next_due_at, row.give_up_at, row.reason) == ("pending", at, at + GIVE_UP_AFTER, None)
    assert (row.history[-1].result, row.history[-1].by) == ("sent_again", str(ADMIN))
    stopped = AtSending(row, a_standing(do_not_contact=True))
    assert given(stopped).when(delivery.clock, Due(row.message_id), at=at).row.status == "suppressed"


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("pending", MessageStillOpen),
        ("sending", MessageStillOpen),
        ("sent", MessageAlreadySent),
        ("doubtful", MessageInDoubt),
    ],
)
def test_no_other_message_is_sent_again(status: Any, refusal: Any) -> None:
    given(a_message(status=status)).when(repair.send_again, AGAIN).then_refused(refusal, "message_id")


def test_a_doubtful_message_that_arrived_is_sent() -> None:
    assert given(AtResult(DOUBTFUL)).when(repair.settle_doubt, ARRIVED).row.status == "sent"


def test_a_doubtful_message_that_did_not_arrive_starts_anew() -> None:
    row = given(AtResult(DOUBTFUL)).when(repair.settle_doubt, NOT_ARRIVED).row
    assert (row.status, row.may_have_left) == ("pending", False)
    claimed = given(AtSending(row, replace(a_standing(), channels=("file",)))).when(delivery.clock, Due(row.message_id))
    assert (claimed.row.status, claimed.row.attempt) == ("sending", 2)


@pytest.mark.parametrize("status", ["pending", "sending", "sent", "failed", "suppressed"])
def test_where_there_is_no_doubt_none_is_settled(status: Any) -> None:
    given(AtResult(a_message(status=status))).when(repair.settle_doubt, ARRIVED).then_refused(MessageNotInDoubt)


def test_an_unknown_message_cannot_be_repaired() -> None:
    given().when(repair.send_again, AGAIN).then_refused(UnknownMessage)
    given(AtResult(None)).when(repair.settle_doubt, ARRIVED).then_refused(UnknownMessage)
