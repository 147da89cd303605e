"""What the notification service tells: what became of each message and booklet. Never an address, never a text."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import Code, Event, Instant, Language

MessageKind = Literal[
    "case_assigned_to_you",
    "case_assigned",
    "case_waiting",
    "case_handed_over",
    "consultation_declined",
    "consultation_redirected",
    "consultation_reported",
    "urgent_concern",
    "safeguarding_raised",
    "certificate_lapsed",
    "recertification_due",
    "supervision_overdue",
    "booklet",
    "please_call",
]
RecipientKind = Literal["practitioner", "safeguarding_lead", "team_lead", "caregiver"]
Channel = Literal["email", "file", "text", "letter"]
SuppressedReason = Literal[
    "unknown_recipient",
    "do_not_contact",
    "policy_unknown",
    "recipient_left",
    "no_channel_allowed",
    "by_phone_only",
    "no_safe_time",
    "safety_flag",
    "family_unknown",
    "pregnancy_ended",
    "stillborn",
    "child_died",
    "child_adopted",
    "records_merged",
    "loss_in_family",
    "already_given",
    "moved_away",
    "case_moved_on",
]
GivenHow = Literal["in_person", "post", "email", "text"]


class _AboutMessage(Event, subject=("child_id", "about_id"), sensitivity="child"):
    message_id: UUID
    about_id: UUID
    """The consultation, screening or certificate that the message is about; to a caregiver: the pregnancy."""
    child_id: UUID | None
    """Null where the family stays anonymous or the message is about no child."""
    recipient_id: UUID | None
    """Null when nobody is known who should have been told."""
    recipient_kind: RecipientKind
    kind: MessageKind
    attempt: Annotated[int, Field(ge=0, le=1000)]
    """Which attempt ended so; 0 when none was made."""


class _NotToldTo(_AboutMessage):
    team_id: UUID | None = None
    """Team that looks after the family; null where it is not known or the message was for a professional."""
    health_visitor_id: UUID | None = None
    """Named health visitor of a caregiver who was not reached, who has to do it in person; null where nobody is."""


class MessageSent(_AboutMessage):
    """The channel took the message. For e-mail: the mail server accepted it, not that a person read it."""

    channel: Channel
    language: Language
    sent_at: Instant


class MessageDelivered(_AboutMessage):
    """The channel reports, or a person found out, that the message reached the address; not that anybody read it."""

    channel: Channel
    delivered_at: Instant


class MessageFailed(_NotToldTo, readers=("referral",)):
    """The message was refused or reported undeliverable for good, or every attempt in the time allowed failed."""

    channel: Channel
    reason: Code
    """The channel's answer as a machine word, for example `smtp_550`."""
    failed_at: Instant


class MessageSuppressed(_NotToldTo, readers=("referral",)):
    """The message was not sent because the contact policy, as it stood at the moment of sending, says no."""

    reason: SuppressedReason
    suppressed_at: Instant


class MessageDoubtful(_NotToldTo, readers=("referral",)):
    """Nobody can tell whether the message left; it is not repeated and a person has to look."""

    channel: Channel
    reason: Code
    noticed_at: Instant


class _AboutBooklet(Event):
    child_id: UUID
    pregnancy_id: UUID
    """One booklet for the family; told for each expected or born child."""
    team_id: UUID


class BookletGiven(_AboutBooklet):
    """The family has the booklet about the states and cues of an infant."""

    given_by: UUID | None
    """Null where the service sent it."""
    how: GivenHow
    language: Language
    given_at: Instant


class BookletMissed(_AboutBooklet, readers=("referral",)):
    """A failsafe: the family has not been given the booklet, and the time for it is over."""

    health_visitor_id: UUID | None
    due_by: Instant
    missed_at: Instant
