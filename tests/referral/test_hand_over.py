"""A person moves a case: at once, within the capacity, and never into nowhere."""

from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.referral import CaseHandedOver
from chassis.decision import Due
from services.referral.domain.allocation import allocate
from services.referral.domain.commands import HandOverCase
from services.referral.domain.consultation import Consultation, Terms
from services.referral.domain.hand_over import CaseInPool, hand_over
from services.referral.domain.pool import Pool
from services.referral.domain.refusals import (
    CaseAlreadyTheirs,
    CaseHasNoPractitioner,
    CaseOfAnotherTeam,
    ConsultationNotOpen,
    NotInThisPool,
    PractitionerHasNoFreePlace,
    PractitionerUnavailable,
    UnknownConsultation,
)
from tests.referral.builders import TEAM, at_work, case, ended, held, member, pool
from tests.support.given import NOON, Then, given, some_id

MINE = held("a", by="ann")
BOTH = pool(member("ann", used=2), member("ben", used=2))


def moved(to: str | None, *, case: Consultation | None = MINE, in_pool: Pool | None = BOTH, **said: Any) -> Then:
    command = HandOverCase(
        **{
            "consultation_id": some_id("case a"),
            "team_id": TEAM,
            "to_practitioner_id": some_id(to) if to else None,
            **said,
        }
    )
    return given(CaseInPool(case, in_pool)).by(some_id("lead")).when(hand_over, command)


def test_the_case_and_its_points_move_together() -> None:
    then = moved("ben")
    then.then(
        CaseHandedOver(
            consultation_id=some_id("case a"),
            child_id=some_id("child a"),
            team_id=TEAM,
            requested_by=some_id("health visitor"),
            from_practitioner_id=some_id("ann"),
            to_practitioner_id=some_id("ben"),
            reason="manual",
            points=2,
            handed_over_at=NOON,
        ),
        reply={"consultation_id": some_id("case a"), "assigned_to": some_id("ben")},
        due=(TEAM,),
    )
    row, after = then.then_decided().rows
    assert (row.assigned_to, row.waiting_since, row.rule) == (some_id("ben"), None, None)
    assert [m.used_points for m in after.members] == [0, 4]
    assert after.next_due_at == NOON


def test_back_on_the_list_the_case_keeps_its_place_and_goes_to_somebody_else() -> None:
    then = moved(None)
    row, after = then.then_decided().rows
    assert (row.assigned_to, row.waiting_since, row.not_to) == (None, NOON, some_id("ann"))
    assert [m.used_points for m in after.members] == [0, 2]
    placed = given(at_work(after, waiting=(row,))).when(allocate, Due(TEAM)).then_decided().rows[0]
    assert placed.assigned_to == some_id("ben")


def test_since_when_a_case_is_without_owner_is_kept_until_somebody_has_it() -> None:
    later = NOON + timedelta(days=9)
    command = HandOverCase(consultation_id=some_id("case a"), team_id=TEAM, to_practitioner_id=None)
    row, after = given(CaseInPool(MINE, BOTH)).when(hand_over, command, at=later).then_decided().rows
    assert (row.waiting_since, row.terms) == (NOON, Terms(without_owner_since=later))
    placed = given(at_work(after, waiting=(row,))).when(allocate, Due(TEAM), at=later).then_decided().rows[0]
    assert (placed.assigned_to, placed.terms) == (some_id("ben"), Terms())
    gone = pool(member("ann", used=2, left_at=NOON))
    left = given(at_work(gone, leaving=(MINE,))).when(allocate, Due(TEAM), at=later).then_decided().rows[0]
    assert (left.assigned_to, left.terms) == (None, Terms(without_owner_since=later))


def test_a_case_that_nobody_else_can_take_waits_without_holding_up_the_others() -> None:
    row, after, _ = moved(None, in_pool=pool(member("ann", used=2))).then_decided().rows
    behind = case("b", minutes=1)
    (event,) = given(at_work(after, waiting=(row,), asked=(behind,))).when(allocate, Due(TEAM)).events
    assert event.subject == behind.child_id


def test_a_case_that_was_declined_and_is_then_given_to_somebody_by_name_stays_there() -> None:
    declined = held("a", by="ann", unsettled=True, terms=Terms(refused_by=(some_id("ben"),), leaves="offer_declined"))
    row, after = moved("ben", case=declined).then_decided().rows
    assert (row.assigned_to, row.unsettled, row.terms) == (some_id("ben"), False, Terms())
    given(at_work(after, ended=(row,))).when(allocate, Due(TEAM)).then()


def test_a_case_on_its_way_to_direct_work_goes_on_asking_with_whom_it_is_given_to() -> None:
    asks = held("a", by="ann", unsettled=True, place=NOON, terms=Terms(points_wanted=4))
    row, _ = moved("ben", case=asks).then_decided().rows
    assert (row.assigned_to, row.place, row.unsettled, row.terms) == (some_id("ben"), NOON, True, asks.terms)


@pytest.mark.parametrize(
    ("to", "said", "rule"),
    [
        ("ben", {"case": None}, UnknownConsultation),
        ("ben", {"case": ended(MINE)}, ConsultationNotOpen),
        ("ben", {"case": case("a")}, CaseHasNoPractitioner),
        ("ben", {"team_id": some_id("another team")}, CaseOfAnotherTeam),
        ("ben", {"in_pool": None}, CaseOfAnotherTeam),
        ("ann", {}, CaseAlreadyTheirs),
        ("nobody", {}, NotInThisPool),
        ("ben", {"in_pool": pool(member("ann", used=2), member("ben", left_at=NOON))}, PractitionerUnavailable),
        ("ben", {"in_pool": pool(member("ann", used=2), member("ben", competences=()))}, PractitionerUnavailable),
        ("ben", {"in_pool": pool(member("ann", used=2), member("ben", used=3))}, PractitionerHasNoFreePlace),
    ],
)
def test_what_cannot_be_handed_over_stays_where_it_is(to: str, said: dict[str, Any], rule: Any) -> None:
    moved(to, **said).then_refused(rule)
