"""May this person be written to? Default: no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.notification.domain.policy import Allowed, may_send
from tests.notification.examples import a_standing
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
        ({"kind": "caregiver", "review_on": TODAY + timedelta(days=9)}, "policy_unknown"),
    ],
)
def test_staff_are_written_to_unless_something_forbids_it(changes: dict[str, Any], verdict: object) -> None:
    assert may_send(a_standing(**changes), "practitioner", NOON) == verdict


def test_nobody_known_is_nobody_written_to() -> None:
    assert may_send(None, "practitioner", NOON) == "unknown_recipient"


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
    assert may_send(a_standing(kind="caregiver", review_on=review_on), "caregiver", NOON) == verdict


def test_a_caregivers_text_never_goes_to_staff() -> None:
    assert may_send(a_standing(review_on=TODAY + timedelta(days=9)), "caregiver", NOON) == "policy_unknown"
