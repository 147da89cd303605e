"""The birth cohort: everything that may come in about children before, at and after birth, with its rule."""

from __future__ import annotations

from chassis.inputs import command, due
from services.screening import store
from services.screening.domain import birth, correcting, ending, moving, pregnancy, window
from services.screening.domain.commands import (
    CorrectBirth,
    EndPregnancy,
    MergeRecords,
    MoveChild,
    RecordAdoption,
    RecordArrival,
    RecordBirth,
    RecordDeath,
    RegisterPregnancy,
)

COHORT = (
    command(
        "POST /pregnancies",
        RegisterPregnancy,
        decide=pregnancy.register,
        state=store.at_registration,
        may="pregnancy.register",
        status=201,
    ),
    command(
        "POST /pregnancies/{pregnancy_id}/ending",
        EndPregnancy,
        decide=ending.end_pregnancy,
        state=store.at_pregnancy_end,
        may="pregnancy.register",
    ),
    command("POST /births", RecordBirth, decide=birth.record, state=store.at_birth, may="birth.record", status=201),
    command(
        "POST /arrivals", RecordArrival, decide=moving.arrive, state=store.at_birth, may="birth.record", status=201
    ),
    command(
        "POST /children/{child_id}/moves", MoveChild, decide=moving.move, state=store.child_named, may="birth.record"
    ),
    command(
        "POST /children/{child_id}/death",
        RecordDeath,
        decide=ending.record_death,
        state=store.child_named,
        may="birth.record",
    ),
    command(
        "POST /children/{child_id}/adoption",
        RecordAdoption,
        decide=ending.record_adoption,
        state=store.child_named,
        may="birth.record",
    ),
    command(
        "POST /children/{child_id}/birth-correction",
        CorrectBirth,
        decide=correcting.correct_birth,
        state=store.at_correction,
        may="birth.record",
    ),
    command(
        "POST /children/{child_id}/merge",
        MergeRecords,
        decide=correcting.merge,
        state=store.at_merge,
        may="birth.record",
    ),
    due(store.children, decide=window.ring),
)
