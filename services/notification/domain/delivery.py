"""From pending to an end: claim under the policy as it stands, take the channel's result, try again or stop visibly."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.notification import (
    MessageDelivered,
    MessageDoubtful,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
    SuppressedReason,
)
from chassis.decision import NOTHING, Cause, Decision, Due, Following
from chassis.value import replace, value
from services.notification.domain.brought import FALL_BACK, brought
from services.notification.domain.commands import RecordDelivery
from services.notification.domain.family import Family
from services.notification.domain.message import HONOURS_KEY, LEASE, OPEN, Attempt, Message, Status
from services.notification.domain.policy import Allowed, FamilyStanding, Standing, Wait, may_send
from services.notification.domain.refusals import UnknownMessage

FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=15)
LONGEST_RETRY_URGENT = timedelta(minutes=1)
MOST_ATTEMPTS = 1000
HISTORY_ENDS_KEPT = 25

_SUPPRESSED: dict[str | None, SuppressedReason] = {word: word for word in get_args(SuppressedReason)}


Of = Family | FamilyStanding | None
"""The family of the caregiver whom a message was for; None for a message to a professional."""


@value(frozen=True, slots=True)
class AtSending:
    message: Message | None
    standing: Standing | None


@value(frozen=True, slots=True)
class AtResult:
    """A message and, for one to a caregiver, the family that it is about."""

    message: Message | None
    family: Family | None = None


def clock(at: AtSending, _due: Due, cause: Cause) -> Decision:
    """The message is due: claim it if the policy allows that now, or judge an attempt whose lease ran out."""
    message = at.message
    if message is None or message.next_due_at is None or message.next_due_at > cause.at:
        return NOTHING
    if message.status == "sending":
        # A digest is not made again: what it told may by then be another selection.
        may_repeat = HONOURS_KEY[message.claimed_channel] and not in_a_digest(message, at.standing)
        message = noted(message, "unknown", "no_result_in_time", cause)
        if not may_repeat or _is_too_late(message, cause.at):
            return doubtful(message, "no_result_in_time", cause, _family_of(at.standing))
    return _claim(message, at.standing, cause)


def record(at: AtResult, command: RecordDelivery, cause: Cause) -> Decision:
    """The result of an attempt. What belongs to an older attempt changes nothing, unless the message did leave."""
    message = at.message
    if message is None:
        raise UnknownMessage
    if not _is_awaited(message, command):
        return NOTHING
    if command.result == "accepted":
        return _sent(message, at.family, command, cause)
    after = noted(message, command.result, command.reason, cause)
    match command.result:
        case "withheld":
            return suppressed(after, _SUPPRESSED[command.reason], cause, at.family)
        case "refused_for_good":
            return failed(after, command.reason or "refused", cause, at.family)
        case _:
            return _not_yet(message, after, command, cause, at.family)


def _not_yet(before: Message, after: Message, command: RecordDelivery, cause: Cause, of: Of) -> Decision:
    if command.result == "not_begun":
        return _later(before, timedelta(seconds=command.wait_seconds), before.reason, cause, of)
    honours_key = HONOURS_KEY[after.claimed_channel] if command.honours_key is None else command.honours_key
    if command.result == "unknown" and not honours_key:
        return doubtful(after, command.reason or "no_answer", cause, of)
    return _later(after, backoff(len(after.this_round), urgent=after.is_urgent), command.reason, cause, of)


def _is_awaited(message: Message, command: RecordDelivery) -> bool:
    if message.status == "sending" and command.attempt == message.attempt:
        return True
    # What is known only after the lease ran out is still true: it ends a doubt, or a repeat that is no longer needed.
    if message.status == "doubtful":
        return command.attempt == message.attempt and command.result != "unknown"
    return message.status in OPEN and command.result == "accepted" and command.attempt <= message.attempt


def _claim(message: Message, standing: Standing | None, cause: Cause) -> Decision:
    verdict = may_send(standing, message.recipient_kind, cause.at, urgent=message.is_urgent)
    if standing is not None:
        message = replace(message, recipient_id=standing.recipient_id)
    if isinstance(verdict, Wait):
        return _waits(message, verdict, cause)
    if not isinstance(verdict, Allowed):
        return suppressed(message, verdict, cause, _family_of(standing))
    if message.may_have_left and verdict.channel != message.channel:
        return doubtful(message, "channel_changed", cause, _family_of(standing))
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


def _waits(message: Message, verdict: Wait, cause: Cause) -> Decision:
    """Until it may leave; the time for trying does not pass meanwhile."""
    waiting = replace(
        message,
        status="pending",
        reason=verdict.because,
        lease_until=None,
        give_up_at=message.give_up_at + (verdict.until - cause.at),
        next_due_at=verdict.until,
    )
    return Decision(rows=(waiting,))


def _later(message: Message, wait: timedelta, reason: str | None, cause: Cause, of: Of) -> Decision:
    if _is_too_late(message, cause.at + wait):
        return failed(message, "not_accepted_in_time", cause, of)
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


def _ended(message: Message, event: Event, also: Decision = NOTHING) -> Decision:
    following = (Following(e, message.correlation_id) for e in (event, *also.told))
    return Decision(rows=(message, *also.rows), events=tuple(following))


def _sent(message: Message, family: Family | None, command: RecordDelivery, cause: Cause) -> Decision:
    language = command.language or FALL_BACK
    event = MessageSent(**message.facts, channel=message.claimed_channel, language=language, sent_at=cause.at)
    also = brought(message, family, cause, language)
    return _ended(settled(message, "sent", None, cause), event, also)


def arrived(message: Message, result: str, family: Family | None, cause: Cause) -> Decision:
    """Known to have reached its address, by a receipt (`delivered`) or a person who asked (`arrived`)."""
    event = MessageDelivered(**message.facts, channel=message.claimed_channel, delivered_at=cause.at)
    after = settled(noted(message, result, None, cause), "sent", None, cause)
    return _ended(after, event, brought(message, family, cause))


def suppressed(message: Message, reason: SuppressedReason, cause: Cause, of: Of = None) -> Decision:
    """Not sent, with its reason; what may have left before is doubtful."""
    if message.may_have_left:
        return doubtful(message, "withheld_later", cause, of)
    facts = message.facts | who_acts(message, of)
    event = MessageSuppressed(**facts, reason=reason, suppressed_at=cause.at)
    return _ended(settled(message, "suppressed", reason, cause), event)


def failed(message: Message, reason: str, cause: Cause, of: Of = None) -> Decision:
    """Refused for good; what may have left before is doubtful."""
    if message.may_have_left:
        return doubtful(message, reason, cause, of)
    facts = message.facts | who_acts(message, of)
    event = MessageFailed(**facts, channel=message.claimed_channel, reason=reason, failed_at=cause.at)
    return _ended(settled(message, "failed", reason, cause), event)


def doubtful(message: Message, reason: str, cause: Cause, of: Of = None) -> Decision:
    """Nobody can tell; a person looks."""
    facts = message.facts | who_acts(message, of)
    event = MessageDoubtful(**facts, channel=message.claimed_channel, reason=reason, noticed_at=cause.at)
    return _ended(settled(message, "doubtful", reason, cause), event)


def in_a_digest(message: Message, standing: Standing | None) -> bool:
    """Whether it comes together with others; what is urgent or tried again goes alone."""
    terms = standing.terms if standing is not None else None
    return terms is not None and bool(terms.digest_at) and message.may_be_gathered


def _family_of(standing: Standing | None) -> FamilyStanding | None:
    return standing.family if standing is not None else None


def who_acts(message: Message, of: Of) -> dict[str, UUID | None]:
    """Who has to do in person what the message did not: the named health visitor, else the leads of the team."""
    if of is None:
        return {"team_id": message.team_id, "health_visitor_id": None}
    return {"team_id": of.team_id, "health_visitor_id": of.health_visitor_id}
