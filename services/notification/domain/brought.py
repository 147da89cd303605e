"""A message that brings the booklet has left, or has arrived: then the family has it."""

from __future__ import annotations

from typing import get_args

from attune_contracts.event import Event
from attune_contracts.notification import BookletGiven, Channel, GivenHow
from chassis.decision import NOTHING, Cause, Decision
from chassis.value import replace
from services.notification.domain.family import Family, timed
from services.notification.domain.message import Message

FALL_BACK = "en"
"""The language of a message where nobody says in which it was written."""
_HOW: dict[Channel, GivenHow] = {"email": "email", "file": "email", "text": "text", "letter": "post"}


def brought(message: Message, family: Family | None, cause: Cause, language: str | None = None) -> Decision:
    """A message has left, or is known to have arrived: if it is the booklet, the family has it."""
    if message.kind != "booklet" or message.channel is None:
        return NOTHING
    if family is None or family.booklet not in ("due", "missed"):
        return NOTHING
    how, in_language = _HOW[message.channel], language or FALL_BACK
    given, events = now_given(
        replace(family, given_at=cause.at, given_by=None, given_how=how, given_language=in_language)
    )
    return Decision(rows=(given,), events=events)


def now_given(family: Family) -> tuple[Family, tuple[Event, ...]]:
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
