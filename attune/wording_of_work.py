"""What the events of a consultation's course, of direct work, clocks and tasks say in a few words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from attune_contracts import referral

Names = Callable[[UUID | None], str]

_CLOCKS = {
    "acknowledged": "acknowledged",
    "triaged": "triaged",
    "held": "held",
    "reported": "reported back",
    "first_contact": "met for the first time",
    "ceiling": "at its end",
}
_AGES = {"21_months": "21 months old", "30_days": "two years old in 30 days", "second_birthday": "two years old"}
_ATTENDANCES = {"attended": "attended", "missed": "MISSED"}


def _words(code: str) -> str:
    return code.replace("_", " ")


def _target(e: Any, late: str) -> str:
    return f"{late} {_CLOCKS.get(e.clock, _words(e.clock))}: target {e.due_at:%Y-%m-%d}"


def _triaged(e: referral.ConsultationTriaged, names: Names) -> str:
    return f"{_words(e.decision)} by {names(e.triaged_by)}: {_words(e.reason)}"


def _held(e: referral.ConsultationHeld, names: Names) -> str:
    times = f", for the {e.number}. time" if e.number > 1 else ""
    return f"held by {names(e.practitioner_id)}{times}: {_words(e.outcome)}"


def _session(e: referral.SessionRecorded, names: Names) -> str:
    how = _ATTENDANCES.get(e.attendance, _words(e.attendance))
    return f"session {e.number} with {names(e.practitioner_id)}: {how}"


def _age(e: referral.AgeLimitNear, _: Names) -> str:
    plan = "an onward plan is written" if e.onward_plan else "NO onward plan yet"
    return f"{_AGES.get(e.reason, _words(e.reason))}: {plan}"


def _task(e: Any, names: Names, what: str) -> str:
    owner = getattr(e, "owner_id", None) or getattr(e, "to_owner_id", None)
    return f"{what}: {_words(e.kind)}, for {names(owner) if owner is not None else 'any lead of the team'}"


SAID: Final[dict[str, Callable[[Any, Names], str]]] = {
    referral.CaseAccepted.type: lambda e, names: f"accepted by {names(e.practitioner_id)}",
    referral.ConsentRecorded.type: lambda e, _: f"consent: {_words(e.consent)}",
    referral.ConsultationTriaged.type: _triaged,
    referral.ConsultationHeld.type: _held,
    referral.ConsultationReported.type: lambda e, names: f"written plan back to {names(e.requested_by)}",
    referral.ConsultationReopened.type: lambda e, names: f"reopened by {names(e.reopened_by)}",
    referral.CaseOpened.type: lambda e, _: f"goes on with the family: {_words(e.outcome)}",
    referral.DirectWorkStarted.type: lambda e, _: f"{_words(e.intervention)}, {e.planned_sessions} sessions planned",
    referral.SessionRecorded.type: _session,
    referral.MeasureRecorded.type: lambda e, _: f"{_words(e.instrument)} at the {e.point}",
    referral.DirectWorkEnded.type: lambda e, _: (
        f"direct work ended, {_words(e.reason)}: {e.sessions_attended} sessions"
    ),
    referral.ClockDueSoon.type: lambda e, _: _target(e, "soon to be"),
    referral.ClockBreached.type: lambda e, _: _target(e, "NOT"),
    referral.ClockPaused.type: lambda e, _: f"clock stands still: {_words(e.reason)}",
    referral.ClockResumed.type: lambda *_: "clock runs on",
    referral.AgeLimitNear.type: _age,
    referral.SafeguardingRaised.type: lambda e, names: f"safeguarding raised by {names(e.raised_by)}",
    referral.TaskRaised.type: lambda e, names: _task(e, names, "a task"),
    referral.TaskHandedOver.type: lambda e, names: _task(e, names, f"a task {_words(e.reason)}"),
    referral.TaskDone.type: lambda e, names: f"a task is done by {names(e.done_by)}: {_words(e.kind)}",
}
