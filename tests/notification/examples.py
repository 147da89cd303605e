"""Events, messages and policies of the field, each changeable where a test needs it otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from attune_contracts.referral import CaseAssigned, CaseHandedOver, WaitingListJoined
from attune_contracts.screening import ScreeningCompleted
from chassis.decision import Cause, Decision
from services.notification.channels.channel import Letter
from services.notification.domain import delivery
from services.notification.domain.commands import RecordDelivery
from services.notification.domain.delivery import AtResult
from services.notification.domain.message import GIVE_UP_AFTER, Message
from services.notification.domain.policy import FamilyStanding, Recipient, Standing
from tests.support.given import NOON, some_id

CHILD, TEAM, CASE, SCREENING = some_id("child"), some_id("team"), some_id("case"), some_id("screening")
VISITOR, SPECIALIST, OTHER, LEAD = some_id("visitor"), some_id("specialist"), some_id("other"), some_id("lead")
ADMIN = some_id("admin")


def case_assigned(**changes: Any) -> CaseAssigned:
    facts: dict[str, Any] = {
        "consultation_id": CASE,
        "child_id": CHILD,
        "team_id": TEAM,
        "priority": "routine",
        "requested_by": VISITOR,
        "practitioner_id": SPECIALIST,
        "points": 1,
        "candidates": 3,
        "because": "lightest_share",
        "rule": "assignment",
        "rule_version": 1,
        "language": "en",
        "waited_seconds": 0,
        "assigned_at": NOON,
    }
    return CaseAssigned(**facts | changes)


def waiting_list_joined(**changes: Any) -> WaitingListJoined:
    facts: dict[str, Any] = {
        "consultation_id": CASE,
        "child_id": CHILD,
        "team_id": TEAM,
        "priority": "routine",
        "requested_by": VISITOR,
        "points": 1,
        "reason": "no_free_place",
        "joined_at": NOON,
    }
    return WaitingListJoined(**facts | changes)


def case_handed_over(**changes: Any) -> CaseHandedOver:
    facts: dict[str, Any] = {
        "consultation_id": CASE,
        "child_id": CHILD,
        "team_id": TEAM,
        "requested_by": VISITOR,
        "from_practitioner_id": SPECIALIST,
        "to_practitioner_id": OTHER,
        "reason": "practitioner_left",
        "points": 1,
        "handed_over_at": NOON,
    }
    return CaseHandedOver(**facts | changes)


def screening_completed(**changes: Any) -> ScreeningCompleted:
    facts: dict[str, Any] = {
        "screening_id": SCREENING,
        "child_id": CHILD,
        "pregnancy_id": some_id("pregnancy"),
        "team_id": TEAM,
        "outcome": "no_concern",
        "follows": "nothing",
        "instrument": "demo",
        "instrument_version": 1,
        "pathway": "demo",
        "pathway_version": 1,
        "age_days": 45,
        "setting": "home",
        "interpreter": False,
        "language": "en",
        "administered_by": VISITOR,
        "role": "health_visitor",
        "certificate": "valid",
        "overridden": False,
        "screened_at": NOON,
    }
    return ScreeningCompleted(**facts | changes)


def a_message(**changes: Any) -> Message:
    """A message to the specialist, just recorded."""
    message = Message(
        message_id=some_id("message"),
        kind="case_assigned_to_you",
        about_id=CASE,
        child_id=CHILD,
        recipient_kind="practitioner",
        recipient_id=SPECIALIST,
        duty=None,
        team_id=None,
        status="pending",
        correlation_id=some_id("chain"),
        recorded_at=NOON,
        give_up_at=NOON + GIVE_UP_AFTER,
        next_due_at=NOON,
    )
    return replace(message, **changes)


def being_sent(channel: str = "email", *, attempt: int = 1, lease_s: int = 120, **changes: Any) -> Message:
    """The same message, claimed at noon."""
    lease = NOON + timedelta(seconds=lease_s)
    claim: dict[str, Any] = {"status": "sending", "channel": channel, "lease_until": lease, "next_due_at": lease}
    return a_message(attempt=attempt, **claim | changes)


AT_HOME = FamilyStanding(
    is_caregiver=True, ended=None, loss=False, flagged=False, team_id=TEAM, health_visitor_id=VISITOR
)
"""A family of whom this person cares for a child, and in which nothing happened."""


def a_standing(**changes: Any) -> Standing:
    """The specialist may be written to by e-mail."""
    standing = Standing(
        message_id=some_id("message"),
        recipient_id=SPECIALIST,
        kind="practitioner",
        channels=("email",),
        has_address=True,
        do_not_contact=False,
        review_on=None,
        erased=False,
    )
    return replace(standing, **changes)


def a_recipient(**changes: Any) -> Recipient:
    recipient = Recipient(
        recipient_id=SPECIALIST,
        kind="practitioner",
        channels=("email",),
        address="specialist@example.org",
        language="en",
        do_not_contact=False,
        review_on=None,
        set_by=str(ADMIN),
        set_at=NOON,
    )
    return replace(recipient, **changes)


def a_report(result: Any = "accepted", *, attempt: int = 1, **more: Any) -> RecordDelivery:
    return RecordDelivery(message_id=some_id("message"), attempt=attempt, result=result, **more)


def recorded(message: Message | None, report: RecordDelivery, cause: Cause) -> Decision:
    """What the result of an attempt comes to, for a message that is about no family."""
    return delivery.record(AtResult(message), report, cause)


def a_letter(name: str = "letter", **changes: Any) -> Letter:
    letter = Letter(
        message_id=some_id(name),
        kind="case_assigned",
        recipient_id=SPECIALIST,
        address="specialist@example.org",
        subject="Case 1A2B3C4D has been assigned",
        body="Reference: 1A2B3C4D\nOpen it here: https://console.example.org/cases/1\n",
        language="en",
        attempt=1,
        written_at=NOON,
    )
    return replace(letter, **changes)


def after(**span: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(**span)


def message_id(kind: str, recipient: UUID | str, cause: str = "cause") -> UUID:
    """The id that a message gets from the event that caused it."""
    from chassis.decision import derived_id

    return derived_id(some_id(cause), f"{kind}:{recipient}")
