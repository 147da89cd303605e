"""Who is in the pool, who may take cases at which instant, and who must hand over."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.workforce import (
    AbsenceEnded,
    AbsenceStarted,
    CapacityChanged,
    CompetenceAwarded,
    CompetenceExpired,
    CompetenceSuspended,
    PractitionerLeft,
    PractitionerRegistered,
)
from services.referral.domain import membership
from services.referral.domain.pool import (
    COMPETENCE,
    Absence,
    Competence,
    Member,
    available,
    hand_over_reason,
    seen,
)
from tests.referral.builders import CERTIFIED, TEAM, member, pool
from tests.support.given import NOON, given, some_id

ANN = some_id("ann")
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def only(row: Any) -> Member:
    (found,) = row.members
    assert isinstance(found, Member)
    return found


def registered(**said: Any) -> PractitionerRegistered:
    fields = {"practitioner_id": ANN, "team_id": TEAM, "role": "specialist", "capacity_points": 12}
    return PractitionerRegistered(**{**fields, "languages": ("en", "pl"), "registered_at": NOON, **said})


def left() -> PractitionerLeft:
    return PractitionerLeft(practitioner_id=ANN, team_id=TEAM, reason="retired", left_at=NOON)


def awarded(**said: Any) -> CompetenceAwarded:
    period = {"valid_from": NOON, "valid_until": NOON + DAY}
    fields = {"practitioner_id": ANN, "team_id": TEAM, "competence": COMPETENCE, "awarded_at": NOON}
    return CompetenceAwarded(**{**fields, **period, **said})


def absent(**said: Any) -> AbsenceStarted:
    fields = {"practitioner_id": ANN, "team_id": TEAM, "absence_id": some_id("leave"), "kind": "leave"}
    return AbsenceStarted(**{**fields, "until": None, "hand_over": False, "started_at": NOON, **said})


def test_a_specialist_founds_the_pool_of_the_team_and_takes_cases_once_certified() -> None:
    then = given(None).when(membership.practitioner_registered, registered())
    then.then(due=(TEAM,))
    assert (only(then.row).capacity_points, only(then.row).used_points, then.row.free_points) == (12, 0, 0)
    then = given(then.row).when(membership.competence_awarded, awarded())
    assert then.row.free_points == 12


@pytest.mark.parametrize("role", ["health_visitor", "midwife", "other"])
def test_other_professionals_are_not_in_the_pool(role: str) -> None:
    given(None).when(membership.practitioner_registered, registered(role=role)).then_nothing()
    given(None).when(membership.competence_awarded, awarded()).then_nothing()
    given(None).when(membership.practitioner_left, left()).then_nothing()


def test_a_repeated_registration_changes_nothing_and_a_return_begins_anew_with_the_cases_still_there() -> None:
    gone = member("ann", used=4, left_at=NOON)
    given(pool(member("ann"))).when(membership.practitioner_registered, registered()).then_nothing()
    given(pool(gone)).when(membership.practitioner_registered, registered()).then_nothing()
    back = given(pool(gone)).when(membership.practitioner_registered, registered(registered_at=NOON + MOMENT)).row
    assert (only(back).left_at, only(back).capacity_points, only(back).used_points) == (None, 12, 4)


def test_a_certificate_counts_from_its_first_instant_until_just_before_its_last() -> None:
    ann = member("ann", competences=(Competence(COMPETENCE, NOON, NOON + DAY),))
    assert not available(ann, NOON - MOMENT)
    assert available(ann, NOON)
    assert available(ann, NOON + DAY - MOMENT)
    assert not available(ann, NOON + DAY)


def test_another_certificate_does_not_count() -> None:
    assert not available(member("ann", competences=(replace(CERTIFIED, code="eao_administration"),)), NOON)


def test_an_absence_ends_at_its_last_instant_even_where_nobody_reports_the_return() -> None:
    ann = member("ann", absences=(Absence(some_id("leave"), NOON + DAY, hand_over=False),))
    assert not available(ann, NOON + DAY - MOMENT)
    assert available(ann, NOON + DAY)


def test_the_pool_is_due_when_a_certificate_begins_or_ends_or_an_absence_ends() -> None:
    begins, ends, returns = NOON + DAY, NOON + 2 * DAY, NOON + 3 * DAY
    ann = member("ann", competences=(Competence(COMPETENCE, begins, ends),))
    ben = member("ben", competences=(), absences=(Absence(some_id("leave"), returns, hand_over=False),))
    dues = [seen(TEAM, (ann, ben), None, at).next_due_at for at in (NOON, begins, ends, returns)]
    assert dues == [begins, ends, returns, None]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, None),
        ({"used": 4}, None),
        ({"used": 5}, "capacity_reduced"),
        ({"used": 1, "left_at": NOON}, "practitioner_left"),
        ({"used": 1, "competences": ()}, "competence_lost"),
        ({"used": 1, "absences": (Absence(some_id("leave"), None, hand_over=True),)}, "absence"),
        ({"used": 1, "absences": (Absence(some_id("leave"), NOON, hand_over=True),)}, None),
        ({"used": 4, "absences": (Absence(some_id("leave"), None, hand_over=False),)}, None),
        ({"used": 0, "left_at": NOON}, None),
    ],
)
def test_who_must_hand_over_and_why(said: dict[str, Any], reason: str | None) -> None:
    assert hand_over_reason(member("ann", capacity=4, **said), NOON) == reason


def test_whoever_leaves_takes_no_more_cases_and_hands_over() -> None:
    then = given(pool(member("ann", used=2))).when(membership.practitioner_left, left())
    assert (then.row.free_points, then.row.hands_over, then.row.next_due_at) == (0, True, NOON)
    assert only(then.row).must_hand_over == "practitioner_left"
    given(then.row).when(membership.practitioner_left, left()).then_nothing()


def test_a_renewal_counts_on_where_the_old_certificate_expires() -> None:
    until = NOON + 2 * DAY
    ann = member("ann", competences=(Competence(COMPETENCE, NOON - DAY, NOON + DAY),))
    row = given(pool(ann)).when(membership.competence_awarded, awarded(valid_until=until)).row
    expired = CompetenceExpired(
        practitioner_id=ANN, team_id=TEAM, competence=COMPETENCE, valid_until=NOON + DAY, expired_at=NOON + DAY
    )
    row = given(row).when(membership.competence_expired, expired, at=NOON + DAY).row
    assert only(row).competences == (Competence(COMPETENCE, NOON, until),)
    assert available(only(row), NOON + DAY)


def test_a_suspension_ends_every_certificate_of_that_competence_at_once() -> None:
    suspended = CompetenceSuspended(
        practitioner_id=ANN, team_id=TEAM, competence=COMPETENCE, reason="review", suspended_at=NOON
    )
    then = given(pool(member("ann", used=2))).when(membership.competence_suspended, suspended)
    assert only(then.row).must_hand_over == "competence_lost"
    given(then.row).when(membership.competence_suspended, suspended).then_nothing()


@pytest.mark.parametrize(("points", "free", "hands_over"), [(8, 4, False), (4, 0, False), (3, 0, True)])
def test_a_changed_capacity_frees_points_or_hands_over_what_is_beyond_it(
    points: int, free: int, hands_over: bool
) -> None:
    changed = CapacityChanged(practitioner_id=ANN, team_id=TEAM, capacity_points=points, changed_at=NOON)
    row = given(pool(member("ann", capacity=6, used=4))).when(membership.capacity_changed, changed).row
    assert (row.free_points, row.hands_over) == (free, hands_over)


def test_an_older_change_of_capacity_does_not_undo_a_newer_one() -> None:
    ann = member("ann", capacity_since=NOON)
    changed = CapacityChanged(practitioner_id=ANN, team_id=TEAM, capacity_points=1, changed_at=NOON - MOMENT)
    given(pool(ann)).when(membership.capacity_changed, changed).then_nothing()


def test_an_absence_begins_once_and_ends() -> None:
    then = given(pool(member("ann", used=2))).when(membership.absence_started, absent(hand_over=True))
    assert (then.row.free_points, only(then.row).must_hand_over) == (0, "absence")
    given(then.row).when(membership.absence_started, absent(hand_over=True)).then_nothing()
    back = AbsenceEnded(practitioner_id=ANN, team_id=TEAM, absence_id=some_id("leave"), ended_at=NOON)
    row = given(then.row).when(membership.absence_ended, back).row
    assert (row.free_points, row.hands_over, only(row).absences) == (2, False, ())
    given(row).when(membership.absence_ended, back).then_nothing()
