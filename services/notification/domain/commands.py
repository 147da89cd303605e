"""What may be asked of notification."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from attune_contracts.event import Code, Language
from attune_contracts.notification import Channel, RecipientKind
from chassis.commands import Command, breaks
from services.notification.domain.message import Result

EmailAddress = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
    ),
]
"""One plain mailbox; no display name, no list, nothing that could end a header line."""


class SetRecipient(Command):
    """Set who a person is to us: the allowed channels, the address, the language and the contact policy, as a whole."""

    recipient_id: UUID
    kind: RecipientKind
    channels: Annotated[tuple[Channel, ...], Field(max_length=2)]
    """Allowed channels, the preferred one first; none means that the person is never written to."""
    address: EmailAddress | None = Field(default=None, validate_default=True)
    language: Language = "en"
    do_not_contact: bool = False
    review_on: date | None = None
    """When the policy has to be looked at again. A caregiver without it, or after it, is not written to."""

    @field_validator("channels")
    @classmethod
    def _once_each(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        if len(set(channels)) != len(channels):
            raise breaks("channel_twice")
        return channels

    @field_validator("address")
    @classmethod
    def _can_be_reached(cls, address: str | None, info: ValidationInfo) -> str | None:
        if address is None and "email" in info.data.get("channels", ()):
            raise breaks("email_needs_address")
        return address


class SetDoNotContact(Command):
    """Stop every message to a person at once, or allow them again."""

    recipient_id: UUID
    do_not_contact: bool = True


class EraseRecipient(Command):
    """Forget a person's address and stop every message to them for good."""

    recipient_id: UUID


class SetDuty(Command):
    """Set who is told when something concerns a team; without a team: for every team that has no own entry."""

    duty: Literal["safeguarding_lead", "team_lead"]
    recipient_id: UUID
    team_id: UUID | None = None


class SendAgain(Command):
    """Send a message that failed or was suppressed, after its cause was put right. The policy is checked again."""

    message_id: UUID


class SettleDoubt(Command):
    """Say what a person found out about a doubtful message; if it did not arrive it is sent again."""

    message_id: UUID
    arrived: bool


class RecordDelivery(Command):
    """What a channel did with one attempt to send a message; given by the courier, never by HTTP."""

    message_id: UUID
    attempt: Annotated[int, Field(ge=1)]
    result: Result
    reason: Code | None = None
    language: Language | None = None
    """Language of the text that was sent."""
    wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """For `not_begun`: when the courier expects to have a free hand."""
