"""The workforce service: everything that may come in, with the rule that decides it."""

from __future__ import annotations

from pathlib import Path

from chassis.inputs import command, due
from chassis.service import Service
from services.workforce import api, store
from services.workforce.domain import absence, competence, practitioner
from services.workforce.domain.commands import (
    AwardCompetence,
    ChangeCapacity,
    EndAbsence,
    PlanAbsence,
    RecordLeaving,
    RegisterPractitioner,
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
)

ROLES = {
    "workforce_admin": frozenset({"practitioner.manage", "competence.manage", "absence.manage", "practitioner.read"}),
    "team_lead": frozenset({"absence.manage", "practitioner.read"}),
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
