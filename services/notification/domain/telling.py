"""Who is told about what: each event becomes the messages that people get because of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from attune_contracts.notification import MessageKind, RecipientKind
from attune_contracts.referral import (
    CaseAssigned,
    CaseHandedOver,
    ConsultationReported,
    ConsultationTriaged,
    SafeguardingRaised,
    TriageDecision,
    WaitingListJoined,
)
from attune_contracts.screening import ScreeningCompleted
from attune_contracts.workforce import RecertificationDue, SupervisionOverdue
from chassis.decision import NOTHING, Cause, Decision
from chassis.value import replace, value
from services.notification.domain.family import SafetyFlag, Waiting
from services.notification.domain.hours import next_of
from services.notification.domain.losses import risk_seen, stopped
from services.notification.domain.message import GIVE_UP_AFTER, HONOURS_KEY, LEASE, URGENT, Message
from services.notification.domain.policy import Allowed, Recipient, Terms, may_send, standing_of

JUMPS_THE_QUEUE = timedelta(hours=1)
"""What is urgent is due before everything else that waits, because the clock takes the longest due first."""


@value(frozen=True, slots=True)
class Addressed:
    """The people whom an event about a case concerns, as far as they are known."""

    practitioner: Recipient | None
    requester: Recipient | None


@value(frozen=True, slots=True)
class AtHandOver:
    """Whom a hand-over concerns, and the letters that still wait to tell somebody that the case is theirs."""

    practitioner: Recipient | None
    requester: Recipient | None
    untold: tuple[Message, ...] = ()


def case_assigned(to: Addressed, event: CaseAssigned, cause: Cause) -> Decision:
    """The practitioner and whoever asked are told; one message where they are the same person."""
    to_practitioner = _letter("case_assigned_to_you", event.practitioner_id, to.practitioner, event, cause)
    if event.requested_by == event.practitioner_id:
        return Decision(rows=(to_practitioner,))
    return Decision(rows=(to_practitioner, _letter("case_assigned", event.requested_by, to.requester, event, cause)))


def case_waits(to: Addressed, event: WaitingListJoined, cause: Cause) -> Decision:
    """Whoever asked is told that the case waits."""
    return Decision(rows=(_letter("case_waiting", event.requested_by, to.requester, event, cause),))


_ANSWERS: dict[TriageDecision, MessageKind] = {
    "declined": "consultation_declined",
    "redirected": "consultation_redirected",
}


def consultation_triaged(to: Addressed, event: ConsultationTriaged, cause: Cause) -> Decision:
    """Whoever asked is told that somebody declined, or that another team is asked now; not whoever decided it."""
    kind = _ANSWERS.get(event.decision)
    if kind is None or event.triaged_by == event.requested_by:
        return NOTHING
    return Decision(rows=(_letter(kind, event.requested_by, to.requester, event, cause),))


def consultation_reported(to: Addressed, event: ConsultationReported, cause: Cause) -> Decision:
    """Whoever asked is told that the written plan is there."""
    if event.reported_by == event.requested_by:
        return NOTHING
    return Decision(rows=(_letter("consultation_reported", event.requested_by, to.requester, event, cause),))


def case_handed_over(to: AtHandOver, event: CaseHandedOver, cause: Cause) -> Decision:
    """The new practitioner, if there is one, and whoever asked are told; nobody any more that it is theirs."""
    letters = []
    if event.to_practitioner_id is not None:
        letters.append(_letter("case_assigned_to_you", event.to_practitioner_id, to.practitioner, event, cause))
    if event.to_practitioner_id != event.requested_by:
        letters.append(_letter("case_handed_over", event.requested_by, to.requester, event, cause))
    of_others = [letter for letter in to.untold if letter.recipient_id != event.to_practitioner_id]
    stay = stopped(of_others, "case_moved_on", cause, None)
    return Decision(rows=(*letters, *stay.rows), events=stay.events)


def screening_completed(_: None, event: ScreeningCompleted, cause: Cause) -> Decision:
    """The safeguarding lead is told of an urgent concern, the team lead of a screening without a valid certificate."""
    letters: list[Message | SafetyFlag] = []
    about = (event.screening_id, event.child_id)
    if event.outcome == "urgent_concern":
        letters.append(SafetyFlag(cause.derive("flag"), event.child_id, cause.at, "urgent_concern"))
        letters.append(_to_duty("urgent_concern", "safeguarding_lead", about, event.team_id, cause))
    if event.certificate != "valid":
        letters.append(_to_duty("certificate_lapsed", "team_lead", about, event.team_id, cause))
    return Decision(rows=tuple(letters)) if letters else NOTHING


def safeguarding_raised(at: Waiting, event: SafeguardingRaised, cause: Cause) -> Decision:
    """The safeguarding lead is told at once; caregivers are not written to until somebody sets their policy anew."""
    about = (event.consultation_id, event.child_id)
    to_lead = _to_duty("safeguarding_raised", "safeguarding_lead", about, event.team_id, cause)
    held_back = risk_seen(at, event, cause)
    return replace(held_back, rows=(to_lead, *held_back.rows))


def recertification_due(recipient: Recipient | None, event: RecertificationDue, cause: Cause) -> Decision:
    """The professional whose certificate runs out soon is told."""
    who = event.practitioner_id
    return Decision(rows=(_to_person("recertification_due", who, recipient, (who, None), cause),))


def supervision_overdue(recipient: Recipient | None, event: SupervisionOverdue, cause: Cause) -> Decision:
    """The professional and the team lead are told."""
    about = (event.practitioner_id, None)
    to_lead = _to_duty("supervision_overdue", "team_lead", about, event.team_id, cause)
    return Decision(rows=(_to_person("supervision_overdue", event.practitioner_id, recipient, about, cause), to_lead))


def _letter(
    kind: MessageKind,
    recipient_id: UUID,
    recipient: Recipient | None,
    event: CaseAssigned | WaitingListJoined | CaseHandedOver | ConsultationTriaged | ConsultationReported,
    cause: Cause,
) -> Message:
    return _to_person(kind, recipient_id, recipient, (event.consultation_id, event.child_id), cause)


def _to_person(
    kind: MessageKind,
    recipient_id: UUID,
    recipient: Recipient | None,
    about: tuple[UUID, UUID | None],
    cause: Cause,
) -> Message:
    """Recorded as pending; for a channel that honours a key as claimed already, since no doubt can arise there."""
    at = due_at = cause.at
    message_id = cause.derive(f"{kind}:{recipient_id}")
    channel = None
    if recipient is not None and recipient.terms is not None and recipient.terms.digest_at:
        due_at = _in_digest(recipient_id, recipient.terms, at)
    elif recipient is not None:
        verdict = may_send(standing_of(recipient, message_id), "practitioner", at)
        if isinstance(verdict, Allowed) and HONOURS_KEY[verdict.channel]:
            channel = verdict.channel
    lease_until = at + LEASE[channel] if channel is not None else None
    return Message(
        message_id=message_id,
        kind=kind,
        about_id=about[0],
        child_id=about[1],
        recipient_kind="practitioner",
        recipient_id=recipient_id,
        duty=None,
        team_id=None,
        status="pending" if channel is None else "sending",
        correlation_id=cause.correlation_id,
        recorded_at=at,
        give_up_at=due_at + GIVE_UP_AFTER,
        next_due_at=lease_until or due_at,
        attempt=0 if channel is None else 1,
        channel=channel,
        lease_until=lease_until,
    )


def _in_digest(recipient_id: UUID, terms: Terms, at: datetime) -> datetime:
    """When the next digest of this person is made: side by side with what else is due for them then."""
    return next_of(at, terms.zone, terms.digest_at) + timedelta(microseconds=recipient_id.int % 1_000_000)


def _to_duty(
    kind: MessageKind, duty: RecipientKind, about: tuple[UUID, UUID | None], team_id: UUID, cause: Cause
) -> Message:
    return Message(
        message_id=cause.derive(f"{kind}:{duty}"),
        kind=kind,
        about_id=about[0],
        child_id=about[1],
        recipient_kind=duty,
        recipient_id=None,
        duty=duty,
        team_id=team_id,
        status="pending",
        correlation_id=cause.correlation_id,
        recorded_at=cause.at,
        give_up_at=cause.at + GIVE_UP_AFTER,
        next_due_at=cause.at - JUMPS_THE_QUEUE if kind in URGENT else cause.at,
    )
