"""Measures of direct work at its start, middle and end: taken by definition, compared, shown where missing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from attune_contracts.referral import MeasurePoint, MeasureRecorded
from chassis.decision import Cause, Decision, Reply, derived_id
from chassis.value import replace, value
from services.referral.domain.catalogue import Measure, reference
from services.referral.domain.consultation import Consultation, staff
from services.referral.domain.direct_work import DirectWork, Taken, child_of
from services.referral.domain.refusals import (
    AnswersDoNotFit,
    MeasuredInTheFuture,
    MeasureTakenBefore,
    NoDirectWork,
    TotalDoesNotFit,
    UnknownConsultation,
    UnknownMeasure,
)
from services.referral.domain.work_commands import MeasureDefinition, RecordMeasure


@value(frozen=True, slots=True)
class Measurement:
    """One measure taken once. Answers and total never leave the referral service."""

    measurement_id: UUID
    consultation_id: UUID
    work: int
    measure: str
    """Name and version."""
    point: MeasurePoint
    total: int
    answers: dict[str, int]
    measured_at: datetime
    recorded_by: UUID
    recorded_at: datetime


@value(frozen=True, slots=True)
class AtMeasuring:
    """The case, its direct work, and the measure that the command names."""

    case: Consultation | None
    work: DirectWork | None
    measure: Measure | None


class MeasureKept(Reply):
    """The measure as it was added up."""

    consultation_id: UUID
    measure: str
    point: str
    total: int


def record(found: AtMeasuring, command: RecordMeasure, cause: Cause) -> Decision[MeasureKept]:
    """Once for each point of the work; also after its end, since the last forms are often entered later."""
    case, work, by = found.case, found.work, staff(cause)
    if case is None:
        raise UnknownConsultation
    if work is None or (work.status == "waits" and command.point != "start"):
        raise NoDirectWork
    if found.measure is None:
        raise UnknownMeasure
    if command.measured_at > cause.at:
        raise MeasuredInTheFuture
    total = _total(found.measure.definition, command)
    name = reference(command.measure, command.measure_version)
    reply: MeasureKept = {
        "consultation_id": case.consultation_id,
        "measure": name,
        "point": command.point,
        "total": total,
    }
    taken = Taken(name, command.point)
    if taken in work.taken:
        raise MeasureTakenBefore
    kept = Measurement(
        measurement_id=derived_id(case.consultation_id, f"measure {work.number} {name} {command.point}"),
        consultation_id=case.consultation_id,
        work=work.number,
        measure=name,
        point=command.point,
        total=total,
        answers=dict(command.answers),
        measured_at=command.measured_at,
        recorded_by=by,
        recorded_at=cause.at,
    )
    rows = (replace(work, taken=(*work.taken, taken)), kept)
    return Decision(rows=rows, events=(_recorded(case, work, command, by),), reply=reply)


def _recorded(case: Consultation, work: DirectWork, command: RecordMeasure, by: UUID) -> MeasureRecorded:
    return MeasureRecorded(
        consultation_id=case.consultation_id,
        child_id=child_of(case, work),
        team_id=case.team_id,
        recorded_by=by,
        instrument=command.measure,
        instrument_version=command.measure_version,
        point=command.point,
        measured_at=command.measured_at,
    )


def _total(definition: MeasureDefinition, command: RecordMeasure) -> int:
    if not definition.items:
        if command.answers:
            raise AnswersDoNotFit
        if command.total is None or not definition.lowest <= command.total <= definition.highest:
            raise TotalDoesNotFit
        return command.total
    if command.total is not None:
        raise TotalDoesNotFit
    ranges = {i.item: (i.lowest, i.highest) for i in definition.items}
    if ranges.keys() != command.answers.keys():
        raise AnswersDoNotFit
    if any(not ranges[name][0] <= answer <= ranges[name][1] for name, answer in command.answers.items()):
        raise AnswersDoNotFit
    return sum(command.answers.values())


def owed(work: DirectWork) -> tuple[Taken, ...]:
    """Measures of the intervention that should have been taken by now: at the first session, half-way, at the end."""
    come: list[MeasurePoint] = []
    if work.attended or work.status == "ended":
        come.append("start")
    if 2 * work.attended >= work.planned_sessions:
        come.append("middle")
    if work.attended >= work.planned_sessions or work.status == "ended":
        come.append("end")
    return tuple(t for m in work.measures for p in come if (t := Taken(m, p)) not in work.taken)


@value(frozen=True, slots=True)
class Change:
    """What a measure says about the work, from its start to its end."""

    measure: str
    start: int
    end: int
    better_by: int
    """Negative where it became worse."""


def changes(taken: Iterable[Measurement], definitions: dict[str, MeasureDefinition]) -> tuple[Change, ...]:
    """Of every measure taken at both ends. Points of a scale, not a finding: what they mean is for people to say."""
    totals = {(m.measure, m.point): m.total for m in taken}
    found = []
    for name, definition in sorted(definitions.items()):
        start, end = totals.get((name, "start")), totals.get((name, "end"))
        if start is not None and end is not None:
            better = end - start if definition.higher_is == "better" else start - end
            found.append(Change(name, start, end, better))
    return tuple(found)
