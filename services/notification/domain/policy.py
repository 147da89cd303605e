"""May this person be written to, and how: the contact policy as it stands at one instant. Default: no."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal
from uuid import UUID

from attune_contracts.notification import Channel, RecipientKind, SuppressedReason
from chassis.value import value
from chassis.working_days import local_date
from services.notification.domain.hours import HOME, Hours, opening

AllowedChannel = Literal["email", "text", "letter", "file", "phone"]
"""Ways that a policy may allow. By phone a person speaks, never the service."""

KEEPS_QUIET_HOURS = frozenset({"email", "text"})
NEEDS_NO_HOUR = frozenset({"letter"})
"""To a caregiver everything else keeps the hours, whatever the channel."""


@value(frozen=True, slots=True)
class Terms:
    """The rest of a policy. Most professionals have none: then the quiet hours of England hold, and no digest."""

    zone: str = HOME
    any_hour: bool = False
    """A professional who takes messages whenever they come. Never a caregiver."""
    safe_hours: tuple[Hours, ...] = ()
    """When it is safe to write to a caregiver; none: whenever the quiet hours allow it."""
    voicemail: bool = False
    """Whoever calls may leave a message."""
    digest_at: tuple[time, ...] = ()
    """Times of the day at which a professional gets everything that is not urgent in one mail; none: at once."""


PLAIN = Terms()


@value(frozen=True, slots=True)
class Recipient:
    """A person who may be written to. Addresses are personal: in this row and in the letter, nowhere else."""

    recipient_id: UUID
    kind: RecipientKind
    channels: tuple[AllowedChannel, ...]
    """Allowed ways, the preferred one first."""
    address: str | None
    language: str
    do_not_contact: bool
    review_on: date | None
    """Day on which the policy must have been looked at again; a caregiver's policy counts as unknown from then on."""
    set_by: str
    set_at: datetime
    erased_at: datetime | None = None
    phone: str | None = None
    post: tuple[str, ...] | None = None
    terms: Terms | None = None


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
class FamilyStanding:
    """What stands between a message and a caregiver because of the family, as it is now."""

    is_caregiver: bool
    """This person cares for a child of this family."""
    ended: SuppressedReason | None
    """Why there is nothing more to say about the child that the message is about."""
    loss: bool
    """Another child of the family was lost, and nobody has set the policy anew since."""
    flagged: bool
    """Somebody saw a risk, and nobody has set the policy anew since."""
    team_id: UUID | None
    health_visitor_id: UUID | None
    unread: bool = False
    """Something about a child of this person is parked: it may be a loss or a risk, and nobody has read it yet."""


@value(frozen=True, slots=True)
class Standing:
    """The policy of whoever a message goes to, as it stands now; for a duty: of the person who holds it now."""

    message_id: UUID
    recipient_id: UUID
    kind: RecipientKind
    channels: tuple[AllowedChannel, ...]
    has_address: bool
    do_not_contact: bool
    review_on: date | None
    erased: bool
    has_phone: bool = False
    has_post: bool = False
    terms: Terms | None = None
    family: FamilyStanding | None = None
    """For a message to a caregiver, where the family is known."""


def standing_of(recipient: Recipient, message_id: UUID) -> Standing:
    """The policy of a known professional, for a message to them."""
    return Standing(
        message_id=message_id,
        recipient_id=recipient.recipient_id,
        kind=recipient.kind,
        channels=recipient.channels,
        has_address=recipient.address is not None,
        do_not_contact=recipient.do_not_contact,
        review_on=recipient.review_on,
        erased=recipient.erased_at is not None,
        has_phone=recipient.phone is not None,
        has_post=recipient.post is not None,
        terms=recipient.terms,
    )


@value(frozen=True, slots=True)
class Allowed:
    channel: Channel


@value(frozen=True, slots=True)
class Wait:
    """Not now, but from then on, if nothing changes."""

    until: datetime
    because: str = "outside_hours"


Verdict = Allowed | Wait | SuppressedReason


READ_AGAIN = timedelta(minutes=5)
"""So often a message looks again where something about the family could not be read yet (ours)."""


def may_send(standing: Standing | None, to: RecipientKind, at: datetime, *, urgent: bool = False) -> Verdict:
    """Whether a message written for `to` may go to this person at `at`, and by which channel.

    Staff are written to unless something forbids it, and at once about what is urgent. A caregiver is written to only
    when a policy was set that is still in force, nothing happened in the family since, and never with a text for staff.
    """
    if standing is None:
        return "unknown_recipient"
    to_caregiver = "caregiver" in (standing.kind, to)
    forbidden = (_to_a_caregiver(standing, to, at) if to_caregiver else None) or _of_the_person(standing)
    if forbidden is not None:
        return forbidden
    if to_caregiver and standing.family is not None and standing.family.unread:
        return Wait(at + READ_AGAIN, "something_unread")
    for channel in standing.channels:
        if channel != "phone" and _is_reachable(standing, channel):
            return _at_its_hour(standing, channel, at, to_caregiver=to_caregiver, urgent=urgent)
    return "by_phone_only" if "phone" in standing.channels else "no_channel_allowed"


def _of_the_person(standing: Standing) -> SuppressedReason | None:
    if standing.erased:
        return "recipient_left"
    return "do_not_contact" if standing.do_not_contact else None


def _to_a_caregiver(standing: Standing, to: RecipientKind, at: datetime) -> SuppressedReason | None:
    if standing.kind != to:
        return "policy_unknown"
    forbidden = _of_the_family(standing.family) or _of_the_person(standing)
    if forbidden is not None:
        return forbidden
    return "policy_unknown" if standing.review_on is None or standing.review_on <= local_date(at) else None


def _of_the_family(family: FamilyStanding | None) -> SuppressedReason | None:
    if family is None or not family.is_caregiver:
        return "family_unknown"
    if family.ended is not None:
        return family.ended
    if family.loss:
        return "loss_in_family"
    return "safety_flag" if family.flagged else None


def _is_reachable(standing: Standing, channel: Channel) -> bool:
    match channel:
        case "email":
            return standing.has_address
        case "text":
            return standing.has_phone
        case "letter":
            return standing.has_post
        case _:
            return True


def _at_its_hour(standing: Standing, channel: Channel, at: datetime, *, to_caregiver: bool, urgent: bool) -> Verdict:
    if channel in NEEDS_NO_HOUR or not (to_caregiver or channel in KEEPS_QUIET_HOURS):
        return Allowed(channel)
    terms = standing.terms or PLAIN
    if not to_caregiver and (urgent or terms.any_hour):
        return Allowed(channel)
    opens = opening(at, terms.zone, terms.safe_hours if to_caregiver else ())
    if opens is None:
        return "no_safe_time"
    return Allowed(channel) if opens <= at else Wait(opens)
