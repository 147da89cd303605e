"""Rules as sentences: `given(state).when(decide, input, at=...).then(event, ..., rows=(...))`. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from attune_contracts.event import Event
from chassis.decision import Cause, Decision, Refused, derived_id

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday, long before the change to summer time."""

_UNSAID: Any = object()


def some_id(name: str) -> UUID:
    """The same UUIDv7 for the same name in every run."""
    return derived_id(UUID("019cae6c-0000-7000-8000-000000000000"), name)


@dataclass(frozen=True)
class Then:
    """What a rule decided, or the refusal it raised."""

    decision: Decision
    refusal: Refused | None = None

    def then(self, *events: Event, rows: Any = _UNSAID, reply: Any = _UNSAID, due: Any = _UNSAID) -> Decision:
        """Exactly these events, in this order; rows, reply and due keys only where they are said."""
        if self.refusal is not None:
            raise AssertionError(f"refused by {type(self.refusal).__name__}") from self.refusal
        assert self.decision.told == events
        if rows is not _UNSAID:
            assert self.decision.rows == tuple(rows)
        if reply is not _UNSAID:
            assert self.decision.reply == reply
        if due is not _UNSAID:
            assert self.decision.due == tuple(due)
        return self.decision

    def then_nothing(self) -> Decision:
        """Neither an event nor a row: the input had been handled before, or is no concern of this service."""
        return self.then(rows=())

    def then_refused(self, rule: type[Refused], field: str | None = _UNSAID) -> Refused:
        """The rule says no, under this name and about this field."""
        assert self.refusal is not None, f"not refused: {self.decision}"
        assert type(self.refusal) is rule
        assert 400 <= self.refusal.status < 500
        if field is not _UNSAID:
            assert self.refusal.field == field
        return self.refusal

    @property
    def events(self) -> tuple[Event, ...]:
        return self.then_decided().told

    @property
    def row(self) -> Any:
        """The only row changed."""
        (row,) = self.then_decided().rows
        return row

    def then_decided(self) -> Decision:
        """The decision, for assertions of one's own."""
        if self.refusal is not None:
            raise AssertionError(f"refused by {type(self.refusal).__name__}") from self.refusal
        return self.decision


@dataclass(frozen=True)
class Given:
    """The state that a rule finds."""

    state: Any
    cause: Cause

    def by(self, caller: UUID) -> Self:
        """The subject of the caller's token."""
        return replace(self, cause=replace(self.cause, by=str(caller)))

    def when(
        self,
        decide: Callable[[Any, Any, Cause], Decision],
        given: Any,
        *,
        at: datetime = NOON,
        cause_id: UUID | None = None,
    ) -> Then:
        """The rule decides about this input at that instant; `cause_id` is the input's own id."""
        cause = replace(self.cause, at=at, id=cause_id or self.cause.id)
        try:
            return Then(decide(self.state, given, cause))
        except Refused as refusal:
            return Then(Decision(), refusal)


def given(state: Any = None) -> Given:
    """The row, or the rows, that the rule is given; None where there is none yet."""
    return Given(state, Cause(id=some_id("cause"), at=NOON))
