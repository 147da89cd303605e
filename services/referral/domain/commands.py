"""What people may ask of the referral service."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from attune_contracts.event import Language
from attune_contracts.referral import (
    ClockName,
    Consent,
    ConsultationKind,
    EndReason,
    HeldOutcome,
    PauseReason,
    Priority,
    TriageDecision,
    TriageReason,
)
from chassis.commands import Command, Instant, PersonalText, breaks

DeclineReason = Literal["no_time", "conflict_of_interest", "not_my_field", "too_far", "other"]
HeadStartDays = Annotated[int, Field(ge=0, le=36_500)]
WorkPoints = Annotated[int, Field(ge=1, le=100)]


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
    known_to: UUID | None = None
    """A practitioner whom the family knows, and who is asked first; else whoever had an earlier case of the child."""
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


class AcceptCase(Command):
    """Whoever was offered the case takes it."""

    consultation_id: UUID


class DeclineCase(Command):
    """Whoever was offered the case does not take it: it goes to the next."""

    consultation_id: UUID
    reason: DeclineReason


class SetPolicy(Command):
    """The next version of what orders a team's list, what work weighs and whether cases are offered first."""

    team_id: UUID
    version: Annotated[int, Field(ge=1, le=10_000)]
    """One more than the version in force (0 where none was set), so that two people do not overwrite each other."""
    urgent_head_start_days: HeadStartDays = 36_500
    """An urgent case counts as if it had asked so many days earlier; 36,500: always before every routine one."""
    case_consultation_points: WorkPoints = 2
    reflective_discussion_points: WorkPoints = 1
    offer_working_days: Annotated[int, Field(ge=1, le=20)] | None = None
    """A practitioner accepts or declines a case within so many working days; null: it is theirs at once."""


WhereNoPlace = Literal["stays", "waits"]


class HandOverCaseload(Command):
    """All cases of a practitioner go to others of the pool, exactly as the preview has shown."""

    team_id: UUID
    from_practitioner_id: UUID
    no_place: WhereNoPlace = "stays"
    """What becomes of a case for which nobody else has the points: it stays, or waits in the list."""
    preview: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Version of the preview."""


class TriageConsultation(Command):
    """A specialist decides about a request."""

    consultation_id: UUID
    team_id: UUID
    """The team of the consultation, as the consultation shows it."""
    decision: TriageDecision
    reason: TriageReason
    to_team_id: UUID | None = None
    """Required if and only if it is redirected: the team whose pool it goes to."""
    note: PersonalText | None = None
    """Required for every decision but `accepted`: what the requester is to read. Never leaves the referral service."""

    @model_validator(mode="after")
    def _names_a_team_to_redirect_to(self) -> Self:
        if (self.decision == "redirected") != (self.to_team_id is not None):
            raise breaks("to_team_id_if_and_only_if_redirected")
        return self


class HoldConsultation(Command):
    """The consultation took place."""

    consultation_id: UUID
    outcome: HeldOutcome
    held_at: Instant | None = None
    """Left out: now."""


class ReportConsultation(Command):
    """The written plan for whoever asked."""

    consultation_id: UUID
    plan: PersonalText
    """Never leaves the referral service but by an audited read."""


class ReopenConsultation(Command):
    """An ended consultation is to go on."""

    consultation_id: UUID
    reason: PersonalText
    """Never leaves the referral service but by an audited read."""
    consent: Consent | None = None
    """What the family says now. Required where it had refused; `refused` is not taken."""
    consent_reason: PersonalText | None = None
    """Required for `not_sought` and `overridden`."""


class RecordConsent(Command):
    """What the family says to a consultation that names them."""

    consultation_id: UUID
    consent: Consent
    reason: PersonalText | None = None
    """Required for `not_sought` and `overridden`."""


class WriteOnwardPlan(Command):
    """Who goes on with the family when the child is two."""

    consultation_id: UUID
    plan: PersonalText


class PauseClock(Command):
    """A clock is to stand still."""

    consultation_id: UUID
    clock: ClockName
    reason: PauseReason


class ResumeClock(Command):
    """A clock is to run on."""

    consultation_id: UUID
    clock: ClockName


class ClockTerm(BaseModel):
    """How long one clock may run."""

    model_config = Command.model_config

    clock: ClockName
    days: Annotated[int, Field(ge=2, le=1000)]
    """Whole days after the day on which it starts."""
    working: bool
    """Count working days; else all days."""
    soon: Annotated[int, Field(ge=1, le=999)]
    """Days of the same kind before its end from which on it is due soon."""
    may_pause: bool
    raises_task: bool
    """A breach becomes a task for whoever has the case, or for the leads while it waits."""


class SetConsultationRules(Command):
    """What a person triages, and how long each clock may run; a clock that is left out is not kept."""

    terms: Annotated[tuple[ClockTerm, ...], Field(max_length=20)]
    triaged_by_person: Annotated[tuple[ConsultationKind, ...], Field(max_length=2)] = ()


class RaiseTask(Command):
    """A person gives a task to somebody."""

    team_id: UUID
    owner_id: UUID | None = None
    """Left out: any lead of the team."""
    child_id: UUID | None = None
    about_id: UUID | None = None
    """What it is about: a consultation, a screening, a message."""
    note: PersonalText
    """What is to be done. Never leaves the referral service but by an authorised read."""
    due_at: Instant | None = None
    """Left out: in five working days."""


class FinishTask(Command):
    """The task is done."""

    task_id: UUID


class DelegateTask(Command):
    """Somebody else is to do the task."""

    task_id: UUID
    to_owner_id: UUID | None
    """Null: any lead of the team."""
