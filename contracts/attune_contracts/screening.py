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


class PregnancyRegistered(Event):
    """A pregnancy is known to the service; one event for each expected child."""

    child_id: UUID
    pregnancy_id: UUID
    """Shared by twins; links siblings of one birth."""
    team_id: UUID
    """Team that looks after the family, and so the pool that the child's consultations go to."""
    expected_in_days: AgeDays
    """Days from registration to the expected date."""
    registered_at: Instant


class BirthRecorded(Event):
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
