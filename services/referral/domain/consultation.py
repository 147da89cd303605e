"""A consultation as it is requested; once accepted, it is a case that is assigned or waits, never neither."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from attune_contracts.referral import (
    Consent,
    ConsultationKind,
    ConsultationRequested,
    EndReason,
    HandOverReason,
    Preference,
    Priority,
)
from attune_contracts.screening import ScreeningCompleted
from chassis.decision import NOTHING, Cause, Decision, Reply, derived_id
from chassis.value import value
from services.referral.domain.children import Child
from services.referral.domain.commands import RequestConsultation
from services.referral.domain.course_refusals import ChildIsGone
from services.referral.domain.policy import STANDARD
from services.referral.domain.refusals import (
    CallerNotIdentified,
    CaseConsultationNeedsChild,
    ConsentStateMissing,
    ConsentWasRefused,
    ConsentWithoutChild,
    ConsultationIdTaken,
    ConsultationNotOpen,
    UnknownConsultation,
    check_reason,
)
from services.referral.domain.rules import DEFAULT, Rules

Status = Literal["requested", "accepted", "declined", "closed", "withdrawn"]
"""`requested` waits for a person's triage; `accepted` is a case, assigned or waiting; the others have ended."""
OPEN: frozenset[Status] = frozenset({"requested", "accepted"})


class Standing(Reply):
    """Where a consultation stands."""

    consultation_id: UUID
    status: Status
    acknowledged_at: datetime | None


POINTS = STANDARD.points
"""What each kind of work weighs, unless the policy of its team says otherwise when the pool first looks at it."""
TRIAGE_RULE_VERSION = 1
"""Of the rule that accepts at once what the pathway asks for, and what no person is to triage."""

BAND: dict[Priority, int] = {"urgent": 0, "routine": 1}
PRIORITY: tuple[Priority, Priority] = ("urgent", "routine")


@value(frozen=True, slots=True)
class Terms:
    """What the pool has to mind about a case, where there is anything."""

    prefers: UUID | None = None
    """Who knows the family from before."""
    refused_by: tuple[UUID, ...] = ()
    """Whose offer was declined or lapsed: they do not get it again unless named."""
    leaves: HandOverReason | None = None
    """The pool is to take the case from its practitioner, for this reason."""
    points_wanted: int | None = None
    """The case is to weigh this with its practitioner, as soon as there are the points: direct work."""
    without_owner_since: datetime | None = None
    """Its practitioner gave it back or lost it then, and nobody has had it since."""


@value(frozen=True, slots=True)
class Consultation:
    """A request and its case. While accepted, exactly one of `assigned_to` and `waiting_since` is set."""

    consultation_id: UUID
    child_id: UUID | None
    family_id: UUID | None
    screening_id: UUID | None
    team_id: UUID
    kind: ConsultationKind
    band: int
    """Priority band: 0 urgent, 1 routine."""
    points: int
    language: str
    requested_by: UUID
    requested_at: datetime
    consent: Consent | None
    consent_reason: str | None
    question: str | None
    status: Status
    unsettled: bool
    """The pool has yet to take notice: of a new place on the list, or of an end, which may give points back."""
    correlation_id: UUID
    """The first cause of the chain that this request belongs to; what the pool tells later continues it."""
    waiting_since: datetime | None = None
    assigned_to: UUID | None = None
    """Who has the case; after its end, who had it last."""
    assigned_at: datetime | None = None
    because: Preference | None = None
    candidates: int | None = None
    rule: str | None = None
    """Name and version of the rule that chose the practitioner; null where a person chose."""
    not_to: UUID | None = None
    """Who gave the case back by hand and does not get it again unless named."""
    acknowledged_by: UUID | None = None
    acknowledged_at: datetime | None = None
    end_reason: EndReason | None = None
    ended_by: UUID | None = None
    """Null where a rule ended it and nobody did."""
    ended_at: datetime | None = None
    place: datetime | None = None
    """Where it stands among those who want points of the pool, waiting for an owner or for direct work to begin."""
    accept_by: datetime | None = None
    """The case is only offered: until then its practitioner may decline it, after that it goes to the next."""
    terms: Terms | None = None

    @property
    def priority(self) -> Priority:
        return PRIORITY[self.band]

    @property
    def rank(self) -> tuple[datetime, int]:
        """Place in the waiting list: smaller is sooner. The same order as in `store.py`."""
        assert self.place is not None  # noqa: S101
        return self.place, self.consultation_id.int

    @property
    def barred(self) -> tuple[UUID, ...]:
        """Who does not get it unless named."""
        refused = self.terms.refused_by if self.terms is not None else ()
        return refused if self.not_to is None else (*refused, self.not_to)


class UnknownFollows(Exception):
    """The pathway says something must follow that this version does not know, and the outcome does not tell either."""


@value(frozen=True, slots=True)
class RequestAtHand:
    """What `request` looks at: the consultation of that id, and an earlier one about the same child with its family."""

    existing: Consultation | None
    earlier: tuple[Consultation, ...]
    child: Child | None = None
    rules: Rules | None = None


def concern_id(screening_id: UUID) -> UUID:
    """The id of the one consultation that a screening can lead to."""
    return derived_id(screening_id, "consultation")


def consider_screening(existing: Consultation | None, event: ScreeningCompleted, cause: Cause) -> Decision:
    """A result that calls for the specialists becomes a consultation that asks for a place, once per screening."""
    if existing is not None:
        return NOTHING
    priority = _priority_after(event)
    if priority is None:
        return NOTHING
    return _accepted(
        Consultation(
            consultation_id=concern_id(event.screening_id),
            child_id=event.child_id,
            family_id=event.pregnancy_id,
            screening_id=event.screening_id,
            team_id=event.team_id,
            kind="case_consultation",
            band=BAND[priority],
            points=POINTS["case_consultation"],
            language=event.language,
            requested_by=event.administered_by,
            requested_at=cause.at,
            consent=None,
            consent_reason=None,
            question=None,
            status="accepted",
            unsettled=True,
            waiting_since=cause.at,
            place=STANDARD.place(priority, cause.at),
            correlation_id=cause.correlation_id,
        )
    )


def _priority_after(event: ScreeningCompleted) -> Priority | None:
    """What must follow. An unknown word is read by the outcome: a concern is never dropped, a riddle is parked."""
    follows: str = event.follows
    if follows == "consultation_routine":
        return "routine"
    if follows == "consultation_urgent":
        return "urgent"
    if follows in ("nothing", "follow_up"):
        return None
    if event.outcome == "urgent_concern":
        return "urgent"
    if event.outcome == "concern":
        return "routine"
    raise UnknownFollows(follows)


def request(at_hand: RequestAtHand, command: RequestConsultation, cause: Cause) -> Decision[Standing]:
    """A professional asks for a consultation, identified with the state of consent, or anonymous."""
    _check_consent(command)
    asked_by = staff(cause)
    if at_hand.existing is not None:
        return _repeated(at_hand.existing, command, asked_by)
    family = command.family_id or next((c.family_id for c in at_hand.earlier), None)
    known_to = command.known_to or next((c.assigned_to for c in at_hand.earlier), None)
    if at_hand.child is not None and at_hand.child.gone is not None:
        raise ChildIsGone
    by_person = command.kind in (at_hand.rules or DEFAULT).triaged_by_person
    return _accepted(
        Consultation(
            consultation_id=command.consultation_id or cause.derive("consultation"),
            child_id=command.child_id,
            family_id=family if command.child_id else None,
            screening_id=None,
            team_id=command.team_id,
            kind=command.kind,
            band=BAND[command.priority],
            points=POINTS[command.kind],
            language=command.language,
            requested_by=asked_by,
            requested_at=cause.at,
            consent=command.consent,
            consent_reason=command.consent_reason,
            question=command.question,
            status="requested" if by_person else "accepted",
            unsettled=not by_person,
            waiting_since=None if by_person else cause.at,
            place=None if by_person else STANDARD.place(command.priority, cause.at),
            correlation_id=cause.correlation_id,
            terms=Terms(prefers=known_to) if known_to is not None else None,
        )
    )


def _check_consent(command: RequestConsultation) -> None:
    if command.child_id is None:
        if command.kind == "case_consultation":
            raise CaseConsultationNeedsChild
        if command.consent is not None:
            raise ConsentWithoutChild
        return
    if command.consent is None:
        raise ConsentStateMissing
    if command.consent == "refused":
        raise ConsentWasRefused
    check_reason(command.consent, command.consent_reason, field="consent_reason")


def _repeated(existing: Consultation, command: RequestConsultation, asked_by: UUID) -> Decision[Standing]:
    same = (existing.requested_by, existing.team_id, existing.kind, existing.child_id)
    if existing.screening_id is not None or same != (asked_by, command.team_id, command.kind, command.child_id):
        raise ConsultationIdTaken
    return Decision(reply=standing(existing))


def _accepted(case: Consultation) -> Decision[Standing]:
    """A case at once; or a request that waits for a person, of which the pool is not told yet."""
    accepted = case.status == "accepted"
    event = ConsultationRequested(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        screening_id=case.screening_id,
        team_id=case.team_id,
        kind=case.kind,
        priority=case.priority,
        requested_by=case.requested_by,
        requested_through="professional" if case.screening_id is None else "screening",
        consent=case.consent,
        requested_at=case.requested_at,
        accepted_by_rule=TRIAGE_RULE_VERSION if accepted else None,
    )
    return Decision(rows=(case,), events=(event,), reply=standing(case), due=(case.team_id,) if accepted else ())


def still_open(case: Consultation | None) -> Consultation:
    if case is None:
        raise UnknownConsultation
    if case.status not in OPEN:
        raise ConsultationNotOpen
    return case


def standing(case: Consultation) -> Standing:
    return {"consultation_id": case.consultation_id, "status": case.status, "acknowledged_at": case.acknowledged_at}


def staff(cause: Cause) -> UUID:
    """Who asked, by staff id. Raises CallerNotIdentified for a token that names somebody else."""
    try:
        return UUID(cause.by)
    except ValueError:
        raise CallerNotIdentified from None
