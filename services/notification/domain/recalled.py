"""After the database was set back: what was told of a message stays what became of it, so nothing is sent twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attune_contracts.event import Event
from attune_contracts.notification import (
    MessageDelivered,
    MessageDoubtful,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
)
from chassis.decision import NOTHING, Cause, Decision, Following, Recalled
from chassis.value import replace
from services.notification.domain.brought import brought
from services.notification.domain.commands import RecallEnd
from services.notification.domain.delivery import AtResult, noted, settled
from services.notification.domain.message import Status
from services.notification.domain.refusals import UnknownMessage

Told = MessageSent | MessageDelivered | MessageFailed | MessageSuppressed | MessageDoubtful

_ENDS: dict[type[Event], tuple[Status, str]] = {
    MessageSent: ("sent", "accepted"),
    MessageDelivered: ("sent", "delivered"),
    MessageFailed: ("failed", "refused_for_good"),
    MessageSuppressed: ("suppressed", "withheld"),
    MessageDoubtful: ("doubtful", "unknown"),
}


def end(event: Told) -> Recalled:
    """How it ended then; until that is said again nobody may try to send it."""
    about_family = event.about_id if event.recipient_kind == "caregiver" else None
    command = RecallEnd(message_id=event.message_id, pregnancy_id=about_family, told=event)
    return Recalled(command, with_others=True, row=event.message_id)


def settle(at: AtResult, command: RecallEnd, cause: Cause) -> Decision:
    """The message ends as it was told, whatever is known here of the policy and the attempts of then."""
    message, told = at.message, command.told
    if message is None:
        raise UnknownMessage
    status, result = _ENDS[type(told)]
    reason, channel = getattr(told, "reason", None), getattr(told, "channel", message.channel)
    message = replace(message, recipient_id=told.recipient_id, attempt=told.attempt, channel=channel)
    also = brought(message, at.family, cause, told.language) if isinstance(told, MessageSent) else NOTHING
    if not isinstance(told, MessageSent):
        message = noted(message, result, reason, cause)
    following = (Following(event, message.correlation_id) for event in (told, *also.told))
    return Decision(rows=(settled(message, status, reason, cause), *also.rows), events=tuple(following))


RECALLS: dict[type[Event], Callable[[Any], Recalled | None]] = dict.fromkeys(_ENDS, end)
