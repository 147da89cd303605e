"""The rows of the screening service, and what each rule is given of them. Reads for people: `views_store.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from chassis.needs import State
from chassis.tables import Table
from services.screening.domain.attempt import AtAttempt
from services.screening.domain.birth import AtBirth
from services.screening.domain.certificate import Certificates
from services.screening.domain.child import Child, Mother
from services.screening.domain.commands import (
    LoadInstrument,
    LoadPathway,
    RecordNotCompleted,
    RecordScreening,
    RegisterPregnancy,
)
from services.screening.domain.correcting import AtCorrection, AtMerge
from services.screening.domain.definitions import (
    AtLoadingPathway,
    CurrentPathway,
    InstrumentRow,
    PathwayRow,
    reference,
)
from services.screening.domain.ending import AtPregnancyEnd
from services.screening.domain.overdue import AtDeadline, ConsultationAsked
from services.screening.domain.pregnancy import AtRegistration, Pregnancy
from services.screening.domain.rating import AtRating, SecondRating
from services.screening.domain.screening import AtScreening, Screening
from services.screening.domain.window import COHORT, CohortWindow

cohort_windows = Table(CohortWindow, "cohort_windows", key="cohort")
mothers = Table(Mother, "mothers", key="mother_nhs_number")
pregnancies = Table(Pregnancy, "pregnancies", key="pregnancy_id")
children = Table(Child, "children", key="child_id", due="next_due_at")
certificates = Table(Certificates, "certificates", key="practitioner_id")
instruments = Table(InstrumentRow, "instruments", key="reference", immutable=True)
pathways = Table(PathwayRow, "pathways", key="reference", immutable=True)
current_pathways = Table(CurrentPathway, "current_pathways", key="instrument")
screenings = Table(Screening, "screenings", key="screening_id", due="consultation_due_at")
consultations_asked = Table(ConsultationAsked, "consultations_asked", key="screening_id")
second_ratings = Table(SecondRating, "second_ratings", key="screening_id")


def nth_child(n: int) -> Callable[[RegisterPregnancy], UUID | None]:
    """The id that the caller gave for the nth expected child."""
    return lambda command: command.child_ids[n] if n < len(command.child_ids) else None


def instrument_reference(named_by: RecordScreening | RecordNotCompleted | LoadInstrument | Screening) -> str:
    """Key of the instrument version that a command or a screening names."""
    return reference(named_by.instrument, named_by.instrument_version)


def pathway_of(screening: Screening) -> str | None:
    """Key of the pathway version that said what must follow from a screening."""
    made = screening.record
    return None if made is None else reference(made.pathway, made.pathway_version)


def the_cohort(_: Any) -> str:
    """Key of the window that is in force."""
    return COHORT


def pathway_reference(command: LoadPathway) -> str:
    """Key of the pathway version that a command names."""
    return reference(command.pathway, command.pathway_version)


at_registration = State(
    AtRegistration,
    pregnancy=pregnancies.by("pregnancy_id"),
    first=children.by(nth_child(0)),
    second=children.by(nth_child(1)),
    third=children.by(nth_child(2)),
    fourth=children.by(nth_child(3)),
    mother=mothers.by("mother_nhs_number"),
)
at_birth = State(
    AtBirth,
    child=children.by("child_id"),
    family=children.many("pregnancy_id", column="pregnancy_id", order="child_id", limit=10),
    of_mother=children.many(
        "mother_nhs_number", column="mother_nhs_number", order="registered_at DESC, child_id", limit=50
    ),
    same_number=children.many("nhs_number", column="nhs_number", order="child_id", limit=2),
    mother=mothers.by("mother_nhs_number"),
    cohort=cohort_windows.by(the_cohort),
)
at_pregnancy_end = State(
    AtPregnancyEnd,
    pregnancy=pregnancies.by("pregnancy_id"),
    family=children.many("pregnancy_id", column="pregnancy_id", order="child_id", limit=10),
)
child_named = children.by("child_id")
screenings_of_child = screenings.many("child_id", column="child_id", order="screened_at", limit=500)
at_correction = State(AtCorrection, child=child_named, screenings=screenings_of_child)
at_merge = State(AtMerge, ending=child_named, into=children.by("into_child_id"), screenings=screenings_of_child)
at_screening = State(
    AtScreening,
    child=children.by("child_id"),
    certificates=certificates.by("administered_by"),
    instrument=instruments.by(instrument_reference),
    pathway=current_pathways.by("instrument"),
    existing=screenings.by("screening_id"),
)
at_attempt = State(
    AtAttempt,
    child=children.by("child_id"),
    instrument=instruments.by(instrument_reference),
    pathway=current_pathways.by("instrument"),
    existing=screenings.by("screening_id"),
)
asked_about_screening = consultations_asked.by("screening_id")
screening_due = screenings.by("key")
at_deadline = State(
    AtDeadline,
    screening=screening_due,
    child=children.named_in(screening_due, "child_id"),
    asked=consultations_asked.by("key"),
    pathway=pathways.named_in(screening_due, pathway_of),
)
screening_rated = screenings.by("screening_id")
at_rating = State(
    AtRating,
    asked=second_ratings.by("screening_id"),
    screening=screening_rated,
    child=children.named_in(screening_rated, "child_id"),
    instrument=instruments.named_in(screening_rated, instrument_reference),
    certificates=certificates.by("rated_by"),
)
loaded_instrument = instruments.by(instrument_reference)
at_loading_pathway = State(
    AtLoadingPathway,
    loaded=pathways.by(pathway_reference),
    current=current_pathways.by("definition.instrument"),
    cohort=cohort_windows.by(the_cohort),
)
certificates_held = certificates.by("practitioner_id")
