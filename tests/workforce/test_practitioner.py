"""Practitioners: registered once, with a capacity, until they leave."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.workforce import CapacityChanged, PractitionerLeft, PractitionerRegistered
from chassis.decision import Due
from services.workforce.domain import absence, competence, practitioner
from services.workforce.domain.commands import ChangeCapacity, EndAbsence, RecordLeaving
from tests.support.given import NOON, given, some_id
from tests.workforce import examples
from tests.workforce.examples import ANNA, TEAM, anna, registration


def test_a_practitioner_is_registered_once() -> None:
    decision = (
        given(None)
        .when(practitioner.register, registration())
        .then(
            PractitionerRegistered(
                practitioner_id=ANNA,
                team_id=TEAM,
                role="specialist",
                capacity_points=12,
                languages=("en", "pl"),
                registered_at=NOON,
            ),
            reply={"practitioner_id": ANNA},
        )
    )
    again = given(decision.rows[0]).when(practitioner.register, registration())
    again.then(rows=(), reply={"practitioner_id": ANNA})


@pytest.mark.parametrize("changes", [{"team_id": some_id("b")}, {"role": "midwife"}, {"languages": ("en",)}])
def test_registering_differently_is_refused(changes: dict[str, Any]) -> None:
    given(anna()).when(practitioner.register, registration(**changes)).then_refused(
        practitioner.PractitionerRegisteredDifferently
    )


def test_capacity_changes_are_told_once() -> None:
    command = ChangeCapacity(practitioner_id=ANNA, capacity_points=8)
    decision = (
        given(anna())
        .when(practitioner.change_capacity, command)
        .then(CapacityChanged(practitioner_id=ANNA, team_id=TEAM, capacity_points=8, changed_at=NOON))
    )
    given(decision.rows[0]).when(practitioner.change_capacity, command).then(rows=())


def test_who_leaves_has_nothing_due_any_more() -> None:
    state = anna(competences=(examples.award_until(NOON + timedelta(days=1)),), next_due_at=NOON + timedelta(days=1))
    command = RecordLeaving(practitioner_id=ANNA, reason="retired")
    decision = (
        given(state)
        .when(practitioner.leave, command)
        .then(PractitionerLeft(practitioner_id=ANNA, team_id=TEAM, reason="retired", left_at=NOON))
    )
    (row,) = decision.rows
    assert row.next_due_at is None
    given(row).when(practitioner.leave, command, at=NOON + timedelta(days=2)).then(rows=(), reply=decision.reply)
    given(row).when(absence.clock, Due(ANNA), at=NOON + timedelta(days=2)).then_nothing()


COMMANDS = [
    (competence.award, examples.awarding(NOON, NOON + timedelta(days=1))),
    (competence.suspend, examples.suspending()),
    (practitioner.change_capacity, ChangeCapacity(practitioner_id=ANNA, capacity_points=1)),
    (absence.plan, examples.absence()),
    (absence.end, EndAbsence(practitioner_id=ANNA, absence_id=some_id("absence"))),
]


@pytest.mark.parametrize(("rule", "command"), COMMANDS)
def test_who_is_unknown_or_has_left_is_refused(rule: Any, command: Any) -> None:
    given(None).when(rule, command).then_refused(practitioner.UnknownPractitioner, "practitioner_id")
    gone = anna(left_at=NOON, leaving_reason="retired")
    given(gone).when(rule, command).then_refused(practitioner.PractitionerHasLeft, "practitioner_id")


def test_who_was_never_here_cannot_leave() -> None:
    command = RecordLeaving(practitioner_id=ANNA, reason="retired")
    given(None).when(practitioner.leave, command).then_refused(practitioner.UnknownPractitioner)


def test_who_has_left_is_not_registered_again() -> None:
    gone = anna(left_at=NOON, leaving_reason="retired")
    given(gone).when(practitioner.register, registration()).then_refused(practitioner.PractitionerHasLeft)
