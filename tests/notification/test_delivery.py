"""From pending to an end, one decision at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from attune_contracts.notification import MessageDoubtful, MessageFailed, MessageSent, MessageSuppressed
from chassis.decision import Due
from services.notification.domain import delivery
from services.notification.domain.delivery import AtSending
from services.notification.domain.message import GIVE_UP_AFTER, Attempt
from services.notification.domain.policy import Terms
from services.notification.domain.refusals import UnknownMessage
from tests.notification.examples import OTHER, a_message, a_report, a_standing, after, being_sent, recorded
from tests.support.given import NOON, given, some_id

DUE = Due(some_id("message"))


def facts(attempt: int, **more: Any) -> dict[str, Any]:
    return a_message(attempt=attempt).facts | more


# --- claim ----------------------------------------------------------------------------------------------------------


def test_a_due_message_is_claimed_for_one_attempt_with_a_lease() -> None:
    decision = given(AtSending(a_message(), a_standing())).when(delivery.clock, DUE)
    decision.then(rows=[being_sent("email")])


def test_a_keyed_channel_has_a_short_lease() -> None:
    row = given(AtSending(a_message(), a_standing(channels=("file",)))).when(delivery.clock, DUE).row
    assert (row.channel, row.lease_until) == ("file", after(seconds=20))


def test_a_message_against_the_policy_is_suppressed_with_its_reason() -> None:
    then = given(AtSending(a_message(), a_standing(do_not_contact=True))).when(delivery.clock, DUE)
    then.then(MessageSuppressed(**facts(0), reason="do_not_contact", suppressed_at=NOON))
    assert (then.row.status, then.row.reason, then.row.next_due_at) == ("suppressed", "do_not_contact", None)


def test_a_message_to_nobody_known_is_suppressed_visibly() -> None:
    then = given(AtSending(a_message(), None)).when(delivery.clock, DUE)
    then.then(MessageSuppressed(**facts(0), reason="unknown_recipient", suppressed_at=NOON))


def test_a_message_for_a_duty_goes_to_whoever_holds_it_now() -> None:
    message = a_message(recipient_id=None, duty="team_lead", recipient_kind="team_lead")
    row = given(AtSending(message, a_standing(recipient_id=OTHER))).when(delivery.clock, DUE).row
    assert (row.recipient_id, row.status) == (OTHER, "sending")


@pytest.mark.parametrize(
    "message",
    [
        None,
        a_message(next_due_at=after(seconds=1)),
        being_sent(),
        a_message(status="sent", next_due_at=None),
        a_message(status="suppressed", next_due_at=None),
        a_message(status="doubtful", next_due_at=None),
    ],
)
def test_a_clock_that_rings_too_early_or_twice_does_nothing(message: Any) -> None:
    given(AtSending(message, a_standing())).when(delivery.clock, DUE).then_nothing()


# --- results --------------------------------------------------------------------------------------------------------


def test_an_accepted_message_is_sent() -> None:
    then = given(being_sent("email")).when(recorded, a_report(language="pl"))
    then.then(MessageSent(**facts(1), channel="email", language="pl", sent_at=NOON))
    assert (then.row.status, then.row.settled_at, then.row.next_due_at) == ("sent", NOON, None)
    assert then.row.history == ()


def test_a_refused_message_is_failed_at_once() -> None:
    then = given(being_sent()).when(recorded, a_report("refused_for_good", reason="smtp_550"))
    then.then(MessageFailed(**facts(1), channel="email", reason="smtp_550", failed_at=NOON))
    assert then.row.status == "failed"


def test_what_changed_in_the_policy_after_the_claim_suppresses() -> None:
    then = given(being_sent()).when(recorded, a_report("withheld", reason="do_not_contact"))
    then.then(MessageSuppressed(**facts(1), reason="do_not_contact", suppressed_at=NOON))


def test_a_message_to_be_tried_later_waits_and_keeps_why() -> None:
    row = given(being_sent()).when(recorded, a_report("try_later", reason="smtp_451")).row
    assert (row.status, row.reason, row.lease_until) == ("pending", "smtp_451", None)
    assert row.next_due_at == after(seconds=15)
    claimed = given(AtSending(row, a_standing())).when(delivery.clock, DUE, at=after(seconds=15)).row
    assert (claimed.status, claimed.attempt) == ("sending", 2)


@pytest.mark.parametrize(
    ("failures", "urgent", "seconds"),
    [(1, False, 15), (2, False, 30), (6, False, 480), (7, False, 900), (99, False, 900), (3, True, 60), (99, True, 60)],
)
def test_the_wait_doubles_up_to_a_limit_that_is_short_for_what_is_urgent(
    failures: int, urgent: bool, seconds: int
) -> None:
    assert delivery.backoff(failures, urgent=urgent) == timedelta(seconds=seconds)


def test_after_a_day_of_trying_the_message_is_failed() -> None:
    late = NOON + GIVE_UP_AFTER
    last = being_sent(attempt=90)
    too_late = given(last).when(recorded, a_report("try_later", attempt=90), at=late)
    too_late.then(MessageFailed(**facts(90), channel="email", reason="not_accepted_in_time", failed_at=late))
    in_time = given(last).when(recorded, a_report("try_later", attempt=90), at=late - timedelta(seconds=15))
    assert in_time.row.status == "pending"


def test_an_attempt_that_was_not_begun_comes_back_when_there_is_room() -> None:
    row = given(being_sent()).when(recorded, a_report("not_begun", wait_seconds=3.0)).row
    assert (row.status, row.next_due_at, row.history) == ("pending", after(seconds=3), ())


def test_no_answer_of_a_mail_server_is_doubtful_and_never_repeated() -> None:
    then = given(being_sent("email")).when(recorded, a_report("unknown", reason="smtp_answer_lost"))
    then.then(MessageDoubtful(**facts(1), channel="email", reason="smtp_answer_lost", noticed_at=NOON))
    assert (then.row.status, then.row.next_due_at) == ("doubtful", None)


def test_no_answer_of_a_keyed_channel_is_tried_again_with_the_same_key() -> None:
    row = given(being_sent("file")).when(recorded, a_report("unknown")).row
    assert (row.status, row.message_id) == ("pending", some_id("message"))


def test_the_result_of_a_message_that_does_not_exist_is_refused() -> None:
    given().when(recorded, a_report()).then_refused(UnknownMessage, "message_id")


# --- leases ---------------------------------------------------------------------------------------------------------


def test_a_lease_that_ran_out_on_a_keyed_channel_is_sent_again() -> None:
    at = AtSending(being_sent("file", lease_s=20), a_standing(channels=("file",)))
    row = given(at).when(delivery.clock, DUE, at=after(seconds=20)).row
    assert (row.status, row.attempt, row.lease_until) == ("sending", 2, after(seconds=40))


@pytest.mark.parametrize(("attempt", "status"), [(1, "doubtful"), (2, "sending")])
def test_a_digest_whose_lease_ran_out_is_doubtful_on_a_keyed_channel_too(attempt: int, status: str) -> None:
    """What came together is not told one by one; what went alone has its key."""
    message = replace(being_sent("text", lease_s=20), attempt=attempt)
    at = AtSending(message, a_standing(channels=("text",), has_phone=True, terms=Terms(digest_at=(time(8),))))
    decision = given(at).when(delivery.clock, DUE, at=after(seconds=20)).then_decided()
    assert [row.status for row in decision.rows] == [status]


def test_a_lease_that_ran_out_on_a_mail_server_is_doubtful() -> None:
    at = AtSending(being_sent("email"), a_standing())
    then = given(at).when(delivery.clock, DUE, at=after(seconds=120))
    then.then(MessageDoubtful(**facts(1), channel="email", reason="no_result_in_time", noticed_at=after(seconds=120)))


@pytest.mark.parametrize("changes", [{"do_not_contact": True}, {"channels": ("email",)}])
def test_what_may_have_left_is_neither_called_suppressed_nor_sent_another_way(changes: dict[str, Any]) -> None:
    standing = replace(a_standing(channels=("file",)), **changes)
    then = given(AtSending(being_sent("file", lease_s=20), standing)).when(delivery.clock, DUE, at=after(seconds=20))
    assert then.row.status == "doubtful"
    assert [type(event) for event in then.events] == [MessageDoubtful]


def test_what_may_have_left_is_not_called_failed() -> None:
    lost = given(being_sent("file")).when(recorded, a_report("unknown")).row
    again = given(AtSending(lost, a_standing(channels=("file",)))).when(delivery.clock, DUE, at=lost.next_due_at).row
    then = given(again).when(recorded, a_report("refused_for_good", attempt=2))
    assert then.row.status == "doubtful"


def test_a_result_that_comes_late_ends_the_doubt() -> None:
    at = AtSending(being_sent("email"), a_standing())
    doubtful = given(at).when(delivery.clock, DUE, at=after(seconds=120)).row
    sent = given(doubtful).when(recorded, a_report(), at=after(seconds=130))
    sent.then(MessageSent(**facts(1), channel="email", language="en", sent_at=after(seconds=130)))
    not_sent = given(doubtful).when(recorded, a_report("try_later"), at=after(seconds=130)).row
    assert (not_sent.status, not_sent.may_have_left) == ("pending", False)
    given(doubtful).when(recorded, a_report("unknown")).then_nothing()


def test_the_result_of_an_older_attempt_changes_nothing_unless_the_message_left() -> None:
    second = being_sent("file", attempt=2)
    given(second).when(recorded, a_report("try_later", attempt=1)).then_nothing()
    given(second).when(recorded, a_report("refused_for_good", attempt=1)).then_nothing()
    assert given(second).when(recorded, a_report(attempt=1)).row.status == "sent"


def test_the_result_of_an_older_attempt_does_not_end_a_doubt() -> None:
    doubtful = given(being_sent("email", attempt=2)).when(recorded, a_report("unknown", attempt=2)).row
    given(doubtful).when(recorded, a_report("try_later", attempt=1)).then_nothing()


@pytest.mark.parametrize("status", ["sent", "failed", "suppressed"])
def test_a_result_after_the_end_changes_nothing(status: Any) -> None:
    ended = a_message(status=status, attempt=1, channel="email", next_due_at=None)
    given(ended).when(recorded, a_report()).then_nothing()


def test_a_long_history_keeps_its_two_ends() -> None:
    message = being_sent(
        "file", attempt=70, history=tuple(Attempt(n, NOON, "file", "unknown", None) for n in range(50))
    )
    history = given(message).when(recorded, a_report("try_later", attempt=70)).row.history
    assert len(history) == 50
    assert (history[0].attempt, history[-1].attempt) == (0, 70)
