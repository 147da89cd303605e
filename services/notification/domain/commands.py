"""What may be asked of notification."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from attune_contracts.event import Code, Instant, Language
from attune_contracts.notification import (
    GivenHow,
    MessageDelivered,
    MessageDoubtful,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
)
from chassis.commands import Command, ShortText, breaks
from services.notification.domain.hours import HOME
from services.notification.domain.message import Result
from services.notification.domain.policy import AllowedChannel

EmailAddress = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
    ),
]
"""One plain mailbox; no display name, no list, nothing that could end a header line."""


PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{7,14}$")]
"""In the international form, for example `+447700900123`."""
PostalLine = Annotated[ShortText, StringConstraints(max_length=100)]
Zone = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}$")]
"""Where the person's clock is, for example `Europe/London`."""


def _without_zone(at: time) -> time:
    if at.tzinfo is not None:
        raise breaks("zone_not_here")
    return at


DayTime = Annotated[time, AfterValidator(_without_zone)]
"""A time of the day where the person is, for example `09:00`."""

_NEEDS = {"email": "address", "text": "phone", "phone": "phone", "letter": "post"}


class _Reached(Command):
    """Where and how a person may be reached."""

    recipient_id: UUID
    channels: Annotated[tuple[AllowedChannel, ...], Field(max_length=5)]
    """Allowed channels, the preferred one first; none means that the person is never written to."""
    address: EmailAddress | None = Field(default=None, validate_default=True)
    phone: PhoneNumber | None = Field(default=None, validate_default=True)
    language: Language = "en"
    do_not_contact: bool = False
    zone: Zone = HOME

    @field_validator("channels")
    @classmethod
    def _once_each(cls, channels: tuple[AllowedChannel, ...]) -> tuple[AllowedChannel, ...]:
        if len(set(channels)) != len(channels):
            raise breaks("channel_twice")
        return channels

    @field_validator("address", "phone", "post", check_fields=False)
    @classmethod
    def _can_be_reached(cls, place: Any, info: ValidationInfo) -> Any:
        for channel in info.data.get("channels", ()):
            if place is None and _NEEDS.get(channel) == info.field_name:
                raise breaks(f"{channel}_needs_{info.field_name}")
        return place

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, OSError, ValueError):
            raise breaks("zone_unknown") from None
        return zone


class SetRecipient(_Reached):
    """Set who a professional is to us: channels, address, language and contact policy, as a whole."""

    kind: Literal["practitioner", "safeguarding_lead", "team_lead"]
    channels: Annotated[tuple[Literal["email", "text", "file"], ...], Field(max_length=3)]
    """Allowed channels, the preferred one first; none means that the person is never written to."""
    review_on: date | None = None
    """When the policy has to be looked at again."""
    any_hour: bool = False
    """Takes e-mails and texts whenever they come, not from Monday to Friday between 8:00 and 18:00 only."""
    digest_at: Annotated[tuple[DayTime, ...], Field(max_length=6)] = ()
    """Times at which everything that is not urgent comes in one mail; none: each message at once."""


class SafeHours(Command):
    """A part of some days of every week, from its first instant up to its last, that one not included."""

    days: Annotated[tuple[Annotated[int, Field(ge=0, le=6)], ...], Field(min_length=1, max_length=7)]
    """0 is Monday."""
    opens: DayTime
    closes: DayTime

    @field_validator("closes")
    @classmethod
    def _after_it_opens(cls, closes: time, info: ValidationInfo) -> time:
        if closes <= info.data.get("opens", time.min):
            raise breaks("closes_before_it_opens")
        return closes


class SetCaregiver(_Reached):
    """Set how a caregiver may safely be reached, as a whole. Nothing is sent where nothing was set."""

    review_on: date
    """When this has to be looked at again; from that day on the caregiver is not written to."""
    post: Annotated[tuple[PostalLine, ...], Field(min_length=2, max_length=7)] | None = Field(
        default=None, validate_default=True
    )
    """Lines of the postal address, the first one a name."""
    safe_hours: Annotated[tuple[SafeHours, ...], Field(max_length=21)] = ()
    """When it is safe, within the quiet hours; none: whenever those allow it."""
    voicemail: bool = False
    """Whoever calls may leave a message."""


class SetFamilyContact(Command):
    """Set who cares for the children of a pregnancy, and the named health visitor."""

    pregnancy_id: UUID
    caregivers: Annotated[tuple[UUID, ...], Field(max_length=6)]
    """Recipients, each with a policy of their own; each is written to alone."""
    health_visitor_id: UUID | None

    @field_validator("caregivers")
    @classmethod
    def _once_each(cls, caregivers: tuple[UUID, ...]) -> tuple[UUID, ...]:
        if len(set(caregivers)) != len(caregivers):
            raise breaks("caregiver_twice")
        return caregivers


class AskToCall(Command):
    """Ask one caregiver to call, in neutral words, as far as their policy allows it."""

    pregnancy_id: UUID
    recipient_id: UUID
    kind: Literal["please_call"] = "please_call"


class GiveBooklet(Command):
    """Record that the booklet was given to a family: by whom, how, when, in which language."""

    pregnancy_id: UUID
    given_by: UUID
    how: GivenHow = "in_person"
    language: Language = "en"
    given_at: Instant


class SendBooklet(Command):
    """Send the booklet to each caregiver of a family now, as far as each one's policy allows it."""

    pregnancy_id: UUID


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


class TakeReceipt(Command):
    """What GOV.UK Notify reports about a message later. The address in it is not kept."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    """Notify's own."""
    reference: Annotated[str, StringConstraints(max_length=1000)] | None = None
    """Our message id, for what is ours."""
    status: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,39}$")]
    completed_at: Instant | None = None

    @property
    def message_id(self) -> UUID | None:
        """The message that it is about; None for a reference that is none of ours."""
        try:
            return UUID(self.reference or "")
        except ValueError:
            return None


class RecordDelivery(Command):
    """What a channel did with one attempt to send a message; given by the courier, never by HTTP."""

    message_id: UUID
    attempt: Annotated[int, Field(ge=1)]
    result: Result
    reason: Code | None = None
    language: Language | None = None
    """Language of the text that was sent."""
    pregnancy_id: UUID | None = None
    """The family that a message to a caregiver is about."""
    honours_key: bool | None = None
    """Whether what the channel may have can be given to it again, where the channel itself decides it."""
    wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """For `not_begun`: when the courier expects to have a free hand."""


class RecallEnd(Command):
    """What was told of a message before the database was set back; given by the service itself, never by HTTP."""

    message_id: UUID
    pregnancy_id: UUID | None
    """The family that a message to a caregiver is about."""
    told: MessageSent | MessageDelivered | MessageFailed | MessageSuppressed | MessageDoubtful
