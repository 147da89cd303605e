"""The booklet for every expectant or new parent: due, given by somebody or sent, missed; it stops on loss."""

from __future__ import annotations

from uuid import UUID

from attune_contracts.notification import BookletMissed
from attune_contracts.screening import ChildMoved
from chassis.decision import NOTHING, Cause, Decision, Due, Following, Reply, derived_id
from chassis.value import replace
from services.notification.domain.brought import now_given
from services.notification.domain.caregiver import message_to
from services.notification.domain.commands import GiveBooklet, SendBooklet
from services.notification.domain.family import BookletState, Family, Waiting, timed
from services.notification.domain.family import moved as family_moved
from services.notification.domain.losses import stopped
from services.notification.domain.message import Message
from services.notification.domain.refusals import BookletStopped, GivenInTheFuture, NoCaregiverKnown, UnknownFamily


class BookletNow(Reply):
    """Where the booklet of a family stands."""

    pregnancy_id: UUID
    booklet: BookletState
    messages: list[UUID]
    """The messages by which it is on its way."""


def give(at: Waiting, command: GiveBooklet, cause: Cause) -> Decision[BookletNow]:
    """Somebody gave it; the first time counts, and what was to bring it stays here."""
    family = _here(at.family)
    if command.given_at > cause.at:
        raise GivenInTheFuture
    if family.booklet == "given":
        return Decision(reply=_reply(family))
    given, events = now_given(
        replace(
            family,
            given_at=command.given_at,
            given_by=command.given_by,
            given_how=command.how,
            given_language=command.language,
        )
    )
    stays = stopped(_bringing(at), "already_given", cause, given)
    return Decision(rows=(given, *stays.rows), events=(*events, *stays.events), reply=_reply(given))


def send(at: Waiting, _command: SendBooklet, cause: Cause) -> Decision[BookletNow]:
    """It goes to each caregiver, as far as each one's policy allows it when it leaves; not while it is on its way."""
    family = _here(at.family)
    if family.booklet == "given":
        return Decision(reply=_reply(family))
    if on_its_way := _bringing(at):
        return Decision(reply=_reply(family, [message.message_id for message in on_its_way]))
    if not family.caregivers:
        raise NoCaregiverKnown
    sent, messages = _sent(family, cause)
    reply = _reply(sent, [message.message_id for message in messages])
    return Decision(rows=(sent, *messages), reply=reply)


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


def moved(at: Waiting, event: ChildMoved, cause: Cause) -> Decision:
    """Another team looks after the family. When nobody here does any more, what was to bring the booklet stays here."""
    after = family_moved(at.family, event, cause)
    now = next((row for row in after.rows if isinstance(row, Family)), at.family)
    bringing = _bringing(at)
    if now is None or not now.is_away or not bringing:
        return after
    stays = stopped(bringing, "moved_away", cause, now)
    return replace(after, rows=(replace(now, booklet_sent_at=None), *stays.rows), events=stays.events)


def _bringing(at: Waiting) -> list[Message]:
    return [message for message in at.messages if message.kind == "booklet"]


def _here(family: Family | None) -> Family:
    if family is None or not family.children:
        raise UnknownFamily
    if family.booklet == "stopped":
        raise BookletStopped
    return family


def _sent(family: Family, cause: Cause) -> tuple[Family, tuple[Message, ...]]:
    messages = tuple(message_to("booklet", recipient_id, family, cause) for recipient_id in family.caregivers)
    return timed(replace(family, booklet_sent_at=cause.at)), messages


def _reply(family: Family, messages: list[UUID] | None = None) -> BookletNow:
    return {"pregnancy_id": family.pregnancy_id, "booklet": family.booklet, "messages": messages or []}
