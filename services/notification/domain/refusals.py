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


class RecipientIsStaff(Refused):
    """This recipient is a professional; their policy is set elsewhere."""

    field = "recipient_id"


class RecipientIsCaregiver(Refused):
    """This recipient is a caregiver; how they may be reached is set by the professionals around the family."""

    field = "recipient_id"


class UnknownFamily(Refused):
    """No child of such a pregnancy is known."""

    status = 404
    field = "pregnancy_id"


class FamilyEnded(Refused):
    """There is no child any more about whom the family could be written to."""

    field = "pregnancy_id"


class NotACaregiverOfTheFamily(Refused):
    """This person is not a caregiver of the family, as far as is known."""

    status = 404
    field = "recipient_id"


class NoCaregiverKnown(Refused):
    """Nobody is known who cares for the children of this family; set that first."""

    field = "pregnancy_id"


class BookletStopped(Refused):
    """The booklet is no longer ours to give to this family."""

    field = "pregnancy_id"


class GivenInTheFuture(Refused):
    """What was given was given before now."""

    status = 422
    field = "given_at"
