"""Caregivers: their contact policy as a whole, who they are to a family, and messages that people ask for."""

from __future__ import annotations

from uuid import UUID

from attune_contracts.notification import MessageKind
from chassis.decision import Cause, Decision, Reply
from chassis.value import replace
from services.notification.domain.commands import AskToCall, SetCaregiver, SetFamilyContact
from services.notification.domain.family import Family, known, timed
from services.notification.domain.hours import Hours
from services.notification.domain.message import GIVE_UP_AFTER, Message
from services.notification.domain.policy import Recipient, Terms
from services.notification.domain.recipient import RecipientSet
from services.notification.domain.refusals import (
    FamilyEnded,
    NotACaregiverOfTheFamily,
    RecipientErased,
    RecipientIsStaff,
    UnknownFamily,
)


class FamilyContact(Reply):
    """Who cares for the children of a family and who visits them."""

    pregnancy_id: UUID
    caregivers: list[UUID]
    health_visitor_id: UUID | None


class Asked(Reply):
    """The message that is on its way as far as the policy allows it."""

    message_id: UUID


def set_caregiver(recipient: Recipient | None, command: SetCaregiver, cause: Cause) -> Decision[RecipientSet]:
    """How a caregiver may safely be reached, replaced as a whole; set after a loss or a risk it counts again."""
    if recipient is not None and recipient.kind != "caregiver":
        raise RecipientIsStaff
    if recipient is not None and recipient.erased_at is not None:
        raise RecipientErased
    safe_hours = tuple(Hours(h.days, h.opens, h.closes) for h in command.safe_hours)
    terms = Terms(zone=command.zone, safe_hours=safe_hours, voicemail=command.voicemail)
    made = Recipient(
        recipient_id=command.recipient_id,
        kind="caregiver",
        channels=command.channels,
        address=command.address,
        language=command.language,
        do_not_contact=command.do_not_contact,
        review_on=command.review_on,
        set_by=cause.by,
        set_at=cause.at,
        phone=command.phone,
        post=command.post,
        terms=terms,
    )
    return Decision(rows=(made,), reply={"recipient_id": str(made.recipient_id)})


def set_contact(family: Family | None, command: SetFamilyContact, cause: Cause) -> Decision[FamilyContact]:
    """Who cares for the children of a family, and the named health visitor."""
    now = timed(
        replace(
            known(family, command.pregnancy_id, cause),
            caregivers=command.caregivers,
            health_visitor_id=command.health_visitor_id,
            contact_set_by=cause.by,
        )
    )
    reply: FamilyContact = {
        "pregnancy_id": now.pregnancy_id,
        "caregivers": list(now.caregivers),
        "health_visitor_id": now.health_visitor_id,
    }
    return Decision(rows=(now,), reply=reply)


def ask_to_call(family: Family | None, command: AskToCall, cause: Cause) -> Decision[Asked]:
    """One caregiver is asked to call, in words that tell nobody else anything."""
    if family is None or not family.children:
        raise UnknownFamily
    if command.recipient_id not in family.caregivers:
        raise NotACaregiverOfTheFamily
    if not family.living:
        raise FamilyEnded
    message = message_to("please_call", command.recipient_id, family, cause)
    return Decision(rows=(message,), reply={"message_id": message.message_id})


def message_to(kind: MessageKind, caregiver: UUID, family: Family, cause: Cause) -> Message:
    """A message to one caregiver alone, due now; the policy is asked when it leaves."""
    return Message(
        message_id=cause.derive(f"{kind}:{caregiver}"),
        kind=kind,
        about_id=family.pregnancy_id,
        child_id=family.living[0].child_id if family.living else None,
        recipient_kind="caregiver",
        recipient_id=caregiver,
        duty=None,
        team_id=family.team_id,
        status="pending",
        correlation_id=family.correlation_id,
        recorded_at=cause.at,
        give_up_at=cause.at + GIVE_UP_AFTER,
        next_due_at=cause.at,
    )
