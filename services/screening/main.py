"""The screening service: everything that may come in, with the rule that decides it.

What comes in about children before, at and after birth stands in `cohort_inputs.py`.
"""

from __future__ import annotations

from pathlib import Path

from attune_contracts.referral import ConsultationRequested
from attune_contracts.workforce import CompetenceAwarded, CompetenceExpired, CompetenceSuspended
from chassis.inputs import command, due, on
from chassis.service import Service
from services.screening import api, store
from services.screening.cohort_inputs import COHORT
from services.screening.domain import attempt, certificate, definitions, overdue, rating, screening
from services.screening.domain.commands import (
    LoadInstrument,
    LoadPathway,
    RecordNotCompleted,
    RecordScreening,
    RecordSecondRating,
)
from services.screening.settings import ScreeningSettings

INPUTS = (
    *COHORT,
    command(
        "PUT /instruments/{instrument}/{instrument_version}",
        LoadInstrument,
        decide=definitions.load_instrument,
        state=store.loaded_instrument,
        may="definition.load",
    ),
    command(
        "PUT /pathways/{pathway}/{pathway_version}",
        LoadPathway,
        decide=definitions.load_pathway,
        state=store.at_loading_pathway,
        may="definition.load",
    ),
    command(
        "POST /screenings",
        RecordScreening,
        decide=screening.record,
        state=store.at_screening,
        may="screening.record",
        status=201,
    ),
    command(
        "POST /screenings/not-completed",
        RecordNotCompleted,
        decide=attempt.record_not_completed,
        state=store.at_attempt,
        may="screening.record",
        status=201,
    ),
    command(
        "POST /screenings/{screening_id}/second-rating",
        RecordSecondRating,
        decide=rating.record,
        state=store.at_rating,
        may="screening.rate",
        status=201,
    ),
    on(ConsultationRequested, decide=overdue.consultation_requested, state=store.asked_about_screening),
    due(store.screenings, decide=overdue.look, state=store.at_deadline),
    on(CompetenceAwarded, decide=certificate.awarded, state=store.certificates_held),
    on(CompetenceSuspended, decide=certificate.suspended, state=store.certificates_held),
    on(CompetenceExpired, decide=certificate.expired, state=store.certificates_held),
)

_READS = {"child.read", "screening.read", "definition.read", "coverage.read"}
ROLES = {
    "records": frozenset({"pregnancy.register", "birth.record", "child.read"}),
    "health_visitor": frozenset({"screening.record", "screening.rate", *_READS}),
    "specialist": frozenset({"screening.record", *_READS}),
    "team_lead": frozenset({"screening.record", *_READS}),
    "safeguarding_lead": frozenset({"child.read_sealed", *_READS}),
    "operator": frozenset({"definition.load", "definition.read", "coverage.read", "operator.read", "operator.resolve"}),
}

SERVICE = Service(
    "screening",
    inputs=INPUTS,
    settings=ScreeningSettings,
    api=api.routes,
    migrations=Path(__file__).parent / "migrations",
    roles=ROLES,
)
