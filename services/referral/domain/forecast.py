"""How long a place in the list may take: `points-per-week` version 1, which anybody can repeat by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from chassis.value import value

RULE = "points-per-week"
RULE_VERSION = 1
WEEKS = 8
"""So far back it is counted how many points the team's ended cases gave back."""
FARTHEST = 520
"""Weeks beyond which no day is named: what a team gives back will not be the same for ten years."""


@value(frozen=True, slots=True)
class Outlook:
    """What a forecast is made of; everything in it is shown with it."""

    points_ahead: int
    """What everybody in front wants, and the case itself."""
    free_points: int
    """Of all who could take a case now."""
    freed_points: int
    """By cases that ended in the last `WEEKS`."""


@value(frozen=True, slots=True)
class Forecast:
    """No promise: what is expected if as much comes free as of late. Null where nothing did, since nobody can say."""

    rule: str
    rule_version: int
    weeks_looked_back: int
    points_ahead: int
    free_points: int
    freed_points: int
    weeks: int | None
    expected_by: datetime | None
    """Null also where that is more than `FARTHEST` weeks ahead."""


def forecast(of: Outlook, at: datetime) -> Forecast:
    """Points that are wanted and not free, over the points that came free in a week, rounded up to whole weeks."""
    missing = max(0, of.points_ahead - of.free_points)
    weeks = None
    if not missing:
        weeks = 0
    elif of.freed_points:
        weeks = -(-missing * WEEKS // of.freed_points)
    return Forecast(
        rule=RULE,
        rule_version=RULE_VERSION,
        weeks_looked_back=WEEKS,
        points_ahead=of.points_ahead,
        free_points=of.free_points,
        freed_points=of.freed_points,
        weeks=weeks,
        expected_by=None if weeks is None or weeks > FARTHEST else at + timedelta(weeks=weeks),
    )


def looks_back(at: datetime) -> datetime:
    """From when on ended cases count."""
    return at - timedelta(weeks=WEEKS)
