"""What a service decides for itself about its consultations: what a person triages, how long each clock may run."""

from __future__ import annotations

from datetime import datetime

from attune_contracts.referral import ClockName, ConsultationKind
from chassis.decision import Cause, Decision, Reply
from chassis.value import replace, value
from services.referral.domain.commands import SetConsultationRules
from services.referral.domain.course_refusals import ClockNamedTwice, DueSoonTooEarly

NAME = "consultation"
"""The one row of its table."""


@value(frozen=True, slots=True)
class Term:
    """How long one clock may run: whole days after the day on which it starts."""

    clock: ClockName
    days: int
    working: bool
    """Counts working days; else all days."""
    soon: int
    """Days of the same kind before its end from which on it is due soon."""
    may_pause: bool
    raises_task: bool
    """A breach is a task for the leads of the team, and not only shown and told."""


@value(frozen=True, slots=True)
class Rules:
    """The rules as they stand. `edition` counts the changes, and stands in what clocks tell."""

    name: str
    edition: int
    terms: tuple[Term, ...]
    triaged_by_person: tuple[ConsultationKind, ...]
    """Requests by professionals that wait for a person's triage; all others are accepted at once."""
    changed_at: datetime | None
    changed_by: str

    def term(self, clock: ClockName) -> Term | None:
        """Null for a clock that this service does not keep."""
        return next((t for t in self.terms if t.clock == clock), None)


DEFAULT = Rules(
    name=NAME,
    edition=1,
    terms=(
        Term("acknowledged", 2, working=True, soon=1, may_pause=False, raises_task=False),
        Term("triaged", 5, working=True, soon=1, may_pause=True, raises_task=True),
        Term("held", 10, working=True, soon=2, may_pause=True, raises_task=False),
        Term("reported", 5, working=True, soon=1, may_pause=False, raises_task=False),
        Term("contact", 15, working=True, soon=3, may_pause=True, raises_task=True),
        Term("first_contact", 6 * 7, working=False, soon=7, may_pause=True, raises_task=False),
        Term("ceiling", 18 * 7, working=False, soon=14, may_pause=False, raises_task=True),
    ),
    triaged_by_person=(),
    changed_at=None,
    changed_by="",
)
"""What holds until a service says otherwise."""


class RulesInForce(Reply):
    """The rules from now on; every open consultation is reckoned by them within a day."""

    edition: int


def set_rules(rules: Rules | None, command: SetConsultationRules, cause: Cause) -> Decision[RulesInForce]:
    """New terms for the clocks, and which requests a person triages."""
    terms = tuple(
        Term(t.clock, t.days, working=t.working, soon=t.soon, may_pause=t.may_pause, raises_task=t.raises_task)
        for t in command.terms
    )
    if len({t.clock for t in terms}) != len(terms):
        raise ClockNamedTwice
    if any(t.soon >= t.days for t in terms):
        raise DueSoonTooEarly
    before = rules or DEFAULT
    after = replace(before, terms=terms, triaged_by_person=command.triaged_by_person)
    if after == before:
        return Decision(reply={"edition": before.edition})
    after = replace(after, edition=before.edition + 1, changed_at=cause.at, changed_by=cause.by)
    return Decision(rows=(after,), reply={"edition": after.edition})
