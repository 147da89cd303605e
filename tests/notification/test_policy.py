"""May this person be written to? Default: no."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from services.notification.domain.hours import Hours
from services.notification.domain.policy import Allowed, Terms, Wait, may_send
from tests.notification.examples import AT_HOME, a_standing
from tests.support.given import NOON

TODAY = NOON.date()


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Allowed("email")),
        ({"channels": ("file", "email")}, Allowed("file")),
        ({"do_not_contact": True}, "do_not_contact"),
        ({"erased": True, "do_not_contact": True}, "recipient_left"),
        ({"channels": ()}, "no_channel_allowed"),
        ({"has_address": False}, "no_channel_allowed"),
        ({"channels": ("email", "file"), "has_address": False}, Allowed("file")),
        ({"review_on": TODAY - timedelta(days=900)}, Allowed("email")),
        ({"kind": "caregiver", "family": AT_HOME, "review_on": TODAY + timedelta(days=9)}, "policy_unknown"),
    ],
)
def test_staff_are_written_to_unless_something_forbids_it(changes: dict[str, Any], verdict: object) -> None:
    assert may_send(a_standing(**changes), "practitioner", NOON) == verdict


def test_nobody_known_is_nobody_written_to() -> None:
    assert may_send(None, "practitioner", NOON) == "unknown_recipient"


def to_caregiver(at: datetime = NOON, **changes: Any) -> object:
    care = {"kind": "caregiver", "review_on": TODAY + timedelta(days=90), "family": AT_HOME}
    return may_send(a_standing(**care | changes), "caregiver", at)


@pytest.mark.parametrize(
    ("review_on", "verdict"),
    [
        (None, "policy_unknown"),
        (TODAY, "policy_unknown"),
        (TODAY - timedelta(days=1), "policy_unknown"),
        (TODAY + timedelta(days=1), Allowed("email")),
    ],
)
def test_a_caregiver_is_written_to_only_under_a_policy_in_force(review_on: object, verdict: object) -> None:
    assert to_caregiver(review_on=review_on) == verdict


@pytest.mark.parametrize(("minutes_before", "verdict"), [(1, Allowed("letter")), (0, "policy_unknown")])
def test_the_day_of_a_review_begins_at_midnight_in_england(minutes_before: int, verdict: object) -> None:
    midnight = datetime(2026, 6, 30, 23, tzinfo=UTC)  # summer time
    at = midnight - timedelta(minutes=minutes_before)
    assert to_caregiver(at, channels=("letter",), has_post=True, review_on=date(2026, 7, 1)) == verdict


def test_a_caregivers_text_never_goes_to_staff() -> None:
    assert may_send(a_standing(review_on=TODAY + timedelta(days=9)), "caregiver", NOON) == "policy_unknown"


@pytest.mark.parametrize(
    ("family", "verdict"),
    [
        (None, "family_unknown"),
        (replace(AT_HOME, is_caregiver=False), "family_unknown"),
        (replace(AT_HOME, ended="child_died"), "child_died"),
        (replace(AT_HOME, ended="stillborn", flagged=True), "stillborn"),
        (replace(AT_HOME, loss=True), "loss_in_family"),
        (replace(AT_HOME, flagged=True), "safety_flag"),
    ],
)
def test_after_a_loss_or_a_risk_or_where_nothing_is_known_nothing_is_sent(family: object, verdict: object) -> None:
    assert to_caregiver(family=family) == verdict
    assert to_caregiver(family=family, do_not_contact=True, channels=()) == verdict


@pytest.mark.parametrize(
    ("channels", "has", "verdict"),
    [
        (("text", "email"), {"has_phone": True}, Allowed("text")),
        (("text", "email"), {}, Allowed("email")),
        (("letter",), {"has_post": True}, Allowed("letter")),
        (("letter",), {}, "no_channel_allowed"),
        (("phone",), {"has_phone": True}, "by_phone_only"),
        (("phone", "email"), {"has_phone": True}, Allowed("email")),
        ((), {"has_phone": True, "has_post": True}, "no_channel_allowed"),
    ],
)
def test_the_first_allowed_way_that_reaches_the_caregiver(channels: Any, has: Any, verdict: object) -> None:
    assert to_caregiver(channels=channels, **has) == verdict


SAFE = Terms(safe_hours=(Hours((0, 3), time(9), time(10, 30)), Hours((3,), time(17), time(23))))
NEVER = Terms(safe_hours=(Hours((0, 1, 2, 3, 4), time(19), time(23)), Hours((5, 6), time(9), time(17))))


@pytest.mark.parametrize("channel", ["email", "text", "file"])
@pytest.mark.parametrize(
    ("at", "until"),
    [
        (datetime(2026, 3, 2, 8, 59, tzinfo=UTC), datetime(2026, 3, 2, 9, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, 0, tzinfo=UTC), None),
        (datetime(2026, 3, 2, 10, 29, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 2, 10, 30, tzinfo=UTC), datetime(2026, 3, 5, 9, tzinfo=UTC)),
        (datetime(2026, 3, 5, 17, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 5, 18, 0, tzinfo=UTC), datetime(2026, 3, 9, 9, tzinfo=UTC)),
    ],
)
def test_a_caregiver_is_written_to_in_safe_hours_only(channel: str, at: datetime, until: datetime | None) -> None:
    verdict = to_caregiver(at, channels=(channel,), has_phone=True, terms=SAFE)
    assert verdict == (Allowed(channel) if until is None else Wait(until))  # type: ignore[arg-type]


def test_without_a_safe_hour_in_any_week_nothing_is_sent_but_by_post() -> None:
    assert to_caregiver(terms=NEVER) == "no_safe_time"
    assert to_caregiver(channels=("letter",), has_post=True, terms=NEVER) == Allowed("letter")


NIGHT = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
"""A Friday, as the quiet hours begin."""


@pytest.mark.parametrize(
    ("changes", "urgent", "verdict"),
    [
        ({}, False, Wait(datetime(2026, 3, 9, 8, tzinfo=UTC))),
        ({}, True, Allowed("email")),
        ({"terms": Terms(any_hour=True)}, False, Allowed("email")),
        ({"terms": Terms(zone="America/New_York")}, False, Allowed("email")),
        ({"terms": Terms(zone="Asia/Tokyo")}, False, Wait(datetime(2026, 3, 8, 23, tzinfo=UTC))),
        ({"channels": ("file",)}, False, Allowed("file")),
        ({"channels": ("text",), "has_phone": True}, False, Wait(datetime(2026, 3, 9, 8, tzinfo=UTC))),
    ],
)
def test_staff_have_quiet_hours_but_not_from_what_is_urgent(changes: Any, urgent: bool, verdict: object) -> None:
    assert may_send(a_standing(**changes), "practitioner", NIGHT, urgent=urgent) == verdict


def test_a_caregiver_is_left_in_peace_also_by_what_is_urgent() -> None:
    terms = Terms(any_hour=True)
    standing = a_standing(kind="caregiver", review_on=NIGHT.date() + timedelta(days=9), family=AT_HOME, terms=terms)
    assert may_send(standing, "caregiver", NIGHT, urgent=True) == Wait(datetime(2026, 3, 9, 8, tzinfo=UTC))
