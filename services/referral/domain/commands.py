"""What people may ask of the referral service."""

from uuid import UUID

from attune_contracts.event import Language
from attune_contracts.referral import Consent, ConsultationKind, EndReason, Priority
from chassis.commands import Command, PersonalText


class RequestConsultation(Command):
    """A professional asks the specialists: about a named family, or about the own work with the family anonymous."""

    team_id: UUID
    """The team whose specialists are asked."""
    kind: ConsultationKind
    priority: Priority = "routine"
    child_id: UUID | None = None
    """Required for a case consultation; left out where the family stays anonymous."""
    family_id: UUID | None = None
    """The pregnancy the child comes from, where known: siblings go to the same practitioner."""
    consent: Consent | None = None
    """Required if and only if `child_id` is given."""
    consent_reason: PersonalText | None = None
    """Required for `not_sought` and `overridden`."""
    language: Language = "en"
    question: PersonalText | None = None
    """What the professional wants to think about. Never leaves the referral service."""
    consultation_id: UUID | None = None
    """An id of the caller's choice (UUIDv7), so that the request can be repeated safely."""


class AcknowledgeConsultation(Command):
    """A specialist has seen the request."""

    consultation_id: UUID


class WithdrawConsultation(Command):
    """Whoever asked takes the request back."""

    consultation_id: UUID


class CloseCase(Command):
    """The work on the case has ended; its points become free."""

    consultation_id: UUID
    reason: EndReason


class HandOverCase(Command):
    """The case goes to another practitioner of the pool, or back to the waiting list."""

    consultation_id: UUID
    team_id: UUID
    """The pool of the case, as its consultation shows it."""
    to_practitioner_id: UUID | None
    """Null: back to the waiting list with its old place, for anybody but the present practitioner."""
