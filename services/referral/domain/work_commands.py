"""What people may ask about direct work, and the definitions of interventions and measures that they load."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from attune_contracts.event import Code, Instant, Version
from attune_contracts.referral import Attendance, MeasurePoint, WorkEndReason
from chassis.commands import Command, PersonalText, ShortText

Score = Annotated[int, Field(ge=0, le=1000)]
Sessions = Annotated[int, Field(ge=1, le=100)]
Reference = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}/[1-9][0-9]{0,3}$")]
"""Name and version: `goal_progress/1`."""
Licence = Literal["public_domain", "open", "permission_required", "local"]
SessionSetting = Literal["home", "clinic", "video", "telephone", "other"]
GoalOutcome = Literal["met", "partly_met", "not_met", "dropped"]


class InterventionDefinition(Command):
    """One version of something that direct work can be made of."""

    name: ShortText
    owner: ShortText
    points: Annotated[int, Field(ge=1, le=100)]
    """What a case weighs while it is worked with in this way."""
    planned_sessions: Sessions
    """How many sessions are usual; a plan may say otherwise."""
    review_after_missed: Annotated[int, Field(ge=1, le=20)]
    """So many sessions missed in a row call for a look at the plan."""
    measures: Annotated[list[Reference], Field(max_length=20)]
    """Measures that belong to it, each at start, middle and end."""


class LoadIntervention(Command):
    """Make a version of an intervention available."""

    intervention: Code
    intervention_version: Version
    definition: InterventionDefinition


class MeasureItem(Command):
    """One question and the range of its answer."""

    item: Code
    text: ShortText | None = None
    """Only where the licence lets it be passed on is it ever shown to anybody again."""
    lowest: Score
    highest: Score


class MeasureDefinition(Command):
    """One version of a measure. Without items only a total, taken on the owner's own form, is recorded."""

    name: ShortText
    owner: ShortText
    licence: Licence
    about: Literal["caregiver", "child", "dyad", "family"]
    higher_is: Literal["better", "worse"]
    lowest: Score
    highest: Score
    """Range of the total."""
    items: Annotated[list[MeasureItem], Field(max_length=100)]


class LoadMeasure(Command):
    """Make a version of a measure available."""

    measure: Code
    measure_version: Version
    definition: MeasureDefinition


class PlanDirectWork(Command):
    """The family and its practitioner have agreed on what to do together."""

    consultation_id: UUID
    intervention: Code
    intervention_version: Version = 1
    family_agrees: bool
    """Direct work needs the family's own agreement, whatever was said to the consultation."""
    planned_sessions: Sessions | None = None
    """Null: as many as are usual."""
    goals: Annotated[list[PersonalText], Field(min_length=1, max_length=10)]
    """In the family's words. Never leave the referral service."""
    plan: PersonalText | None = None


class RecordSession(Command):
    """What became of one planned session."""

    consultation_id: UUID
    attendance: Attendance
    session_at: Instant
    setting: SessionSetting
    note: PersonalText | None = None
    """Never leaves the referral service."""


class RecordMeasure(Command):
    """A measure was taken: its answers where it has items, else its total."""

    consultation_id: UUID
    measure: Code
    measure_version: Version
    point: MeasurePoint
    measured_at: Instant
    answers: Annotated[dict[Code, Score], Field(default_factory=dict, max_length=100)]
    total: Score | None = None


class EndDirectWork(Command):
    """The direct work ends; the case stays with its practitioner, with the weight of before, until it is closed."""

    consultation_id: UUID
    team_id: UUID
    """The pool of the case, as its consultation shows it."""
    reason: WorkEndReason
    goals: Annotated[list[GoalOutcome], Field(max_length=10)]
    """What became of each goal, in the order of the plan; may be empty where nobody could say."""
    onward_plan: PersonalText | None = None
    """Who goes on with the family, and how. Required where the family steps down. Never leaves the referral service."""
