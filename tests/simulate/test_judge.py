"""The judge of a simulated year finds each fault that it is there for, and finds none where all is well."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from attune.simulate.judge import Caregiver, Known, Letter, Told, coverage, judge, waits
from tests.referral.builders import some_id

MONDAY = datetime(2026, 11, 30, 9, tzinfo=UTC)
CHILD, CASE, SCREENING = some_id("child"), str(some_id("case")), str(some_id("screening"))
TEAM, FAMILY, PARENT, STAFF = some_id("team"), some_id("family"), some_id("parent"), some_id("staff")


def told(kind: str, days: float = 0, **data: Any) -> Told:
    return Told(kind, MONDAY + timedelta(days=days), {"consultation_id": CASE, "child_id": str(CHILD)} | data)


SCREENED = told("screening-completed", screening_id=SCREENING, outcome="concern", age_days=45, consultation_id=None)
ASKED = told("consultation-requested", screening_id=SCREENING)
ASSIGNED = told("case-assigned", waited_seconds=86_400, team_id=str(TEAM))
ACKNOWLEDGED = told("consultation-acknowledged", 1)
HELD = told("consultation-held", 7)
REPORTED = told("consultation-reported", 9)
SECOND = told("consultation-requested", screening_id=SCREENING, consultation_id="two")
WELL = (SCREENED, ASKED, ASSIGNED, ACKNOWLEDGED, HELD, REPORTED)


def known(*events: Told, letters: tuple[Letter, ...] = (), caregivers: dict[UUID, Caregiver] | None = None) -> Known:
    born = {CHILD: date(2026, 10, 16)}
    return Known(MONDAY + timedelta(days=100), born, events, letters, caregivers or {}, frozenset({STAFF}))


def faults(shown: Known) -> set[str]:
    return {name for name, figure in judge(shown).figures.items() if figure}


def test_where_all_is_well_nothing_is_found() -> None:
    assert faults(known(*WELL)) == set()


def without(*left_out: Told) -> tuple[Told, ...]:
    return tuple(t for t in WELL if t not in left_out)


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ((), "unexplained_unscreened"),
        ((SCREENED,), "concerns_without_consultation"),
        ((*WELL, SECOND), "concerns_without_consultation"),
        (without(REPORTED), "consultations_without_end"),
        (without(ACKNOWLEDGED), "silent_breaches"),
        (without(HELD), "silent_breaches"),
    ],
)  # fmt: skip
def test_each_fault_is_found(events: tuple[Told, ...], fault: str) -> None:
    assert fault in faults(known(*events))


def test_a_child_is_explained_by_a_failsafe_or_by_having_gone() -> None:
    died = told("child-died", pregnancy_id=str(FAMILY), consultation_id=None)
    moved_out = told("child-moved", to_team_id=None, consultation_id=None)
    for explanation in (told("screening-missed", consultation_id=None), died, moved_out):
        assert faults(known(explanation)) == set()
    assert faults(known(told("child-moved", consultation_id=None, to_team_id=str(TEAM)))) == {"unexplained_unscreened"}


def test_a_breach_that_was_told_is_not_silent() -> None:
    assert faults(known(*without(ACKNOWLEDGED), told("clock-breached", 3, clock="acknowledged"))) == set()


def test_no_clock_runs_for_a_child_that_had_gone_before_it_was_due() -> None:
    late = (SCREENED, ASKED, ASSIGNED, ACKNOWLEDGED, told("consultation-held", 40), told("consultation-reported", 41))
    moved: dict[str, Any] = {"to_team_id": None, "consultation_id": None}
    assert faults(known(*late)) == {"silent_breaches"}
    assert faults(known(*late, told("child-moved", -7, **moved))) == set()
    assert faults(known(*late, told("child-moved", 30, **moved))) == {"silent_breaches"}
    assert faults(known(*late, told("records-merged", -7, consultation_id=None, pregnancy_id=str(FAMILY)))) == {
        "silent_breaches"
    }


def test_a_consultation_may_wait_or_have_ended_instead_of_a_report() -> None:
    waiting = told("waiting-list-joined")
    late = told("clock-breached", 14, clock="held")
    assert faults(known(SCREENED, ASKED, waiting, ACKNOWLEDGED, late)) == set()
    assert faults(known(SCREENED, ASKED, ASSIGNED, told("case-closed", 1))) == set()
    assert faults(known(SCREENED, ASKED, ASSIGNED, told("consultation-triaged", 1, decision="declined"))) == set()


def test_letters_to_caregivers_follow_their_policy() -> None:
    at = MONDAY + timedelta(days=2)
    may = {PARENT: Caregiver(PARENT, FAMILY, True)}
    letter = (Letter(PARENT, at), Letter(STAFF, at))
    loss = told("pregnancy-ended", 1, pregnancy_id=str(FAMILY), consultation_id=None)
    assert faults(known(*WELL, letters=letter, caregivers=may)) == set()
    assert faults(known(*WELL, letters=letter)) == {"messages_against_policy"}
    assert faults(known(*WELL, letters=letter, caregivers={PARENT: Caregiver(PARENT, FAMILY, False)})) == {
        "messages_against_policy"
    }
    assert faults(known(*WELL, loss, letters=letter, caregivers=may)) == {"messages_against_policy"}


def test_coverage_and_waits_are_counted_by_team() -> None:
    shown = known(*WELL)
    assert coverage(shown, {CHILD: 3})[3].screened_by_56_days == 1
    assert waits(shown) == {TEAM: [1.0]}
