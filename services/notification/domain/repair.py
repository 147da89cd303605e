"""What a person may do about a message that ended badly."""

from __future__ import annotations

from attune_contracts.notification import MessageDelivered
from chassis.decision import Cause, Decision, Following, Reply
from chassis.value import replace
from services.notification.domain.brought import brought
from services.notification.domain.commands import SendAgain, SettleDoubt
from services.notification.domain.delivery import AtResult, noted, settled
from services.notification.domain.message import GIVE_UP_AFTER, OPEN, Message, Status
from services.notification.domain.refusals import (
    MessageAlreadySent,
    MessageInDoubt,
    MessageNotInDoubt,
    MessageStillOpen,
    UnknownMessage,
)


class MessageStanding(Reply):
    """Where a message stands."""

    message_id: str
    status: Status


def send_again(message: Message | None, _command: SendAgain, cause: Cause) -> Decision[MessageStanding]:
    """A failed or suppressed message is due again; the policy is asked again before it leaves."""
    if message is None:
        raise UnknownMessage
    if message.status in OPEN:
        raise MessageStillOpen
    if message.status == "sent":
        raise MessageAlreadySent
    if message.status == "doubtful":
        raise MessageInDoubt
    return _pending_again(message, "sent_again", cause)


def settle_doubt(at: AtResult, command: SettleDoubt, cause: Cause) -> Decision[MessageStanding]:
    """A person found out whether a doubtful message arrived; if not, it is due again."""
    message = at.message
    if message is None:
        raise UnknownMessage
    if message.status != "doubtful":
        raise MessageNotInDoubt
    if not command.arrived:
        return _pending_again(message, "not_arrived", cause)
    arrived = _answered(settled(noted(message, "arrived", None, cause), "sent", None, cause))
    event = MessageDelivered(**message.facts, channel=message.claimed_channel, delivered_at=cause.at)
    also = brought(message, at.family, cause)
    told = tuple(Following(e, message.correlation_id) for e in (event, *also.told))
    return replace(arrived, rows=(*arrived.rows, *also.rows), events=told)


def _pending_again(message: Message, because: str, cause: Cause) -> Decision[MessageStanding]:
    again = replace(
        noted(message, because, None, cause),
        status="pending",
        reason=None,
        settled_at=None,
        give_up_at=cause.at + GIVE_UP_AFTER,
        next_due_at=cause.at,
    )
    return _answered(again)


def _answered(message: Message) -> Decision[MessageStanding]:
    return Decision(rows=(message,), reply={"message_id": str(message.message_id), "status": message.status})
