"""Pools, cases and inputs of the referral service, with everything said that a test does not care about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from attune_contracts.screening import ScreeningCompleted
from services.referral.domain.allocation import PoolAtWork
from services.referral.domain.catalogue import Intervention
from services.referral.domain.consultation import POINTS, Consultation
from services.referral.domain.direct_work import DirectWork, Goal
from services.referral.domain.policy import STANDARD, Policy
from services.referral.domain.pool import COMPETENCE, Competence, Member, Pool, seen
from services.referral.domain.progress import Holding, Progress
from services.referral.domain.work_commands import InterventionDefinition, PlanDirectWork
from tests.support.given import NOON, some_id

TEAM = some_id("team")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CERTIFIED = Competence(COMPETENCE, NOON - timedelta(days=100), NOON + timedelta(days=100))
CASE = POINTS["case_consultation"]


def concern(name: str = "s", **said: Any) -> ScreeningCompleted:
    """A screening with a concern; the name gives the ids."""
    fields: dict[str, Any] = {
        "screening_id": some_id(f"screening {name}"),
        "child_id": some_id(f"child {name}"),
        "pregnancy_id": some_id(f"family {name}"),
        "team_id": TEAM,
        "outcome": "concern",
        "follows": "consultation_routine",
        "instrument": "demonstration",
        "instrument_version": 1,
        "pathway": "default",
        "pathway_version": 1,
        "age_days": 45,
        "setting": "home",
        "interpreter": False,
        "language": "en",
        "administered_by": some_id("health visitor"),
        "role": "health_visitor",
        "certificate": "valid",
        "overridden": False,
        "screened_at": NOON,
    }
    return ScreeningCompleted(**{**fields, **said})


def member(name: str, *, capacity: int = 4, used: int = 0, **said: Any) -> Member:
    """A certified practitioner."""
    fields: dict[str, Any] = {
        "practitioner_id": some_id(name),
        "capacity_points": capacity,
        "capacity_since": LONG_AGO,
        "used_points": used,
        "languages": ("en",),
        "competences": (CERTIFIED,),
    }
    return Member(**{**fields, **said})


def pool(*members: Member, at: datetime = NOON, policy: Policy | None = None) -> Pool:
    return seen(TEAM, members, policy, at)


def case(name: str, *, minutes: int = 0, **said: Any) -> Consultation:
    """A routine case that has asked for a place, `minutes` after noon."""
    asked_at = NOON + timedelta(minutes=minutes)
    fields: dict[str, Any] = {
        "consultation_id": some_id(f"case {name}"),
        "child_id": some_id(f"child {name}"),
        "family_id": some_id(f"family {name}"),
        "screening_id": some_id(f"screening {name}"),
        "team_id": TEAM,
        "kind": "case_consultation",
        "band": 1,
        "points": CASE,
        "language": "en",
        "requested_by": some_id("health visitor"),
        "requested_at": asked_at,
        "consent": None,
        "consent_reason": None,
        "question": None,
        "status": "accepted",
        "unsettled": True,
        "correlation_id": some_id(f"chain {name}"),
        "waiting_since": asked_at,
    }
    made = Consultation(**{**fields, **said})
    if "place" in said or made.waiting_since is None:
        return made
    return replace(made, place=STANDARD.place(made.priority, made.requested_at))


def waiting(name: str, **said: Any) -> Consultation:
    """A case in the waiting list."""
    return case(name, **{"unsettled": False, **said})


def held(name: str, by: str, **said: Any) -> Consultation:
    """A case that a practitioner has."""
    return case(
        name,
        **{"unsettled": False, "waiting_since": None, "assigned_to": some_id(by), "assigned_at": NOON, **said},
    )


def ended(of: Consultation) -> Consultation:
    """The case closed, its points not yet given back."""
    closed = replace(of, status="closed", end_reason="completed", unsettled=True, waiting_since=None, place=None)
    return replace(closed, ended_at=NOON, ended_by=some_id("specialist"))


def at_work(pool: Pool | None, **slices: tuple[Consultation, ...]) -> PoolAtWork:
    """What `allocate` is given; kinds that are not named are empty."""
    return PoolAtWork(pool, **{**dict.fromkeys(("asked", "waiting", "leaving", "ended", "siblings"), ()), **slices})


def intervention(**said: Any) -> Intervention:
    """An intervention of the catalogue that weighs 4 points."""
    definition = InterventionDefinition(
        **{
            "name": "Watching together",
            "owner": "Attune",
            "points": 4,
            "planned_sessions": 6,
            "review_after_missed": 2,
            "measures": ["closeness/1"],
            **said,
        }
    )
    return Intervention("watching_together/1", definition, LONG_AGO, "attune")


def planned(consultation_id: UUID, **said: Any) -> PlanDirectWork:
    """The command by which direct work is planned."""
    fields: dict[str, Any] = {
        "consultation_id": consultation_id,
        "intervention": "watching_together",
        "family_agrees": True,
        "goals": ["Calmer evenings."],
    }
    return PlanDirectWork(**{**fields, **said})


def work(name: str, **said: Any) -> DirectWork:
    """Direct work under way with a case that weighed 2 points before."""
    fields: dict[str, Any] = {
        "consultation_id": some_id(f"case {name}"),
        "child_id": some_id(f"child {name}"),
        "number": 1,
        "intervention": "watching_together",
        "intervention_version": 1,
        "planned_sessions": 6,
        "points": 4,
        "points_before": 2,
        "status": "under_way",
        "review_after_missed": 2,
        "measures": ("closeness/1",),
        "goals": (Goal("Calmer evenings."),),
        "plan": None,
        "planned_by": some_id("ann"),
        "planned_at": NOON,
        "correlation_id": some_id(f"chain {name}"),
        "started_at": NOON,
    }
    return DirectWork(**{**fields, **said})


def held_for_direct_work(name: str) -> Progress:
    """The course of a consultation that was held, and came to direct work."""
    holding = Holding(1, "direct_work", NOON, some_id("ann"))
    return Progress(some_id(f"case {name}"), some_id(f"child {name}"), NOON, holdings=(holding,))
