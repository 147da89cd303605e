"""What a person may do about a message that ended badly."""

from __future__ import annotations

from chassis.decision import Cause, Decision, Reply
from chassis.value import replace
from services.notification.domain.commands import SendAgain, SettleDoubt
from services.notification.domain.delivery import AtResult, arrived, noted
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
    return replace(arrived(message, "arrived", at.family, cause), reply=_standing(message, "sent"))


def _pending_again(message: Message, because: str, cause: Cause) -> Decision[MessageStanding]:
    again = replace(
        noted(message, because, None, cause),
        status="pending",
        reason=None,
        settled_at=None,
        give_up_at=cause.at + GIVE_UP_AFTER,
        next_due_at=cause.at,
    )
    return Decision(rows=(again,), reply=_standing(again, again.status))


def _standing(message: Message, status: Status) -> MessageStanding:
    return {"message_id": str(message.message_id), "status": status}
