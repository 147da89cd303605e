"""Courses for the tests of clocks, triage and what people do: everything said that a test does not care about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from chassis.decision import Due
from services.referral.domain.children import Child
from services.referral.domain.clocks import Born, Course, look
from services.referral.domain.consultation import Consultation
from services.referral.domain.progress import Holding, Progress, begun
from services.referral.domain.rules import Rules
from tests.referral.builders import TEAM, case, held
from tests.support.given import NOON, Then, given, some_id

ANN, LEAD, ASKER = some_id("ann"), some_id("lead"), some_id("health visitor")


def course(
    of: Consultation | None = None, *, rules: Rules | None = None, child: Born | None = None, **done: Any
) -> Course:
    """A case that Ann has, with what was done with it; without anything there is no row."""
    of = of if of is not None else held("a", by="ann")
    return Course(of, replace(begun(of), **done) if done else None, rules, child)


def held_once(outcome: Any, at: datetime = NOON, number: int = 1) -> Holding:
    return Holding(number, outcome, at, ANN)


def after(then: Then, before: Course) -> Course:
    """The course as a decision leaves it."""
    rows = then.then_decided().rows
    of = next((r for r in rows if isinstance(r, Consultation)), before.case)
    done = next((r for r in rows if isinstance(r, Progress)), before.progress)
    return replace(before, case=of, progress=done)


def looked(at_hand: Course, at: datetime) -> Then:
    assert at_hand.case is not None
    return given(at_hand).when(look, Due(at_hand.case.consultation_id), at=at)


def child(name: str = "a", **said: Any) -> Child:
    fields: dict[str, Any] = {
        "child_id": some_id(f"child {name}"),
        "family_id": some_id(f"family {name}"),
        "team_id": TEAM,
        "born_at": None,
        "gone": None,
        "changed_at": NOON,
    }
    return Child(**{**fields, **said})


__all__ = ["ANN", "ASKER", "LEAD", "TEAM", "after", "case", "child", "course", "held", "held_once", "looked"]
