"""The rows of the workforce service: what each rule is given, and what people may read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.needs import State
from chassis.tables import Table
from services.workforce.domain import supervision, training
from services.workforce.domain.commands import DefineCourse, DefineNorm, OpenCohort, SetNorm
from services.workforce.domain.practitioner import Practitioner
from services.workforce.domain.supervision import AtLog, AtNorm, DefinedNorm, Supervision
from services.workforce.domain.training import AtOpening, Cohort, Course, InCohort

practitioners = Table(Practitioner, "practitioners", key="practitioner_id", due="next_due_at")
practitioner = practitioners.by("practitioner_id")
courses = Table(Course, "courses", key="reference")
cohorts = Table(Cohort, "cohorts", key="cohort_id")
norms = Table(DefinedNorm, "supervision_norms", key="reference")
supervisions = Table(Supervision, "supervisions", key="supervision_id")


def _course_of(command: DefineCourse | OpenCohort) -> str:
    return training.reference(command.course, command.course_version)


def _norm_of(command: DefineNorm | SetNorm) -> str:
    return supervision.reference(command.norm, command.norm_version)


course = courses.by(_course_of)
cohort = cohorts.by("cohort_id")
at_opening = State(AtOpening, cohort=cohort, course=course)
in_cohort = State(InCohort, cohort=cohort, practitioner=practitioner)
norm = norms.by(_norm_of)
at_norm = State(AtNorm, practitioner=practitioner, norm=norm)
at_log = State(AtLog, practitioner=practitioner, supervision=supervisions.by("supervision_id"))

_COLUMNS = ", ".join(c.name for c in practitioners.columns)


async def practitioner_view(connection: Connection, practitioner_id: UUID) -> dict[str, Any] | None:
    """A practitioner with certificates and absences; None where unknown."""
    record = await connection.fetchrow(
        f"SELECT version, {_COLUMNS} FROM practitioners WHERE practitioner_id = $1",
        practitioner_id,
    )
    return asdict(practitioners.row(tuple(record))[1]) if record else None


async def practitioner_views(connection: Connection, team_id: UUID | None, after: UUID | None) -> list[dict[str, Any]]:
    """Practitioners, of one team or of all, at most 200 in the order of their ids, those behind `after`."""
    records = await connection.fetch(
        f"SELECT version, {_COLUMNS} FROM practitioners "
        "WHERE ($1::uuid IS NULL OR team_id = $1) AND ($2::uuid IS NULL OR practitioner_id > $2) "
        "ORDER BY practitioner_id LIMIT 200",
        team_id,
        after,
    )
    return [asdict(practitioners.row(tuple(record))[1]) for record in records]


async def cohort_view(connection: Connection, cohort_id: UUID) -> dict[str, Any] | None:
    """A cohort with its members and what each attended; None where unknown."""
    record = await connection.fetchrow(cohorts.select, [cohort_id])
    return asdict(cohorts.row(tuple(record))[1]) if record else None


async def supervision_views(connection: Connection, practitioner_id: UUID) -> list[dict[str, Any]]:
    """A practitioner's supervisions, the latest first, at most 200."""
    records = await connection.fetch(
        "SELECT supervision_id, supervisor_id, kind, minutes, held_at, recorded_by, recorded_at FROM supervisions "
        "WHERE practitioner_id = $1 ORDER BY held_at DESC, supervision_id LIMIT 200",
        practitioner_id,
    )
    return [dict(record) for record in records]
