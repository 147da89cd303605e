"""May this person be written to, and how: the contact policy as it stands at one instant. Default: no."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from attune_contracts.notification import Channel, RecipientKind, SuppressedReason
from chassis.value import value


@value(frozen=True, slots=True)
class Recipient:
    """A person who may be written to. The address is personal: it is in this row and in the letter, nowhere else."""

    recipient_id: UUID
    kind: RecipientKind
    channels: tuple[Channel, ...]
    """Allowed ways, the preferred one first."""
    address: str | None
    language: str
    do_not_contact: bool
    review_on: date | None
    """Day on which the policy must have been looked at again; a caregiver's policy counts as unknown from then on."""
    set_by: str
    set_at: datetime
    erased_at: datetime | None = None


@value(frozen=True, slots=True)
class Duty:
    """Who is told when something concerns a team: `team_id` null is the default for teams without an own entry."""

    duty_key: str
    duty: str
    team_id: UUID | None
    recipient_id: UUID
    set_by: str
    set_at: datetime


def duty_key(duty: str, team_id: UUID | None) -> str:
    return f"{duty}:{team_id or 'default'}"


@value(frozen=True, slots=True)
class Standing:
    """The policy of whoever a message goes to, as it stands now; for a duty: of the person who holds it now."""

    message_id: UUID
    recipient_id: UUID
    kind: RecipientKind
    channels: tuple[Channel, ...]
    has_address: bool
    do_not_contact: bool
    review_on: date | None
    erased: bool


def standing_of(recipient: Recipient, message_id: UUID) -> Standing:
    """The policy of a known recipient, for a message to them."""
    return Standing(
        message_id=message_id,
        recipient_id=recipient.recipient_id,
        kind=recipient.kind,
        channels=recipient.channels,
        has_address=recipient.address is not None,
        do_not_contact=recipient.do_not_contact,
        review_on=recipient.review_on,
        erased=recipient.erased_at is not None,
    )


@value(frozen=True, slots=True)
class Allowed:
    channel: Channel


def may_send(standing: Standing | None, to: RecipientKind, at: datetime) -> Allowed | SuppressedReason:
    """Whether a message written for `to` may go to this person at `at`, and by which channel.

    Staff are written to unless something forbids it. A caregiver is written to only when a policy was set that is
    still in force, and never with a text that was written for staff.
    """
    if standing is None:
        return "unknown_recipient"
    if standing.erased:
        return "recipient_left"
    if standing.do_not_contact:
        return "do_not_contact"
    if not _is_known(standing, to, at):
        return "policy_unknown"
    for channel in standing.channels:
        if channel != "email" or standing.has_address:
            return Allowed(channel)
    return "no_channel_allowed"


def _is_known(standing: Standing, to: RecipientKind, at: datetime) -> bool:
    if standing.kind != "caregiver" and to != "caregiver":
        return True
    return standing.kind == to and standing.review_on is not None and standing.review_on > at.date()
