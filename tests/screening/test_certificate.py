"""Certificates as screening hears of them: an instant decides, the order of hearing does not."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from attune_contracts.workforce import CompetenceAwarded, CompetenceExpired, CompetenceSuspended
from services.screening.domain import certificate
from services.screening.domain.certificate import standing
from tests.screening.examples import HEALTH_VISITOR, TEAM
from tests.support.given import NOON, given

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
EAO = "eao_administration"
WHO = {"practitioner_id": HEALTH_VISITOR, "team_id": TEAM, "competence": EAO}


def award(valid_from: datetime = NOON, valid_until: datetime = NOON + DAY, at: datetime = NOON) -> CompetenceAwarded:
    return CompetenceAwarded(**WHO, valid_from=valid_from, valid_until=valid_until, awarded_at=at)  # type: ignore[arg-type]


def suspension(at: datetime) -> CompetenceSuspended:
    return CompetenceSuspended(**WHO, reason="conduct", suspended_at=at)  # type: ignore[arg-type]


def expiry(valid_until: datetime) -> CompetenceExpired:
    return CompetenceExpired(**WHO, valid_until=valid_until, expired_at=valid_until)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "expected"),
    [(NOON - TICK, "none"), (NOON, "valid"), (NOON + DAY - TICK, "valid"), (NOON + DAY, "lapsed")],
)
def test_valid_from_the_first_instant_and_no_more_at_the_last(at: datetime, expected: str) -> None:
    held = given(None).when(certificate.awarded, award()).row
    assert standing(held, EAO, at) == expected
    assert standing(held, "infant_mental_health", at) == "none"


def test_nobody_heard_of() -> None:
    assert standing(None, EAO, NOON) == "none"


@pytest.mark.parametrize(("at", "expected"), [(NOON + DAY / 2 - TICK, "valid"), (NOON + DAY / 2, "lapsed")])
def test_a_suspension_counts_from_its_instant(at: datetime, expected: str) -> None:
    held = given(None).when(certificate.awarded, award()).row
    held = given(held).when(certificate.suspended, suspension(NOON + DAY / 2)).row
    assert standing(held, EAO, at) == expected


def test_an_award_after_the_suspension_counts_again_whatever_was_heard_first() -> None:
    again = award(at=NOON + TICK)
    held = given(None).when(certificate.awarded, again).row
    held = given(held).when(certificate.suspended, suspension(NOON)).row
    assert standing(held, EAO, NOON + TICK) == "valid"


def test_the_same_again_is_nothing() -> None:
    held = given(None).when(certificate.awarded, award()).row
    given(held).when(certificate.awarded, award()).then_nothing()
    given(held).when(certificate.expired, expiry(NOON + DAY)).then_nothing()
    held = given(held).when(certificate.suspended, suspension(NOON)).row
    given(held).when(certificate.suspended, suspension(NOON)).then_nothing()


def test_an_expiry_or_a_suspension_whose_award_was_never_heard_of_is_a_lapsed_certificate() -> None:
    expired = given(None).when(certificate.expired, expiry(NOON)).row
    assert (standing(expired, EAO, NOON - TICK), standing(expired, EAO, NOON)) == ("none", "lapsed")
    suspended = given(None).when(certificate.suspended, suspension(NOON)).row
    assert (standing(suspended, EAO, NOON - TICK), standing(suspended, EAO, NOON)) == ("none", "lapsed")


def test_an_expiry_does_not_end_a_renewal() -> None:
    held = given(None).when(certificate.awarded, award()).row
    held = given(held).when(certificate.awarded, award(valid_until=NOON + 9 * DAY, at=NOON + TICK)).row
    given(held).when(certificate.expired, expiry(NOON + DAY)).then_nothing()
    assert standing(held, EAO, NOON + 2 * DAY) == "valid"
