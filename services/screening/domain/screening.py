"""A screening: one administration of an instrument to a dyad. The hot path of the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID

from attune_contracts.screening import Certificate, Follows, NotCompletedReason, Outcome, ScreeningCompleted
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace, value
from chassis.working_days import start_of
from services.screening.domain import rating
from services.screening.domain.certificate import Certificates, standing
from services.screening.domain.child import Child, known
from services.screening.domain.commands import InstrumentDefinition, PathwayDefinition, RecordScreening
from services.screening.domain.decision_record import DecisionRecord, Inputs, conclusion_of, inputs_of
from services.screening.domain.definitions import CurrentPathway, InstrumentRow
from services.screening.domain.eligibility import UnknownInstrumentVersion, age_at_screening
from services.screening.domain.outcome import Conclusion, ObservationTooShort, check_observed
from services.screening.domain.window import in_window, no_later

CONSULTATIONS: frozenset[Follows] = frozenset({"consultation_routine", "consultation_urgent"})


class NoPathwayForInstrument(Refused):
    """No pathway is loaded that says what follows from this instrument's outcomes."""

    field = "instrument"


class SecondRaterIsTheFirst(Refused):
    """A second rater is another person."""

    status = 422
    field = "second_rater"


class ScreeningRecordedDifferently(Refused):
    """A screening with this id is recorded with another content."""

    field = "screening_id"


@value(frozen=True, slots=True)
class Screening:
    """A screening that was completed (it has a record), or an attempt that was not (it has a reason)."""

    screening_id: UUID
    child_id: UUID
    instrument: str
    instrument_version: int
    administered_by: UUID
    screened_at: datetime
    recorded_at: datetime
    recorded_by: str
    outcome: Outcome | None = None
    reason: NotCompletedReason | None = None
    answers: Mapping[str, str] | None = None
    """Free text in people's own words: never leaves this row except by an authorised, audited read."""
    record: DecisionRecord | None = None
    consultation_due_at: datetime | None = None
    """Until when a consultation must have been requested; null where none must, and when that has been looked at."""


@value(frozen=True, slots=True)
class AtScreening:
    """What a screening is judged by."""

    child: Child | None
    certificates: Certificates | None
    instrument: InstrumentRow | None
    pathway: CurrentPathway | None
    existing: Screening | None


class Screened(Reply):
    """What came of a screening, and what follows from it."""

    screening_id: UUID
    child_id: UUID
    outcome: Outcome
    overridden: bool
    follows: Follows
    follow_up_on: date | None
    certificate: Certificate
    age_days: int
    in_window: bool


def record(state: AtScreening, command: RecordScreening, cause: Cause) -> Decision[Screened]:
    """The outcome by the instrument's rules, what follows by the pathway in force, the certificate as it stood then.

    A lapsed or missing certificate and an age outside the window are marked, not refused: no concern is thrown away.
    """
    if state.existing is not None:
        return _recorded_before(state.existing, command)
    screened_at = command.screened_at.astimezone(UTC)
    child, pathway = known(state.child), state.pathway
    if state.instrument is None:
        raise UnknownInstrumentVersion
    if pathway is None:
        raise NoPathwayForInstrument
    instrument = state.instrument.definition
    age = age_at_screening(child, screened_at, field="screened_at", now=cause.at)
    _check(instrument, command)
    certificate = standing(state.certificates, instrument.competence, screened_at)
    made = _decided(command, inputs_of(command, age, certificate), instrument, pathway, cause)
    screening = Screening(
        screening_id=command.screening_id or cause.derive("screening"),
        child_id=child.child_id,
        instrument=command.instrument,
        instrument_version=command.instrument_version,
        administered_by=command.administered_by,
        screened_at=screened_at,
        recorded_at=cause.at,
        recorded_by=cause.by,
        outcome=made.conclusion.outcome,
        answers=command.answers,
        record=made,
        consultation_due_at=_deadline(pathway.definition, made.conclusion, cause),
    )
    rows = (screening, _screened(child, screening, made.conclusion, age))
    second = rating.request(screening, child, instrument, pathway.definition)
    return Decision(
        rows=rows + second.rows,
        events=(_completed(child, screening, made), *second.events),
        reply=_reply(screening, made),
    )


def _check(instrument: InstrumentDefinition, command: RecordScreening) -> None:
    if command.second_rater == command.administered_by:
        raise SecondRaterIsTheFirst
    check_observed(instrument, command.answers, command.observed)
    if command.seconds_observed < instrument.minimum_seconds:
        raise ObservationTooShort


def _decided(
    command: RecordScreening, inputs: Inputs, instrument: InstrumentDefinition, pathway: CurrentPathway, cause: Cause
) -> DecisionRecord:
    return DecisionRecord(
        instrument=command.instrument,
        instrument_version=command.instrument_version,
        pathway=pathway.pathway,
        pathway_version=pathway.pathway_version,
        inputs=inputs,
        conclusion=conclusion_of(inputs, instrument, pathway.definition),
        decided_by=cause.by,
    )


def _deadline(pathway: PathwayDefinition, conclusion: Conclusion, cause: Cause) -> datetime | None:
    if conclusion.follows not in CONSULTATIONS:
        return None
    return cause.calendar.end_of_working_day(cause.at, pathway.consultation_within_working_days)


def _recorded_before(known: Screening, command: RecordScreening) -> Decision[Screened]:
    made = known.record
    if made is None:
        raise ScreeningRecordedDifferently
    inputs = inputs_of(command, made.inputs.age_days, made.inputs.certificate)
    content = (command.child_id, command.instrument, command.instrument_version, command.answers, inputs)
    if content != (known.child_id, known.instrument, known.instrument_version, known.answers, made.inputs):
        raise ScreeningRecordedDifferently
    return Decision(reply=_reply(known, made))


def _screened(child: Child, screening: Screening, conclusion: Conclusion, age: int) -> Child:
    """The child after a result; one that is recorded late does not overrule a later one."""
    covered, window = child.covered_at_days, child.window_state
    counts = in_window(child, age)
    if conclusion.in_window if counts is None else counts:
        covered, window = age if covered is None else min(age, covered), "met" if window is not None else None
    if child.screened_at is not None and child.screened_at > screening.screened_at:
        return replace(child, covered_at_days=covered, window_state=window)
    follow_up_on = conclusion.follow_up_on
    screened = replace(
        child,
        last_screening_id=screening.screening_id,
        last_outcome=conclusion.outcome,
        screened_at=screening.screened_at,
        follow_up_on=follow_up_on,
        follow_up_at=None if follow_up_on is None else start_of(follow_up_on),
        covered_at_days=covered,
        not_completed_reason=None,
        window_state=window,
        offer_again_at=None,
    )
    return no_later(screened)


def _completed(child: Child, screening: Screening, made: DecisionRecord) -> ScreeningCompleted:
    inputs, conclusion = made.inputs, made.conclusion
    return ScreeningCompleted(
        screening_id=screening.screening_id,
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        outcome=conclusion.outcome,
        follows=conclusion.follows,
        instrument=made.instrument,
        instrument_version=made.instrument_version,
        pathway=made.pathway,
        pathway_version=made.pathway_version,
        age_days=inputs.age_days,
        setting=inputs.setting,
        interpreter=inputs.interpreter,
        language=inputs.language,
        administered_by=inputs.administered_by,
        role=inputs.role,
        certificate=inputs.certificate,
        overridden=conclusion.overridden,
        screened_at=inputs.screened_at,
    )


def _reply(screening: Screening, made: DecisionRecord) -> Screened:
    conclusion = made.conclusion
    return {
        "screening_id": screening.screening_id,
        "child_id": screening.child_id,
        "outcome": conclusion.outcome,
        "overridden": conclusion.overridden,
        "follows": conclusion.follows,
        "follow_up_on": conclusion.follow_up_on,
        "certificate": made.inputs.certificate,
        "age_days": made.inputs.age_days,
        "in_window": conclusion.in_window,
    }
