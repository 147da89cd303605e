"""How notification says no, each by the name of its rule."""

from __future__ import annotations

from chassis.decision import Refused


class UnknownRecipient(Refused):
    """No such recipient is known; set it first."""

    status = 404
    field = "recipient_id"


class RecipientErased(Refused):
    """The recipient was erased and cannot be used again."""

    field = "recipient_id"


class UnknownMessage(Refused):
    """No such message."""

    status = 404
    field = "message_id"


class MessageStillOpen(Refused):
    """The message is still on its way."""

    field = "message_id"


class MessageAlreadySent(Refused):
    """The message was sent; it is not sent twice."""

    field = "message_id"


class MessageInDoubt(Refused):
    """Nobody can tell whether the message left; settle that first."""

    field = "message_id"


class MessageNotInDoubt(Refused):
    """There is no doubt about this message."""

    field = "message_id"
