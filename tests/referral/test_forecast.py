"""The rule of three behind a forecast, and how work is spread."""

from datetime import timedelta

import pytest

from services.referral.domain.fairness import Count, fairness
from services.referral.domain.forecast import FARTHEST, WEEKS, Outlook, forecast, looks_back
from tests.referral.builders import member, pool
from tests.support.given import NOON, some_id


@pytest.mark.parametrize(
    ("ahead", "free", "freed", "weeks"),
    [
        (2, 2, 0, 0),
        (2, 3, 8, 0),
        (3, 2, 0, None),
        (2, 0, 16, 1),
        (3, 0, 16, 2),
        (4, 0, 16, 2),
        (5, 0, 16, 3),
        (1, 0, 1, 8),
        (6, 2, 8, 4),
    ],
)
def test_points_that_are_missing_over_points_that_come_free_in_a_week_rounded_up(
    ahead: int, free: int, freed: int, weeks: int | None
) -> None:
    found = forecast(Outlook(ahead, free, freed), NOON)
    assert found.weeks == weeks
    assert found.expected_by == (None if weeks is None else NOON + timedelta(weeks=weeks))
    assert (found.rule, found.rule_version, found.weeks_looked_back) == ("points-per-week", 1, WEEKS)
    assert looks_back(NOON) == NOON - timedelta(days=56)


@pytest.mark.parametrize(("missing", "named"), [(65, True), (66, False), (52_100, False), (10**15, False)])
def test_beyond_ten_years_the_weeks_are_told_and_no_day_is_named(missing: int, named: bool) -> None:
    found = forecast(Outlook(missing, 0, 1), NOON)
    assert found.weeks == missing * WEEKS
    assert found.expected_by == (NOON + timedelta(weeks=FARTHEST) if named else None)


def test_shares_are_of_the_contracted_capacity_and_refusals_of_all_that_was_given() -> None:
    members = pool(
        member("ann", capacity=10, used=5),
        member("ben", capacity=4, used=4),
        member("cyd", capacity=0),
        member("dot", capacity=8, left_at=NOON),
        member("eve", capacity=8, competences=()),
    )
    ann, dot = some_id("ann"), some_id("dot")
    counts = {ann: Count(ann, 2, 6, 1, 0), dot: Count(dot, 0, 1, 1, 1)}
    found = fairness(members, counts, NOON - timedelta(days=90), NOON)
    shown = {m.practitioner_id: m for m in found.members}
    assert dot not in shown
    assert [shown[some_id(n)].share for n in ("ann", "ben", "cyd", "eve")] == [0.5, 1.0, None, 0.0]
    assert (shown[ann].open_cases, shown[ann].assigned, shown[ann].declined) == (2, 6, 1)
    assert (found.capacity_points, found.used_points, found.share) == (22, 9, 0.409)
    assert (found.difference, found.declined, found.lapsed, found.refused_share) == (0.5, 2, 1, 0.3)


def test_a_team_without_anybody_has_figures_too() -> None:
    found = fairness(pool(), {}, NOON, NOON)
    assert (found.share, found.difference, found.refused_share, found.members) == (None, 0.0, None, ())
