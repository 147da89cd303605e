"""Direct work, its sessions and measures, and the catalogue: their tables, what rules are given, and the reads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.needs import State
from chassis.tables import Table
from services.referral.domain.catalogue import Intervention, Measure, reference
from services.referral.domain.direct_work import AtWork, DirectWork
from services.referral.domain.measuring import AtMeasuring, Measurement
from services.referral.domain.sessions import Session
from services.referral.domain.work_commands import LoadIntervention, LoadMeasure, PlanDirectWork, RecordMeasure
from services.referral.store import consultation, consultations

# Work to which the pool has given the points, and work whose case has ended.
direct_works = Table(
    DirectWork,
    "direct_works",
    key="consultation_id",
    due_sql="""
SELECT w.consultation_id, NULL::timestamptz FROM direct_works w JOIN consultations c USING (consultation_id)
WHERE w.status <> 'ended' AND $1::timestamptz IS NOT NULL
  AND (c.status <> 'accepted' OR (w.status = 'waits' AND c.assigned_to IS NOT NULL AND NOT c.unsettled
                                  AND c.terms ->> 'points_wanted' IS NULL))
LIMIT $2""",
)
sessions = Table(Session, "sessions", key="session_id")
measurements = Table(Measurement, "measurements", key="measurement_id")
interventions = Table(Intervention, "interventions", key="reference", immutable=True)
measures = Table(Measure, "measures", key="reference", immutable=True)


def _intervention(command: PlanDirectWork | LoadIntervention) -> str:
    return reference(command.intervention, command.intervention_version)


def _measure(command: RecordMeasure | LoadMeasure) -> str:
    return reference(command.measure, command.measure_version)


loaded_intervention = interventions.by(_intervention)
loaded_measure = measures.by(_measure)
_work = direct_works.by("consultation_id")
at_measuring = State(AtMeasuring, case=consultation, work=_work, measure=loaded_measure)
work_due = State(AtWork, case=consultations.by("key"), work=direct_works.by("key"))


async def work_of(connection: Connection, consultation_id: UUID) -> AtWork:
    """The direct work of a consultation, and the consultation itself."""
    case = await connection.fetchrow(consultations.select, [consultation_id])
    work = await connection.fetchrow(direct_works.select, [consultation_id])
    return AtWork(
        case=consultations.row(case)[1] if case is not None else None,
        work=direct_works.row(work)[1] if work is not None else None,
    )


async def sessions_of(connection: Connection, consultation_id: UUID) -> list[dict[str, Any]]:
    """All sessions with a case in the order in which they were recorded."""
    rows = await connection.fetch(
        """SELECT work, number, attendance, session_at, setting, note, practitioner_id, recorded_at
           FROM sessions WHERE consultation_id = $1 ORDER BY work, number""",
        consultation_id,
    )
    return [dict(row) for row in rows]


async def measurements_of(connection: Connection, consultation_id: UUID) -> list[Measurement]:
    """All measures taken of a case, in the order in which they were entered."""
    names = ", ".join(c.name for c in measurements.columns)
    rows = await connection.fetch(
        f"SELECT version, {names} FROM measurements WHERE consultation_id = $1 ORDER BY recorded_at", consultation_id
    )
    return [measurements.row(row)[1] for row in rows]


async def interventions_loaded(connection: Connection) -> list[Intervention]:
    """The catalogue of interventions."""
    names = ", ".join(c.name for c in interventions.columns)
    rows = await connection.fetch(f"SELECT version, {names} FROM interventions ORDER BY reference")
    return [interventions.row(row)[1] for row in rows]


async def measures_loaded(connection: Connection) -> list[Measure]:
    """The catalogue of measures, with all their words."""
    names = ", ".join(c.name for c in measures.columns)
    rows = await connection.fetch(f"SELECT version, {names} FROM measures ORDER BY reference")
    return [measures.row(row)[1] for row in rows]
