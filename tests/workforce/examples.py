"""Practitioners and commands to begin a sentence with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.workforce.domain import practitioner as rules
from services.workforce.domain.commands import AwardCompetence, PlanAbsence, RegisterPractitioner, SuspendCompetence
from services.workforce.domain.practitioner import Award, Practitioner
from tests.support.given import NOON, given, some_id

ANNA, TEAM = some_id("anna"), some_id("team")
COMPETENCE = "infant_mental_health"


def registration(**changes: Any) -> RegisterPractitioner:
    facts: dict[str, Any] = {
        "practitioner_id": ANNA,
        "team_id": TEAM,
        "role": "specialist",
        "capacity_points": 12,
        "languages": ("en", "pl"),
    }
    return RegisterPractitioner(**(facts | changes))


def anna(**changes: Any) -> Practitioner:
    """A specialist, registered at NOON, with some facts replaced."""
    row = given(None).when(rules.register, registration()).row
    assert isinstance(row, Practitioner)
    facts = {name: getattr(row, name) for name in Practitioner.__slots__}
    return Practitioner(**(facts | changes))


def award_until(valid_until: datetime, *, valid_from: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Award:
    return Award(COMPETENCE, valid_from, valid_until, awarded_at=valid_from)


def awarding(valid_from: datetime, valid_until: datetime, competence: str = COMPETENCE) -> AwardCompetence:
    return AwardCompetence(practitioner_id=ANNA, competence=competence, valid_from=valid_from, valid_until=valid_until)


def suspending(competence: str = COMPETENCE) -> SuspendCompetence:
    return SuspendCompetence(practitioner_id=ANNA, competence=competence, reason="supervision_overdue")


def absence(starts_at: datetime = NOON, until: datetime | None = None, **changes: Any) -> PlanAbsence:
    facts: dict[str, Any] = {
        "practitioner_id": ANNA,
        "absence_id": some_id("absence"),
        "kind": "leave",
        "starts_at": starts_at,
        "until": until,
    }
    return PlanAbsence(**(facts | changes))
