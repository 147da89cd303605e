"""What the referral service tells: consultations, the waiting list and the caseload."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import AgeDays, Code, Count, Event, Instant, Language, Points, Version

ConsultationKind = Literal["case_consultation", "reflective_discussion"]
Priority = Literal["urgent", "routine"]
RequestedThrough = Literal["screening", "professional"]
Consent = Literal["agreed", "refused", "not_sought", "overridden"]
HandOverReason = Literal[
    "practitioner_left", "absence", "competence_lost", "capacity_reduced", "manual", "offer_declined", "offer_lapsed"
]
EndReason = Literal[
    "completed",
    "declined_by_family",
    "moved_away",
    "entered_in_error",
    "other",
    "pregnancy_ended",
    "stillborn",
    "child_died",
    "record_sealed",
    "aged_out",
]
Preference = Literal["same_practitioner_for_sibling", "language", "lightest_share", "continuity"]
TriageDecision = Literal["accepted", "declined", "redirected"]
TriageReason = Literal[
    "within_remit",
    "urgent_need",
    "outside_remit",
    "other_team_closer",
    "other_service_involved",
    "not_enough_information",
    "no_consent",
    "family_moved",
    "other",
]
HeldOutcome = Literal[
    "advice", "health_visitor_plan", "joint_visit", "direct_work", "signposted", "safeguarding", "repeat"
]
"""What the consultation came to."""
ClockName = Literal["acknowledged", "triaged", "held", "reported", "contact", "first_contact", "ceiling"]
PauseReason = Literal[
    "family_unavailable",
    "child_in_hospital",
    "interpreter_unavailable",
    "waiting_for_information",
    "requester_unavailable",
    "safeguarding_enquiry",
    "other",
]
Attendance = Literal[
    "attended",
    "missed",
    "cancelled_by_family",
    "cancelled_by_practitioner",
    "cancelled_by_service",
]
MeasurePoint = Literal["start", "middle", "end"]
WorkEndReason = Literal["goals_met", "goals_partly_met", "ended_by_family", "moved_away", "aged_out", "loss", "other"]
TaskKind = Literal[
    "contact_caregiver",
    "tell_practitioner",
    "doubtful_message",
    "missed_screening",
    "missed_booklet",
    "concern_without_consultation",
    "lapsed_certificate",
    "overdue_clock",
    "age_limit",
    "missed_sessions",
    "nobody_takes_case",
    "loss",
    "moved_family",
    "merged_records",
    "safeguarding",
    "other",
]
TaskOutcome = Literal["done", "no_longer_needed"]


class ConsultationRequested(
    Event, subject=("child_id", "consultation_id"), readers=("screening",), sensitivity="clinical"
):
    """The specialists were asked to consult, by a concerning screening or by a professional."""

    consultation_id: UUID
    child_id: UUID | None
    """Null for a reflective discussion in which the family stays anonymous."""
    screening_id: UUID | None
    """The concerning screening that asked; null for a request by a professional."""
    team_id: UUID
    """Team whose specialists are asked."""
    kind: ConsultationKind
    priority: Priority
    requested_by: UUID
    requested_through: RequestedThrough
    consent: Consent | None
    """Of the family to a consultation that names them; null where it is not known or nobody is named."""
    requested_at: Instant
    accepted_by_rule: Version | None = None
    """Version of the triage rule that accepted the request at once; null where a person has to triage it."""


class ConsultationAcknowledged(Event, subject=("child_id", "consultation_id")):
    """A specialist confirmed to have seen the request."""

    consultation_id: UUID
    child_id: UUID | None
    acknowledged_by: UUID
    acknowledged_at: Instant


class ConsultationTriaged(
    Event, subject=("child_id", "consultation_id"), readers=("notification",), sensitivity="clinical"
):
    """A person accepted the request, declined it with a written reason, or sent it on to another team's pool."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    """Team that decided."""
    requested_by: UUID
    decision: TriageDecision
    reason: TriageReason
    to_team_id: UUID | None
    """The team that the request was redirected to; null for every other decision."""
    triaged_by: UUID
    triaged_at: Instant


class WaitingListJoined(Event, subject=("child_id", "consultation_id"), readers=("notification",)):
    """No practitioner of the pool has a free place: the case waits."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    priority: Priority
    requested_by: UUID
    points: Points
    reason: Literal["no_free_place", "no_practitioner"]
    joined_at: Instant


class CaseAssigned(Event, subject=("child_id", "consultation_id"), readers=("notification",), sensitivity="clinical"):
    """A practitioner has the case; says why this one."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    priority: Priority
    requested_by: UUID
    practitioner_id: UUID
    points: Points
    candidates: Count
    """Practitioners who could have taken the case."""
    because: Preference
    """What decided among the candidates."""
    rule: Code
    rule_version: Version
    """Version of the allocation rule, enough to recompute the choice."""
    language: Language
    """Language of the caregiver that was asked for."""
    waited_seconds: Annotated[int, Field(ge=0, le=1_000_000_000)]
    """From the request to the assignment."""
    assigned_at: Instant
    accept_by: Instant | None = None
    """The case is only offered: until then the practitioner accepts or declines it, else it goes to the next."""


class CaseAccepted(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """The practitioner to whom the case was offered took it."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    practitioner_id: UUID
    accepted_at: Instant


class CaseHandedOver(Event, subject=("child_id", "consultation_id"), readers=("notification",), sensitivity="clinical"):
    """The case left its practitioner: to another one, or back to the waiting list when `to_practitioner_id` is null."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    requested_by: UUID
    from_practitioner_id: UUID
    to_practitioner_id: UUID | None
    reason: HandOverReason
    points: Points
    handed_over_at: Instant
    accept_by: Instant | None = None
    """As in `CaseAssigned`, for the practitioner who has it now."""


class CaseClosed(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """The work on the case ended and its place is free."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    practitioner_id: UUID | None
    reason: EndReason
    closed_at: Instant


class ConsultationWithdrawn(Event, subject=("child_id", "consultation_id")):
    """Whoever asked took the request back; the case, if somebody had it, ends with it."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    withdrawn_by: UUID
    withdrawn_at: Instant


class ConsentRecorded(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """What the family says to a consultation that names them became known, or was overridden with a reason."""

    consultation_id: UUID
    child_id: UUID
    team_id: UUID
    consent: Consent
    recorded_by: UUID
    recorded_at: Instant


class ConsultationReopened(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """An ended consultation goes on, with its history, and asks the pool for a place again."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    requested_by: UUID
    reopened_by: UUID
    times: Count
    """How often it has been reopened, this time included."""
    reopened_at: Instant


class ConsultationHeld(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """The specialists and the professional who asked have talked; says what it came to."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    requested_by: UUID
    practitioner_id: UUID | None
    kind: ConsultationKind
    number: Count
    """1 for the first time that this consultation was held, more where it was to be repeated."""
    outcome: HeldOutcome
    held_at: Instant


class ConsultationReported(
    Event, subject=("child_id", "consultation_id"), readers=("notification",), sensitivity="clinical"
):
    """The written plan is there for whoever asked: the loop is closed."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    requested_by: UUID
    reported_by: UUID
    number: Count
    """Which holding of the consultation the report is about."""
    reported_at: Instant


class CaseOpened(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """A held consultation leads to work with the family: the service stays involved until the case is closed."""

    consultation_id: UUID
    child_id: UUID
    team_id: UUID
    practitioner_id: UUID | None
    outcome: HeldOutcome
    opened_at: Instant


class DirectWorkStarted(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """Child and caregiver are worked with together, by a plan with an intervention from the catalogue."""

    consultation_id: UUID
    child_id: UUID
    team_id: UUID
    practitioner_id: UUID
    intervention: Code
    intervention_version: Version
    """Version of the catalogue's entry."""
    planned_sessions: Count
    points: Points
    started_at: Instant


class SessionRecorded(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """What became of one planned session of direct work."""

    consultation_id: UUID
    child_id: UUID
    team_id: UUID
    practitioner_id: UUID
    number: Count
    attendance: Attendance
    first_contact: bool
    """The family was met in direct work for the first time; the clock of that name has met its target."""
    session_at: Instant
    """When it took place or was to take place."""
    recorded_at: Instant


class MeasureRecorded(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """A measure was taken; its answers and result stay in the referral service."""

    consultation_id: UUID
    child_id: UUID
    team_id: UUID
    recorded_by: UUID
    instrument: Code
    instrument_version: Version
    point: MeasurePoint
    measured_at: Instant


class DirectWorkEnded(Event, subject=("child_id", "consultation_id"), sensitivity="clinical"):
    """The direct work ended; the case stays open until it is closed."""

    consultation_id: UUID
    child_id: UUID
    team_id: UUID
    practitioner_id: UUID
    reason: WorkEndReason
    onward_plan: bool
    """The family steps down with a plan for who goes on with them."""
    sessions_attended: Annotated[int, Field(ge=0, le=1000)]
    ended_at: Instant


class _OfClock(Event, subject=("child_id", "consultation_id")):
    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    practitioner_id: UUID | None
    """Who has the case; null while it waits."""
    clock: ClockName
    clocks_version: Version
    """Version of the definition that says how long each clock may run."""


class ClockDueSoon(_OfClock):
    """A target time comes near, and what it is for has not happened."""

    due_at: Instant
    noticed_at: Instant


class ClockBreached(_OfClock):
    """A target time has passed, and what it is for has not happened."""

    due_at: Instant
    noticed_at: Instant


class ClockPaused(_OfClock):
    """A clock stands still, for a reason."""

    reason: PauseReason
    due_at: Instant
    """When it would have been due."""
    paused_at: Instant


class ClockResumed(_OfClock):
    """A clock runs on; what was left of it when it was paused is left of it now."""

    due_at: Instant
    resumed_at: Instant


class AgeLimitNear(Event):
    """A child with an open case comes near the second birthday, or has passed it."""

    consultation_id: UUID
    child_id: UUID
    team_id: UUID
    practitioner_id: UUID | None
    reason: Literal["21_months", "30_days", "second_birthday"]
    onward_plan: bool
    """It is written down who goes on with the family."""
    age_days: AgeDays
    noticed_at: Instant


class SafeguardingRaised(
    Event, subject=("child_id", "consultation_id"), readers=("notification",), sensitivity="clinical"
):
    """In the work with a case somebody saw a risk that the safeguarding lead has to know of at once."""

    consultation_id: UUID
    child_id: UUID | None
    team_id: UUID
    raised_by: UUID
    during: Literal["triage", "consultation", "direct_work"]
    raised_at: Instant


class _OfTask(Event, subject=("child_id", "task_id")):
    task_id: UUID
    child_id: UUID | None
    """Null where the task is about no child."""
    team_id: UUID | None
    """Null where nobody knows which team should do it: the operators' list."""
    kind: TaskKind
    about_id: UUID
    """What the task is about: a consultation, a screening, a message, a practitioner."""


class TaskRaised(_OfTask):
    """A person has to do something that no machine can."""

    owner_id: UUID | None
    """Null where any team lead of the team has to take it up."""
    due_at: Instant
    raised_at: Instant


class TaskHandedOver(_OfTask):
    """A task has another owner: somebody delegated it, or it was not done in time."""

    from_owner_id: UUID | None
    to_owner_id: UUID | None
    """Null: the leads of the team."""
    reason: Literal["delegated", "escalated", "practitioner_left"]
    due_at: Instant
    handed_over_at: Instant


class TaskDone(_OfTask):
    """A task is off the list."""

    outcome: TaskOutcome
    done_by: UUID | None
    """Null where what the task was about settled itself."""
    done_at: Instant
