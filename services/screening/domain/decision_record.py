"""The record that explains a screening's outcome, with enough in it to work the outcome out again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from attune_contracts.screening import Certificate, Outcome, Role, Setting
from chassis.value import replace, value
from chassis.working_days import local_date
from services.screening.domain.commands import InstrumentDefinition, PathwayDefinition, RecordScreening
from services.screening.domain.outcome import Conclusion, conclude


@value(frozen=True, slots=True)
class Inputs:
    """Everything that the outcome and its standing rest on."""

    age_days: int
    observed: Mapping[str, int | str]
    seconds_observed: int
    setting: Setting
    interpreter: bool
    language: str
    caregiver_id: UUID | None
    administered_by: UUID
    role: Role
    second_rater: UUID | None
    screened_at: datetime
    certificate: Certificate
    override_outcome: Outcome | None
    override_reason: str | None


@value(frozen=True, slots=True)
class DecisionRecord:
    """Why this outcome: definitions with their versions, inputs and conclusion, so that it can be worked out again."""

    instrument: str
    instrument_version: int
    pathway: str
    pathway_version: int
    inputs: Inputs
    conclusion: Conclusion
    decided_by: str


def inputs_of(command: RecordScreening, age: int, certificate: Certificate) -> Inputs:
    """What the screener reported, with the child's age in days and the certificate as it stood then."""
    override = command.override
    return Inputs(
        age_days=age,
        observed=command.observed,
        seconds_observed=command.seconds_observed,
        setting=command.setting,
        interpreter=command.interpreter,
        language=command.language,
        caregiver_id=command.caregiver_id,
        administered_by=command.administered_by,
        role=command.role,
        second_rater=command.second_rater,
        screened_at=command.screened_at.astimezone(UTC),
        certificate=certificate,
        override_outcome=override.outcome if override else None,
        override_reason=override.reason if override else None,
    )


def conclusion_of(inputs: Inputs, instrument: InstrumentDefinition, pathway: PathwayDefinition) -> Conclusion:
    """What the definitions say about these inputs."""
    return conclude(
        instrument,
        pathway,
        observed=inputs.observed,
        age_days=inputs.age_days,
        screened_on=local_date(inputs.screened_at),
        overridden_to=inputs.override_outcome,
    )


def recompute(made: DecisionRecord, instrument: InstrumentDefinition, pathway: PathwayDefinition) -> DecisionRecord:
    """The same record, worked out again from its inputs: equal to `made` if these definitions made it."""
    return replace(made, conclusion=conclusion_of(made.inputs, instrument, pathway))
