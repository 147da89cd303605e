"""What the notification service tells: what became of each message. Never an address, never a text."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import Code, Event, Instant, Language

MessageKind = Literal[
    "case_assigned_to_you",
    "case_assigned",
    "case_waiting",
    "case_handed_over",
    "urgent_concern",
    "certificate_lapsed",
]
RecipientKind = Literal["practitioner", "safeguarding_lead", "team_lead", "caregiver"]
Channel = Literal["email", "file"]
SuppressedReason = Literal[
    "unknown_recipient", "do_not_contact", "policy_unknown", "recipient_left", "no_channel_allowed"
]


class _AboutMessage(Event, subject=("child_id", "about_id"), sensitivity="child"):
    message_id: UUID
    about_id: UUID
    """The consultation or screening that the message is about."""
    child_id: UUID | None
    """Null where the family stays anonymous or the message is about no child."""
    recipient_id: UUID | None
    """Null when nobody is known who should have been told."""
    recipient_kind: RecipientKind
    kind: MessageKind
    attempt: Annotated[int, Field(ge=0, le=1000)]
    """Which attempt ended so; 0 when none was made."""


class MessageSent(_AboutMessage):
    """The channel took the message. For e-mail: the mail server accepted it, not that a person read it."""

    channel: Channel
    language: Language
    sent_at: Instant


class MessageFailed(_AboutMessage):
    """The channel refused the message for good, or every attempt within the time allowed failed."""

    channel: Channel
    reason: Code
    """The channel's answer as a machine word, for example `smtp_550`."""
    failed_at: Instant


class MessageSuppressed(_AboutMessage):
    """The message was not sent because the contact policy, as it stood at the moment of sending, says no."""

    reason: SuppressedReason
    suppressed_at: Instant


class MessageDoubtful(_AboutMessage):
    """Nobody can tell whether the message left; it is not repeated and a person has to look."""

    channel: Channel
    reason: Code
    noticed_at: Instant
