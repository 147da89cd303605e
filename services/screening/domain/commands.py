"""What people may ask of the screening service, checked for form; and the form of a loaded definition."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from nhs_number.validate import is_valid
from pydantic import AfterValidator, Field, StringConstraints

from attune_contracts.event import Code, Instant, Language, Version
from attune_contracts.screening import Follows, NotCompletedReason, Outcome, Role, Setting
from chassis.commands import Command, PersonalText, ShortText, breaks

Licence = Literal["public_domain", "open", "permission_required", "local"]
Score = Annotated[int, Field(ge=-1000, le=1000)]
Day = Annotated[int, Field(ge=0, le=1100)]
Children = Annotated[int, Field(ge=1, le=4)]


def _checked(number: str) -> str:
    if not is_valid(number):
        raise breaks("nhs_number_check_digit")
    return number


NhsNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$"), AfterValidator(_checked)]
"""Ten digits without spaces, the last one a modulus-11 check. Personal data."""


class RegisterPregnancy(Command):
    """A pregnancy became known; each expected child gets an id of its own."""

    pregnancy_id: UUID | None = None
    team_id: UUID
    expected_on: date
    expected_children: Children = 1
    child_ids: Annotated[tuple[UUID, ...], Field(max_length=4)] = ()
    """Ids for the children, where the caller makes them: exactly one for each."""
    mother_nhs_number: NhsNumber | None = None


class RecordBirth(Command):
    """A child was born: one command for each child of the birth."""

    child_id: UUID | None = None
    pregnancy_id: UUID | None = None
    team_id: UUID | None = None
    """Needed where no pregnancy was registered, or the child moved out of the area before its birth."""
    born_on: date
    birth: Literal["live", "still"] = "live"
    children_born: Children = 1
    nhs_number: NhsNumber | None = None
    mother_nhs_number: NhsNumber | None = None


class CorrectBirth(Command):
    """The date of a birth was recorded wrongly."""

    child_id: UUID
    born_on: date


class EndPregnancy(Command):
    """A pregnancy ended without a birth, for all its children or for those that are named."""

    pregnancy_id: UUID
    reason: Literal["loss", "termination"]
    ended_at: Instant
    child_ids: Annotated[tuple[UUID, ...], Field(max_length=4)] = ()


class RecordDeath(Command):
    """A child that was born alive has died."""

    child_id: UUID
    died_on: date


class RecordAdoption(Command):
    """A child was adopted: this identity ends. The new one arrives by itself, and nothing links the two."""

    child_id: UUID


class MoveChild(Command):
    """A child is looked after by another team from now on, or by none: it moved out of the area."""

    child_id: UUID
    to_team_id: UUID | None
    moved_at: Instant


class RecordArrival(Command):
    """A child came to live here after its birth, or came back."""

    child_id: UUID | None = None
    pregnancy_id: UUID | None = None
    """The pregnancy that the child shares with siblings of the same birth."""
    team_id: UUID
    born_on: date
    children_born: Children = 1
    nhs_number: NhsNumber | None = None
    mother_nhs_number: NhsNumber | None = None
    arrived_at: Instant


class MergeRecords(Command):
    """Two records turned out to be of one child: this one ends, the other goes on."""

    child_id: UUID
    into_child_id: UUID


class OpenText(Command):
    """A question whose answer is free text; it is kept and never scored."""

    item: Code
    kind: Literal["open_text"]
    text: PersonalText


class Choice(Command):
    """An observation that is one of several words."""

    item: Code
    kind: Literal["choice"]
    text: PersonalText
    choices: Annotated[tuple[Code, ...], Field(min_length=2, max_length=50)]


class Scale(Command):
    """An observation that is a whole number, both ends included."""

    item: Code
    kind: Literal["scale"]
    text: PersonalText
    lowest: Score
    highest: Score


Item = Annotated[OpenText | Choice | Scale, Field(discriminator="kind")]


class Condition(Command):
    """A look-up: the word of a choice, or the value of a scale; `total` is the sum of all scales."""

    of: Code
    any_of: Annotated[tuple[Code, ...], Field(max_length=50)] = ()
    at_least: Annotated[int, Field(ge=-100_000, le=100_000)] | None = None
    at_most: Annotated[int, Field(ge=-100_000, le=100_000)] | None = None


class OutcomeRule(Command):
    """The outcome when all conditions hold; without conditions it always holds."""

    rule: Code
    outcome: Outcome
    when: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()


class InstrumentDefinition(Command):
    """One version of a screening tool: what is asked and observed, by whom, at what age, and what outcome follows."""

    name: ShortText
    aliases: Annotated[tuple[ShortText, ...], Field(max_length=20)] = ()
    owner: ShortText
    licence: Licence
    language: Language
    competence: Code
    minimum_seconds: Annotated[int, Field(ge=0, le=7200)]
    first_day: Day
    last_day: Day
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=100)]
    outcome_rules: Annotated[tuple[OutcomeRule, ...], Field(min_length=1, max_length=100)]
    """In order; the first whose conditions hold gives the outcome. The last one has no conditions."""


class LoadInstrument(Command):
    """Make a version of an instrument available."""

    instrument: Code
    instrument_version: Version
    definition: InstrumentDefinition


class Step(Command):
    """What follows from an outcome, and for a follow-up after how many days."""

    follows: Follows
    after_days: Annotated[int, Field(ge=1, le=366)] | None = None


class Steps(Command):
    """One step for each outcome."""

    no_concern: Step
    monitor: Step
    concern: Step
    urgent_concern: Step


class ScreeningWindow(Command):
    """When every child is to be screened, in days of age, both ends included; and when an attempt is repeated."""

    opens_day: Day = 29
    due_day: Day = 56
    closes_day: Day = 70
    offered_again_after_days: Annotated[int, Field(ge=1, le=366)] = 7
    not_offered_again_after: Annotated[tuple[NotCompletedReason, ...], Field(max_length=8)] = ()


class DoubleRating(Command):
    """Which screenings a second person rates: chosen by the screening's id and a seed, so that anybody can check it."""

    share_percent: Annotated[int, Field(ge=0, le=100)] = 10
    seed: Code


class PathwayDefinition(Command):
    """One version of what must follow from the outcomes of an instrument."""

    name: ShortText
    owner: ShortText
    instrument: Code
    outcomes: Steps
    window: ScreeningWindow | None = None
    """Given by one pathway only: that of the instrument that every child is screened with."""
    double_rating: DoubleRating | None = None
    consultation_within_working_days: Annotated[int, Field(ge=1, le=30)] = 1
    """By the end of which working day after a concern a consultation must have been requested."""


class LoadPathway(Command):
    """Make a version of a pathway available; the highest version of the instrument's pathway is in force."""

    pathway: Code
    pathway_version: Version
    definition: PathwayDefinition


class Override(Command):
    """A clinician's own outcome, with the reason."""

    outcome: Outcome
    reason: PersonalText


class RecordScreening(Command):
    """An instrument was administered to a dyad."""

    screening_id: UUID | None = None
    child_id: UUID
    instrument: Code
    instrument_version: Version
    answers: Annotated[dict[Code, PersonalText], Field(default_factory=dict, max_length=100)]
    """Free text by item: never leaves the row of the screening."""
    observed: Annotated[dict[Code, Score | Code], Field(max_length=100)]
    """The word of each choice and the value of each scale, by item."""
    seconds_observed: Annotated[int, Field(ge=0, le=86_400)]
    setting: Setting
    interpreter: bool
    language: Language
    caregiver_id: UUID | None = None
    administered_by: UUID
    role: Role
    second_rater: UUID | None = None
    screened_at: Instant
    override: Override | None = None


class RecordSecondRating(Command):
    """A second person rated what the first one had observed, without having seen that result."""

    screening_id: UUID
    observed: Annotated[dict[Code, Score | Code], Field(max_length=100)]
    rated_by: UUID
    rated_at: Instant


class RecordNotCompleted(Command):
    """A screening was due or begun and gave no result."""

    screening_id: UUID | None = None
    child_id: UUID
    instrument: Code
    instrument_version: Version
    reason: NotCompletedReason
    administered_by: UUID
    attempted_at: Instant
