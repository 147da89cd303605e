"""What the simulated city is like: numbers from the field where they are known, assumptions where they are not."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


class UnknownParameter(ValueError):
    """The city has no such number."""


@dataclass(frozen=True, slots=True)
class City:
    """Shares are of one. No published rate of concerning results exists: those are assumptions, to be overridden."""

    births: int = 9_000
    """Births in the year that is simulated."""
    days: int = 365
    """Days in which children are born; the simulation goes on until the last of them is past the screening window."""
    localities: int = 3
    """Each has a team of specialists with one waiting list, and is the team of the children who live there."""
    teams: int = 26
    """Health visiting teams, spread over the localities; coverage is told for each."""
    health_visitors: int = 130
    certified: float = 0.85
    """Health visitors with a certificate for the tool when the year begins; the others get theirs in one wave."""
    specialists: int = 8
    specialist_points: int = 12
    known_before_birth: float = 0.96
    given_at_new_birth_visit: float = 0.85
    """Families that are given the booklet within 14 days of the birth."""
    reviewed_by_56_days: float = 0.83
    reviewed_later: float = 0.12
    screened_at_review: float = 0.88
    monitor: float = 0.09
    concern: float = 0.09
    urgent: float = 0.005
    interpreter: float = 0.09
    twins: float = 0.015
    unsafe_contact: float = 0.03
    no_contact_policy: float = 0.02
    loss: float = 0.006
    still: float = 0.0035
    death: float = 0.001
    adopted: float = 0.0005
    moved_out: float = 0.02
    """Within the time that is simulated; 12 % by the second birthday."""
    moved_in: float = 0.01
    recorded_late: float = 0.05
    """Births that are recorded after days or weeks; a few of them with a wrong date, corrected later."""
    corrected: float = 0.01
    repeated: float = 0.02
    """Commands that arrive twice."""
    direct_work: float = 0.14
    """Consultations that lead to direct work with the family."""
    missed: float = 0.12
    cancelled: float = 0.08
    declined: float = 0.10
    sickness_days: int = 60
    """How long one specialist of the first locality is away, from the hundredth day on."""

    def with_(self, given: dict[str, str]) -> City:
        """The same city with other numbers. Raises UnknownParameter for a name or a value that is none."""
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        changed: dict[str, Any] = {}
        for name, text in given.items():
            if name not in kinds:
                raise UnknownParameter(f"{name} is none of {', '.join(sorted(kinds))}")
            try:
                changed[name] = kinds[name](text)
            except ValueError:
                raise UnknownParameter(f"{name} must be {kinds[name].__name__}") from None
            if changed[name] < 0:
                raise UnknownParameter(f"{name} must not be negative")
        return replace(self, **changed)
