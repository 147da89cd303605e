"""The workforce service: everything that may come in, with the rule that decides it."""

from __future__ import annotations

from pathlib import Path

from chassis.inputs import command, due
from chassis.service import Service
from services.workforce import api, store
from services.workforce.domain import absence, competence, practitioner, supervision, training
from services.workforce.domain.commands import (
    AwardCompetence,
    ChangeCapacity,
    CompleteTraining,
    DefineCourse,
    DefineNorm,
    EndAbsence,
    JoinCohort,
    LeaveCohort,
    OpenCohort,
    PlanAbsence,
    RecordAttendance,
    RecordLeaving,
    RecordSupervision,
    RegisterPractitioner,
    SetNorm,
    SuspendCompetence,
)
from services.workforce.settings import WorkforceSettings

INPUTS = (
    command(
        "POST /practitioners",
        RegisterPractitioner,
        decide=practitioner.register,
        state=store.practitioner,
        may="practitioner.manage",
        status=201,
    ),
    command(
        "POST /practitioners/{practitioner_id}/competences",
        AwardCompetence,
        decide=competence.award,
        state=store.practitioner,
        may="competence.manage",
        status=201,
    ),
    command(
        "POST /practitioners/{practitioner_id}/competences/{competence}/suspension",
        SuspendCompetence,
        decide=competence.suspend,
        state=store.practitioner,
        may="competence.manage",
    ),
    command(
        "PUT /practitioners/{practitioner_id}/capacity",
        ChangeCapacity,
        decide=practitioner.change_capacity,
        state=store.practitioner,
        may="practitioner.manage",
    ),
    command(
        "POST /practitioners/{practitioner_id}/absences",
        PlanAbsence,
        decide=absence.plan,
        state=store.practitioner,
        may="absence.manage",
        status=201,
    ),
    command(
        "POST /practitioners/{practitioner_id}/absences/{absence_id}/end",
        EndAbsence,
        decide=absence.end,
        state=store.practitioner,
        may="absence.manage",
    ),
    command(
        "POST /practitioners/{practitioner_id}/leaving",
        RecordLeaving,
        decide=practitioner.leave,
        state=store.practitioner,
        may="practitioner.manage",
    ),
    due(store.practitioners, decide=absence.clock),
    # Training: courses as data, cohorts, attendance, and what completing one certifies.
    command(
        "PUT /courses/{course}/{course_version}",
        DefineCourse,
        decide=training.define,
        state=store.course,
        may="training.define",
    ),
    command(
        "POST /cohorts",
        OpenCohort,
        decide=training.open_cohort,
        state=store.at_opening,
        may="training.manage",
        status=201,
    ),
    command(
        "POST /cohorts/{cohort_id}/members",
        JoinCohort,
        decide=training.join,
        state=store.in_cohort,
        may="training.manage",
    ),
    command(
        "POST /cohorts/{cohort_id}/members/{practitioner_id}/leaving",
        LeaveCohort,
        decide=training.give_up,
        state=store.in_cohort,
        may="training.manage",
    ),
    command(
        "PUT /cohorts/{cohort_id}/sessions/{session}",
        RecordAttendance,
        decide=training.attend,
        state=store.cohort,
        may="training.manage",
    ),
    command(
        "POST /cohorts/{cohort_id}/members/{practitioner_id}/completion",
        CompleteTraining,
        decide=training.complete,
        state=store.in_cohort,
        may="competence.manage",
    ),
    # Supervision: the norm as data, the log, and word when there was too little.
    command(
        "PUT /supervision-norms/{norm}/{norm_version}",
        DefineNorm,
        decide=supervision.define,
        state=store.norm,
        may="training.define",
    ),
    command(
        "PUT /practitioners/{practitioner_id}/supervision-norm",
        SetNorm,
        decide=supervision.set_norm,
        state=store.at_norm,
        may="supervision.manage",
    ),
    command(
        "POST /practitioners/{practitioner_id}/supervisions",
        RecordSupervision,
        decide=supervision.record,
        state=store.at_log,
        may="supervision.manage",
        status=201,
    ),
)

ROLES = {
    "workforce_admin": frozenset(
        {
            "practitioner.manage",
            "competence.manage",
            "absence.manage",
            "practitioner.read",
            "training.define",
            "training.manage",
            "supervision.manage",
        }
    ),
    "team_lead": frozenset({"absence.manage", "practitioner.read", "training.manage", "supervision.manage"}),
    "operator": frozenset({"practitioner.read", "operator.read", "operator.resolve"}),
}

SERVICE = Service(
    "workforce",
    inputs=INPUTS,
    settings=WorkforceSettings,
    api=api.routes,
    migrations=Path(__file__).parent / "migrations",
    roles=ROLES,
)
