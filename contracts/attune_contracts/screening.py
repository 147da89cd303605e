"""What the screening service tells: the birth cohort and the results of its screenings."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import AgeDays, Code, Event, Instant, Language, Version

Outcome = Literal["no_concern", "monitor", "concern", "urgent_concern"]
NotCompletedReason = Literal[
    "declined",
    "unsettled",
    "not_offered",
    "interpreter_unavailable",
    "caregiver_absent",
    "done_elsewhere",
    "inpatient",
    "other",
]
Follows = Literal["nothing", "follow_up", "consultation_routine", "consultation_urgent"]
"""What the pathway definition says must follow from the outcome."""
Setting = Literal["home", "clinic", "video"]
Certificate = Literal["valid", "lapsed", "none"]
"""The administering practitioner's certificate at the moment of the screening."""
Role = Literal["health_visitor", "midwife", "specialist", "team_lead", "other"]
MissedReason = Literal["no_attempt_recorded", "known_too_late", NotCompletedReason]
"""Why the window closed without a result: the reason of the latest attempt, or that there was none."""


class PregnancyRegistered(Event, readers=("notification",)):
    """A pregnancy is known to the service; one event for each expected child."""

    child_id: UUID
    pregnancy_id: UUID
    """Shared by twins; links siblings of one birth."""
    team_id: UUID
    """Team that looks after the family, and so the pool that the child's consultations go to."""
    expected_in_days: AgeDays
    """Days from registration to the expected date."""
    registered_at: Instant


class BirthRecorded(Event, readers=("referral", "notification")):
    """A child was born; linked to its pregnancy where one was registered."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    birth: Literal["live", "still"]
    children_born: Annotated[int, Field(ge=1, le=12)]
    """Children of this birth: 1 single, 2 twins."""
    age_days: AgeDays
    """Age when the birth was recorded."""
    recorded_at: Instant


class BirthCorrected(Event, readers=("referral", "notification")):
    """The date of a birth was recorded wrongly: every age and every clock that rests on it changes."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    age_days: AgeDays
    """Age by the corrected date, when it was corrected."""
    recorded_at: Instant


class PregnancyEnded(Event, readers=("referral", "notification")):
    """The pregnancy ended without a birth, for this child: every clock and every message about it stops at once."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    reason: Literal["loss", "termination"]
    ended_at: Instant


class ChildDied(Event, readers=("referral", "notification")):
    """A child died: every clock and every message about it stops at once."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    age_days: AgeDays
    """Age at death."""
    recorded_at: Instant


class ChildMoved(Event, readers=("referral", "notification")):
    """A child came to another team, into the area or out of it."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID | None
    """Team that looked after the family; null for a child that moved in."""
    to_team_id: UUID | None
    """Team that looks after the family from now on; null for a child that moved out of the area."""
    moved_at: Instant


class RecordsMerged(Event, readers=("referral", "notification")):
    """Two records were of one child: this one ends, and what it held is with the other."""

    child_id: UUID
    """The record that ends."""
    into_child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    merged_at: Instant


class ChildAdopted(Event, readers=("referral", "notification")):
    """A child was adopted: this identity ends and its history is sealed. Nothing here leads to the new identity."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    recorded_at: Instant


class ScreeningDue(Event):
    """A child is to be screened: its window has opened, or an attempt gave no result and it is offered again."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    reason: Literal["first", "offered_again"]
    window_opens_at: Instant
    due_at: Instant
    closes_at: Instant
    pathway: Code
    pathway_version: Version
    """Version of the pathway definition that gave the window."""


class ScreeningCompleted(Event, readers=("referral", "notification"), sensitivity="clinical"):
    """A child was screened and the outcome is known, with what the pathway says must follow."""

    screening_id: UUID
    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    outcome: Outcome
    follows: Follows
    instrument: Code
    instrument_version: Version
    """Version of the instrument's definition that was used."""
    pathway: Code
    pathway_version: Version
    """Version of the pathway definition that said what follows."""
    age_days: AgeDays
    setting: Setting
    interpreter: bool
    """An interpreter was used."""
    language: Language
    """Language of the caregiver who took part."""
    administered_by: UUID
    role: Role
    certificate: Certificate
    overridden: bool
    """A clinician put the outcome above or below what the instrument gave."""
    screened_at: Instant


class ScreeningNotCompleted(Event, sensitivity="clinical"):
    """A screening was due or begun and gave no result, with the reason."""

    screening_id: UUID
    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    reason: NotCompletedReason
    instrument: Code
    instrument_version: Version
    age_days: AgeDays
    administered_by: UUID
    attempted_at: Instant


class FollowUpDue(Event, sensitivity="clinical"):
    """A result asked for another look after some time, and that time has come."""

    screening_id: UUID
    """The screening whose result asked for it."""
    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    due_at: Instant


class ScreeningMissed(Event, readers=("referral",)):
    """The window closed and the child was not screened."""

    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    reason: MissedReason
    age_days: AgeDays
    closed_at: Instant


class ConsultationOverdueForConcern(Event, readers=("referral",), sensitivity="clinical"):
    """A concern was recorded and no consultation was requested in time: somebody has to look at once."""

    screening_id: UUID
    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    outcome: Outcome
    screened_at: Instant
    due_at: Instant
    """Until when a consultation should have been requested."""


class SecondRatingRequested(Event):
    """A screening was chosen to be rated by a second person, who does not see what the first one found."""

    screening_id: UUID
    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    rater_id: UUID | None
    """Who is asked; null: any certified rater of the team but the first."""
    competence: Code
    """What the second rater must be certified for."""
    first_rater_id: UUID
    """Who may not be the second."""
    requested_at: Instant


class SecondRatingRecorded(Event, sensitivity="clinical"):
    """A second person rated the same observation: how far the two agree."""

    screening_id: UUID
    child_id: UUID
    pregnancy_id: UUID
    team_id: UUID
    rater_id: UUID
    agreement: Literal["same_outcome", "different_outcome"]
    first_outcome: Outcome
    second_outcome: Outcome
    items: Annotated[int, Field(ge=0, le=100)]
    """Scales and choices that both rated."""
    items_agreed: Annotated[int, Field(ge=0, le=100)]
    """Those with the same value in both."""
    rated_at: Instant
