"""Recipients and duties: set by people with a name, erased on request."""

from __future__ import annotations

from chassis.decision import NOTHING, Cause, Decision, Reply
from chassis.value import replace, value
from services.notification.domain.commands import EraseRecipient, SetDoNotContact, SetDuty, SetRecipient
from services.notification.domain.policy import PLAIN, Duty, Recipient, Terms, duty_key
from services.notification.domain.refusals import RecipientErased, RecipientIsCaregiver, UnknownRecipient


@value(frozen=True, slots=True)
class AtDuty:
    duty: Duty | None
    recipient: Recipient | None


class RecipientSet(Reply):
    """The recipient that is known now."""

    recipient_id: str


class ContactStopped(Reply):
    """Whether the recipient may no longer be written to."""

    do_not_contact: bool


class DutySet(Reply):
    """The duty that somebody has now."""

    duty: str


def set_recipient(known: Recipient | None, command: SetRecipient, cause: Cause) -> Decision[RecipientSet]:
    """Channels, address, language and contact policy of a professional, replaced as a whole."""
    if known is not None and known.kind == "caregiver":
        raise RecipientIsCaregiver
    if known is not None and known.erased_at is not None:
        raise RecipientErased
    terms = Terms(zone=command.zone, any_hour=command.any_hour, digest_at=command.digest_at)
    recipient = Recipient(
        recipient_id=command.recipient_id,
        kind=command.kind,
        channels=command.channels,
        address=command.address,
        language=command.language,
        do_not_contact=command.do_not_contact,
        review_on=command.review_on,
        set_by=cause.by,
        set_at=cause.at,
        phone=command.phone,
        terms=None if terms == PLAIN else terms,
    )
    return Decision(rows=(recipient,), reply={"recipient_id": str(recipient.recipient_id)})


def set_do_not_contact(known: Recipient | None, command: SetDoNotContact, cause: Cause) -> Decision[ContactStopped]:
    """Stops every message to a person at once, also those already claimed, or allows them again."""
    if known is None:
        raise UnknownRecipient
    if known.erased_at is not None:
        raise RecipientErased
    # After a loss or a risk only who sets a caregiver's policy as a whole says that writing is right: it stays as old.
    set_at = known.set_at if known.kind == "caregiver" else cause.at
    changed = replace(known, do_not_contact=command.do_not_contact, set_by=cause.by, set_at=set_at)
    return Decision(rows=(changed,), reply={"do_not_contact": command.do_not_contact})


def erase(known: Recipient | None, _command: EraseRecipient, cause: Cause) -> Decision[None]:
    """Forgets the addresses and stops every message for good."""
    if known is None:
        raise UnknownRecipient
    if known.erased_at is not None:
        return NOTHING
    changed = replace(
        known,
        channels=(),
        address=None,
        phone=None,
        post=None,
        terms=None,
        language="en",
        do_not_contact=True,
        review_on=None,
        set_by=cause.by,
        set_at=cause.at,
        erased_at=cause.at,
    )
    return Decision(rows=(changed,))


def set_duty(at: AtDuty, command: SetDuty, cause: Cause) -> Decision[DutySet]:
    """Who is told for a team, or for every team without an own entry."""
    if at.recipient is None:
        raise UnknownRecipient
    if at.recipient.erased_at is not None:
        raise RecipientErased
    duty = Duty(
        duty_key=duty_key(command.duty, command.team_id),
        duty=command.duty,
        team_id=command.team_id,
        recipient_id=command.recipient_id,
        set_by=cause.by,
        set_at=cause.at,
    )
    return Decision(rows=(duty,), reply={"duty": duty.duty_key})
