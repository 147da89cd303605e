"""Delivery receipts: what a channel reports later, in any order, more than once, or about letters of others."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.notification import MessageFailed
from chassis.decision import NOTHING, Cause, Decision, Following
from chassis.value import value
from services.notification.domain.commands import TakeReceipt
from services.notification.domain.delivery import arrived, noted, settled, who_acts
from services.notification.domain.family import Family
from services.notification.domain.message import AGAIN, Message
from services.notification.domain.policy import Standing

_UNDELIVERED = {
    "permanent-failure": "notify_permanent_failure",
    "temporary-failure": "notify_temporary_failure",
    "technical-failure": "notify_technical_failure",
}
"""Notify tries for days before it says so: each is final for us, and a person's task."""


@value(frozen=True, slots=True)
class UnmatchedReceipt:
    """A receipt for a letter that nobody here knows."""

    receipt_id: UUID
    status: str
    received_at: datetime


@value(frozen=True, slots=True)
class AtReceipt:
    message: Message | None
    standing: Standing | None
    unmatched: UnmatchedReceipt | None
    family: Family | None
    """The family that the message is about, where it is to a caregiver."""


def take(at: AtReceipt, command: TakeReceipt, cause: Cause) -> Decision[None]:
    """A message has reached its address, or never will. Once it has, no later receipt says otherwise."""
    message = at.message
    if message is None:
        return _unmatched(at.unmatched, command, cause)
    if _was_delivered(message) or _is_of_an_earlier_round(message, command):
        return NOTHING
    if command.status == "delivered":
        return arrived(message, "delivered", at.family, cause) if message.channel is not None else NOTHING
    reason = _UNDELIVERED.get(command.status)
    if reason is None or message.channel is None or message.status in ("failed", "suppressed"):
        return NOTHING
    after = noted(message, "undelivered", reason, cause)
    family = at.standing.family if at.standing is not None else None
    facts = message.facts | who_acts(message, family)
    event = MessageFailed(**facts, channel=message.channel, reason=reason, failed_at=cause.at)
    return Decision(rows=(settled(after, "failed", reason, cause),), events=(Following(event, message.correlation_id),))


def _was_delivered(message: Message) -> bool:
    return any(attempt.result == "delivered" for attempt in message.this_round)


def _is_of_an_earlier_round(message: Message, command: TakeReceipt) -> bool:
    """Told again about what a person has had sent anew since."""
    begun = [attempt.at for attempt in message.history if attempt.result in AGAIN]
    return bool(begun) and command.completed_at is not None and command.completed_at < begun[-1]


def _unmatched(known: UnmatchedReceipt | None, command: TakeReceipt, cause: Cause) -> Decision[None]:
    if known is not None and known.status == command.status:
        return NOTHING
    return Decision(rows=(UnmatchedReceipt(command.id, command.status, cause.at),))
