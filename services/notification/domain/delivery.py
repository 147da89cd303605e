"""From pending to an end: claim under the policy as it stands, take the channel's result, try again or stop visibly."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from attune_contracts.event import Event
from attune_contracts.notification import (
    MessageDoubtful,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
    SuppressedReason,
)
from chassis.decision import NOTHING, Cause, Decision, Due, Following
from chassis.value import replace, value
from services.notification.domain.commands import RecordDelivery
from services.notification.domain.message import HONOURS_KEY, LEASE, OPEN, Attempt, Message, Status
from services.notification.domain.policy import Allowed, Standing, may_send
from services.notification.domain.refusals import UnknownMessage

FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=15)
LONGEST_RETRY_URGENT = timedelta(minutes=1)
MOST_ATTEMPTS = 1000
HISTORY_ENDS_KEPT = 25

_SUPPRESSED: dict[str | None, SuppressedReason] = {
    "unknown_recipient": "unknown_recipient",
    "do_not_contact": "do_not_contact",
    "policy_unknown": "policy_unknown",
    "recipient_left": "recipient_left",
    "no_channel_allowed": "no_channel_allowed",
}


@value(frozen=True, slots=True)
class AtSending:
    message: Message | None
    standing: Standing | None


def clock(at: AtSending, _due: Due, cause: Cause) -> Decision:
    """The message is due: claim it if the policy allows that now, or judge an attempt whose lease ran out."""
    message = at.message
    if message is None or message.next_due_at is None or message.next_due_at > cause.at:
        return NOTHING
    if message.status == "sending":
        message = noted(message, "unknown", "no_result_in_time", cause)
        if not HONOURS_KEY[message.claimed_channel] or _is_too_late(message, cause.at):
            return _doubtful(message, "no_result_in_time", cause)
    return _claim(message, at.standing, cause)


def record(message: Message | None, command: RecordDelivery, cause: Cause) -> Decision:
    """The result of an attempt. What belongs to an older attempt changes nothing, unless the message did leave."""
    if message is None:
        raise UnknownMessage
    if not _is_awaited(message, command):
        return NOTHING
    if command.result == "accepted":
        return _sent(message, command, cause)
    after = noted(message, command.result, command.reason, cause)
    match command.result:
        case "withheld":
            return _suppressed(after, _SUPPRESSED[command.reason], cause)
        case "refused_for_good":
            return _failed(after, command.reason or "refused", cause)
        case _:
            return _not_yet(message, after, command, cause)


def _not_yet(before: Message, after: Message, command: RecordDelivery, cause: Cause) -> Decision:
    if command.result == "not_begun":
        return _later(before, timedelta(seconds=command.wait_seconds), before.reason, cause)
    if command.result == "unknown" and not HONOURS_KEY[after.claimed_channel]:
        return _doubtful(after, command.reason or "no_answer", cause)
    return _later(after, backoff(len(after.this_round), urgent=after.is_urgent), command.reason, cause)


def _is_awaited(message: Message, command: RecordDelivery) -> bool:
    if message.status == "sending" and command.attempt == message.attempt:
        return True
    # What is known only after the lease ran out is still true: it ends a doubt, or a repeat that is no longer needed.
    if message.status == "doubtful":
        return command.attempt == message.attempt and command.result != "unknown"
    return message.status in OPEN and command.result == "accepted" and command.attempt <= message.attempt


def _claim(message: Message, standing: Standing | None, cause: Cause) -> Decision:
    verdict = may_send(standing, message.recipient_kind, cause.at)
    if standing is not None:
        message = replace(message, recipient_id=standing.recipient_id)
    if not isinstance(verdict, Allowed):
        return _suppressed(message, verdict, cause)
    if message.may_have_left and verdict.channel != message.channel:
        return _doubtful(message, "channel_changed", cause)
    lease_until = cause.at + LEASE[verdict.channel]
    claimed = replace(
        message,
        status="sending",
        attempt=message.attempt + 1,
        channel=verdict.channel,
        lease_until=lease_until,
        next_due_at=lease_until,
    )
    return Decision(rows=(claimed,))


def _later(message: Message, wait: timedelta, reason: str | None, cause: Cause) -> Decision:
    if _is_too_late(message, cause.at + wait):
        return _failed(message, "not_accepted_in_time", cause)
    waiting = replace(
        message,
        status="pending",
        reason=reason,
        lease_until=None,
        settled_at=None,
        next_due_at=cause.at + wait,
    )
    return Decision(rows=(waiting,))


def backoff(failures: int, *, urgent: bool) -> timedelta:
    """How long to wait after so many failed attempts."""
    longest = LONGEST_RETRY_URGENT if urgent else LONGEST_RETRY
    doublings = min(failures - 1, 10)
    return min(FIRST_RETRY * (1 << doublings), longest)


def _is_too_late(message: Message, at: datetime) -> bool:
    return at > message.give_up_at or message.attempt >= MOST_ATTEMPTS


def noted(message: Message, result: str, reason: str | None, cause: Cause) -> Message:
    """The message with one more line of history; of a very long history the middle is left out."""
    note = Attempt(message.attempt, cause.at, message.channel, result, reason, cause.by)
    history = (*message.history, note)
    if len(history) > 2 * HISTORY_ENDS_KEPT:
        history = history[:HISTORY_ENDS_KEPT] + history[-HISTORY_ENDS_KEPT:]
    return replace(message, history=history)


def settled(message: Message, status: Status, reason: str | None, cause: Cause) -> Message:
    """The message at one of its ends."""
    return replace(message, status=status, reason=reason, settled_at=cause.at, next_due_at=None, lease_until=None)


def _ended(message: Message, event: Event) -> Decision:
    return Decision(rows=(message,), events=(Following(event, message.correlation_id),))


def _sent(message: Message, command: RecordDelivery, cause: Cause) -> Decision:
    event = MessageSent(
        **message.facts, channel=message.claimed_channel, language=command.language or "en", sent_at=cause.at
    )
    return _ended(settled(message, "sent", None, cause), event)


def _suppressed(message: Message, reason: SuppressedReason, cause: Cause) -> Decision:
    if message.may_have_left:
        return _doubtful(message, "withheld_later", cause)
    event = MessageSuppressed(**message.facts, reason=reason, suppressed_at=cause.at)
    return _ended(settled(message, "suppressed", reason, cause), event)


def _failed(message: Message, reason: str, cause: Cause) -> Decision:
    if message.may_have_left:
        return _doubtful(message, reason, cause)
    event = MessageFailed(**message.facts, channel=message.claimed_channel, reason=reason, failed_at=cause.at)
    return _ended(settled(message, "failed", reason, cause), event)


def _doubtful(message: Message, reason: str, cause: Cause) -> Decision:
    facts: dict[str, Any] = message.facts
    event = MessageDoubtful(**facts, channel=message.claimed_channel, reason=reason, noticed_at=cause.at)
    return _ended(settled(message, "doubtful", reason, cause), event)
