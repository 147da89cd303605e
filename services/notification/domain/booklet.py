"""The booklet for every expectant or new parent: due, given by somebody or sent, missed; it stops on loss."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

from attune_contracts.event import Event
from attune_contracts.notification import BookletGiven, BookletMissed, Channel, GivenHow
from chassis.decision import NOTHING, Cause, Decision, Due, Following, Reply, derived_id
from chassis.value import replace
from services.notification.domain.caregiver import message_to
from services.notification.domain.commands import GiveBooklet, SendBooklet
from services.notification.domain.family import BookletState, Family, timed
from services.notification.domain.message import Message
from services.notification.domain.refusals import BookletStopped, GivenInTheFuture, NoCaregiverKnown, UnknownFamily

FALL_BACK = "en"
"""The language of a message where nobody says in which it was written."""
_HOW: dict[Channel, GivenHow] = {"email": "email", "file": "email", "text": "text", "letter": "post"}


class BookletNow(Reply):
    """Where the booklet of a family stands."""

    pregnancy_id: UUID
    booklet: BookletState
    messages: list[UUID]
    """The messages by which it is on its way."""


def give(family: Family | None, command: GiveBooklet, cause: Cause) -> Decision[BookletNow]:
    """Somebody gave it; the first time counts."""
    family = _here(family)
    if command.given_at > cause.at:
        raise GivenInTheFuture
    if family.booklet == "given":
        return Decision(reply=_reply(family))
    given, events = _given(
        replace(
            family,
            given_at=command.given_at,
            given_by=command.given_by,
            given_how=command.how,
            given_language=command.language,
        )
    )
    return Decision(rows=(given,), events=events, reply=_reply(given))


def send(family: Family | None, _command: SendBooklet, cause: Cause) -> Decision[BookletNow]:
    """It goes to each caregiver, as far as each one's policy allows it when it leaves."""
    family = _here(family)
    if family.booklet == "given":
        return Decision(reply=_reply(family))
    if not family.caregivers:
        raise NoCaregiverKnown
    sent, messages = _sent(family, cause)
    reply = _reply(sent, [message.message_id for message in messages])
    return Decision(rows=(sent, *messages), reply=reply)


def brought(message: Message, family: Family | None, cause: Cause, language: str | None = None) -> Decision:
    """A message has left, or is known to have arrived: if it is the booklet, the family has it."""
    if message.kind != "booklet" or message.channel is None:
        return NOTHING
    return sent(family, message.channel, language or FALL_BACK, cause)


def sent(family: Family | None, channel: Channel, language: str, cause: Cause) -> Decision:
    """A message that brings it has left."""
    if family is None or family.booklet not in ("due", "missed"):
        return NOTHING
    given, events = _given(
        replace(family, given_at=cause.at, given_by=None, given_how=_HOW[channel], given_language=language)
    )
    return Decision(rows=(given,), events=events)


def clock(family: Family | None, _due: Due, cause: Cause) -> Decision:
    """Nobody has given it: some days before its time is over it is sent; when it is over, that is told."""
    if family is None or family.next_due_at is None or family.next_due_at > cause.at:
        return NOTHING
    due_by = family.booklet_due_by
    if due_by is None or cause.at < due_by:
        # The same messages whenever this is decided: a clock has no id that outlasts its database.
        of_family = derived_id(family.pregnancy_id, f"booklet {family.next_due_at.isoformat()}")
        sent, messages = _sent(family, replace(cause, id=of_family))
        return Decision(rows=(sent, *messages))
    missed = timed(replace(family, booklet="missed"))
    if family.team_id is None:
        return Decision(rows=(missed,))
    told = (
        BookletMissed(
            child_id=child.child_id,
            pregnancy_id=family.pregnancy_id,
            team_id=family.team_id,
            health_visitor_id=family.health_visitor_id,
            due_by=due_by,
            missed_at=cause.at,
        )
        for child in family.living
    )
    return Decision(rows=(missed,), events=tuple(Following(event, family.correlation_id) for event in told))


def _here(family: Family | None) -> Family:
    if family is None or not family.children:
        raise UnknownFamily
    if family.booklet == "stopped":
        raise BookletStopped
    return family


def _sent(family: Family, cause: Cause) -> tuple[Family, tuple[Message, ...]]:
    messages = tuple(message_to("booklet", recipient_id, family, cause) for recipient_id in family.caregivers)
    return timed(replace(family, booklet_sent_at=cause.at)), messages


def _given(family: Family) -> tuple[Family, tuple[Event, ...]]:
    """The family that has it, and the event for each of its children."""
    given = timed(replace(family, booklet="given"))
    how = next(word for word in get_args(GivenHow) if word == given.given_how)
    events = tuple(
        BookletGiven(
            child_id=child.child_id,
            pregnancy_id=given.pregnancy_id,
            team_id=given.team_id,
            given_by=given.given_by,
            how=how,
            language=given.given_language,
            given_at=given.given_at,
        )
        for child in given.living
        if given.team_id is not None and given.given_at is not None and given.given_language is not None
    )
    return given, events


def _reply(family: Family, messages: list[UUID] | None = None) -> BookletNow:
    return {"pregnancy_id": family.pregnancy_id, "booklet": family.booklet, "messages": messages or []}
