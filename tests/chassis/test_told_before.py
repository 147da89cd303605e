"""What was told before a restore is not told again; what says something else is, and stays visible (P2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from attune_contracts.event import encode
from chassis.decision import Cause
from chassis.told_before import ToldBefore
from chassis.writing import Told, Writing
from tests.chassis.toy import told

NOW = datetime.now(UTC)
CHILD, OTHER, CAUSE = uuid7(), uuid7(), uuid7()


def event(about: UUID = CHILD, *, id_: UUID | None = None, age_days: int = 1, at: datetime = NOW) -> Told:
    fact = told(about, Cause(CAUSE, at), age_days=age_days)
    return Told(id_ or uuid7(), about, fact.type, CAUSE, CAUSE, None, encode(fact))


def row(e: Told) -> dict[str, Any]:
    return {"event_id": e.id, "key": e.key, "type": e.type, "data": e.data}


def sorted_out(before: ToldBefore, *events: Told) -> tuple[list[Told], list[UUID]]:
    writing = Writing(NOW, events=list(events))
    before.sort_out(writing)
    return writing.events, writing.come_to_again


def test_the_same_fact_at_another_moment_is_not_told_again() -> None:
    first = event()
    again = event(at=NOW + timedelta(seconds=40))
    assert sorted_out(ToldBefore([row(first)]), again) == ([], [first.id])


def test_another_fact_is_told() -> None:
    before = ToldBefore([row(event())])
    others = [event(age_days=2), event(OTHER)]
    assert sorted_out(before, *others) == (others, [])


def test_what_was_told_once_covers_it_once() -> None:
    first = event()
    one, two = event(), event()
    assert sorted_out(ToldBefore([row(first)]), one, two) == ([two], [first.id])


def test_what_was_told_twice_covers_it_twice_the_earliest_first() -> None:
    a, b = event(), event()
    assert sorted_out(ToldBefore([row(a), row(b)]), event()) == ([], [a.id])
    assert sorted_out(ToldBefore([row(a), row(b)]), event(), event()) == ([], sorted([a.id, b.id]))


def test_something_else_under_an_id_of_then_is_neither_told_nor_forgotten() -> None:
    first = event()
    before = ToldBefore([row(first)])
    assert sorted_out(before, event(id_=first.id, age_days=9)) == ([], [])
    assert len(before) == 1


def test_a_batch_that_is_decided_again_comes_to_the_same_until_it_is_recorded() -> None:
    first = event()
    before = ToldBefore([row(first)])
    assert sorted_out(before, event()) == sorted_out(before, event()) == ([], [first.id])
    before.forget([first.id])
    assert len(before) == 0
    one = event()
    assert sorted_out(before, one) == ([one], [])
