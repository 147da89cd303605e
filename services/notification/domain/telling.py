"""Who is told about what: each event becomes the messages that people get because of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from attune_contracts.notification import MessageKind, RecipientKind
from attune_contracts.referral import CaseAssigned, CaseHandedOver, WaitingListJoined
from attune_contracts.screening import ScreeningCompleted
from chassis.decision import NOTHING, Cause, Decision
from services.notification.domain.message import GIVE_UP_AFTER, URGENT, Message

Told = tuple[Message, ...]
"""The messages about this consultation or screening that exist already."""

JUMPS_THE_QUEUE = timedelta(hours=1)
"""What is urgent is due before everything else that waits, because the clock takes the longest due first."""


def case_assigned(told: Told, event: CaseAssigned, cause: Cause) -> Decision:
    """The practitioner and whoever asked are told; one message where they are the same person."""
    to_practitioner = _letter("case_assigned_to_you", event.practitioner_id, event, cause)
    if event.requested_by == event.practitioner_id:
        return _tell(told, to_practitioner)
    return _tell(told, to_practitioner, _letter("case_assigned", event.requested_by, event, cause))


def case_waits(told: Told, event: WaitingListJoined, cause: Cause) -> Decision:
    """Whoever asked is told that the case waits."""
    return _tell(told, _letter("case_waiting", event.requested_by, event, cause))


def case_handed_over(told: Told, event: CaseHandedOver, cause: Cause) -> Decision:
    """The new practitioner, if there is one, and whoever asked are told."""
    to_requester = _letter("case_handed_over", event.requested_by, event, cause)
    if event.to_practitioner_id is None:
        return _tell(told, to_requester)
    to_practitioner = _letter("case_assigned_to_you", event.to_practitioner_id, event, cause)
    if event.to_practitioner_id == event.requested_by:
        return _tell(told, to_practitioner)
    return _tell(told, to_practitioner, to_requester)


def screening_completed(told: Told, event: ScreeningCompleted, cause: Cause) -> Decision:
    """The safeguarding lead is told of an urgent concern, the team lead of a screening without a valid certificate."""
    letters = []
    if event.outcome == "urgent_concern":
        letters.append(_to_duty("urgent_concern", "safeguarding_lead", event, cause))
    if event.certificate != "valid":
        letters.append(_to_duty("certificate_lapsed", "team_lead", event, cause))
    return _tell(told, *letters)


def _tell(told: Told, *letters: Message) -> Decision:
    known = {message.message_id for message in told}
    new = tuple(letter for letter in letters if letter.message_id not in known)
    return Decision(rows=new) if new else NOTHING


def _letter(
    kind: MessageKind, recipient_id: UUID, event: CaseAssigned | WaitingListJoined | CaseHandedOver, cause: Cause
) -> Message:
    return Message(
        message_id=cause.derive(f"{kind}:{recipient_id}"),
        kind=kind,
        about_id=event.consultation_id,
        child_id=event.child_id,
        recipient_kind="practitioner",
        recipient_id=recipient_id,
        duty=None,
        team_id=None,
        status="pending",
        recorded_at=cause.at,
        give_up_at=cause.at + GIVE_UP_AFTER,
        next_due_at=cause.at,
    )


def _to_duty(kind: MessageKind, duty: RecipientKind, event: ScreeningCompleted, cause: Cause) -> Message:
    return Message(
        message_id=cause.derive(f"{kind}:{duty}"),
        kind=kind,
        about_id=event.screening_id,
        child_id=event.child_id,
        recipient_kind=duty,
        recipient_id=None,
        duty=duty,
        team_id=event.team_id,
        status="pending",
        recorded_at=cause.at,
        give_up_at=cause.at + GIVE_UP_AFTER,
        next_due_at=cause.at - JUMPS_THE_QUEUE if kind in URGENT else cause.at,
    )
