"""What a team decides for itself: the order of its list, the weight of work; versions, and what they do not touch."""

from typing import Any

import pytest

from attune_contracts.referral import CaseAssigned
from chassis.decision import Due
from services.referral.domain.allocation import allocate
from services.referral.domain.commands import SetPolicy
from services.referral.domain.policy import STANDARD, Policy
from services.referral.domain.refusals import PolicyVersionTaken
from services.referral.domain.team_policy import PolicySet, set_policy
from tests.referral.builders import TEAM, at_work, case, member, pool, waiting
from tests.support.given import Then, given, replace, some_id

DAY = 24 * 60


def sets(before: Any, **said: Any) -> Then:
    return given(before).by(some_id("lead")).when(set_policy, SetPolicy(**{"team_id": TEAM, "version": 1, **said}))


def placed(policy: Policy | None, *cases: Any, capacity: int = 2) -> list[Any]:
    """Who gets a place of one practitioner, in order."""
    then = given(at_work(pool(member("ann", capacity=capacity), policy=policy), asked=cases)).when(allocate, Due(TEAM))
    return [e.consultation_id for e in then.events if isinstance(e, CaseAssigned)]


def test_the_next_version_is_in_force_and_kept() -> None:
    before = pool(member("ann"))
    row, kept = sets(before, offer_working_days=3).then(reply={"team_id": TEAM, "version": 1}).rows
    assert isinstance(kept, PolicySet)
    assert (row.policy, kept.policy, row.members) == (replace(STANDARD, version=1, offer_working_days=3),) * 2 + (
        before.members,
    )
    assert sets(row, offer_working_days=3).then_decided().rows == ()
    assert sets(row, version=2).then_decided().rows[0].policy == replace(STANDARD, version=2)


def test_a_team_whose_pool_has_no_member_yet_may_set_one() -> None:
    row, _ = sets(None).then_decided().rows
    assert (row.team_id, row.members) == (TEAM, ())


@pytest.mark.parametrize("version", [1, 3])
def test_nobody_overwrites_what_somebody_else_has_set(version: int) -> None:
    in_force = pool(policy=replace(STANDARD, version=1))
    sets(in_force, version=version, offer_working_days=1).then_refused(PolicyVersionTaken, field="version")


@pytest.mark.parametrize(
    ("head_start", "minutes", "first"),
    [
        (36_500, 50_000 * DAY // 1000, "urgent"),
        (10, 10 * DAY - 1, "urgent"),
        (10, 10 * DAY + 1, "routine"),
        (0, 1, "routine"),
    ],
)
def test_a_head_start_puts_an_urgent_case_before_those_who_have_waited_less_long(
    head_start: int, minutes: int, first: str
) -> None:
    policy = replace(STANDARD, version=1, head_start_days={"urgent": head_start, "routine": 0})
    cases = {"routine": case("a"), "urgent": case("b", minutes=minutes, band=0)}
    assert placed(policy, *cases.values()) == [cases[first].consultation_id]


def test_without_a_policy_no_wait_overtakes_an_urgent_case() -> None:
    routine, urgent = case("a"), case("b", minutes=1000 * DAY, band=0)
    assert placed(None, routine, urgent) == [urgent.consultation_id]


def test_work_weighs_what_the_policy_says_when_the_pool_first_sees_it() -> None:
    policy = replace(STANDARD, version=1, points={"case_consultation": 3, "reflective_discussion": 2})
    assert len(placed(policy, case("a"), case("b", minutes=1), capacity=5)) == 1
    assert len(placed(policy, case("a"), case("b", minutes=1), capacity=6)) == 2
    talk = case("c", minutes=2, kind="reflective_discussion", points=1, child_id=None, family_id=None)
    assert len(placed(policy, case("a"), talk, capacity=5)) == 2


def test_a_case_that_waits_already_keeps_its_weight_and_place() -> None:
    policy = replace(STANDARD, version=1, points={"case_consultation": 5, "reflective_discussion": 5})
    work = at_work(pool(member("ann", capacity=2), policy=policy), waiting=(waiting("a"),))
    row, after = given(work).when(allocate, Due(TEAM)).then_decided().rows
    assert (row.points, [m.used_points for m in after.members]) == (2, [2])
