"""Double rating: who is chosen, who may rate, what agreement means, and that the first result is not told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from attune_contracts.screening import SecondRatingRecorded, SecondRatingRequested
from chassis.commands import parse
from chassis.decision import Refused
from services.screening.domain import eligibility, outcome, rating, screening
from services.screening.domain.certificate import Certificates, Period
from services.screening.domain.child import RecordEnded
from services.screening.domain.commands import DoubleRating, RecordSecondRating
from services.screening.domain.rating import AtRating, SecondRating, is_chosen
from tests.screening import examples
from tests.support.given import NOON, given, some_id

SECOND = some_id("second rater")
ALL, NOBODY = DoubleRating(share_percent=100, seed="s"), DoubleRating(share_percent=0, seed="s")


def certified(valid_until: Any = None) -> Certificates:
    until = valid_until or NOON + timedelta(days=100)
    return Certificates(SECOND, (Period("eao_administration", examples.LONG_AGO, until, examples.LONG_AGO),))


def screened(share: int = 100, *, valid: bool = True, **changes: Any) -> Any:
    pathway = examples.pathway()
    definition = pathway.definition.model_copy(update={"double_rating": DoubleRating(share_percent=share, seed="s")})
    at = examples.at_screening(
        examples.child(),
        certificates=examples.certified() if valid else None,
        pathway=type(pathway)(pathway.instrument, pathway.pathway, pathway.pathway_version, definition),
    )
    return given(at).when(screening.record, examples.screening(**changes)).then_decided()


def at_rating(**parts: Any) -> AtRating:
    first, child, asked = screened().rows
    facts = {"asked": asked, "screening": first, "child": child, "instrument": examples.instrument()}
    return AtRating(**(facts | {"certificates": certified()} | parts))


def rated(**changes: Any) -> RecordSecondRating:
    body = {"observed": examples.observed(), "rated_by": SECOND, "rated_at": NOON} | changes
    text = json.dumps(body, default=str).encode()
    return parse(RecordSecondRating, text, {"screening_id": str(screened().rows[0].screening_id)})


def test_the_choice_is_the_same_whoever_asks_and_near_its_share() -> None:
    ids = [uuid7() for _ in range(20_000)]
    tenth = DoubleRating(share_percent=10, seed="early-attachment-2026")
    chosen = {i for i in ids if is_chosen(i, tenth)}
    assert chosen == {i for i in ids if is_chosen(i, tenth)}
    assert 0.09 < len(chosen) / len(ids) < 0.11
    assert chosen != {i for i in ids if is_chosen(i, DoubleRating(share_percent=10, seed="another"))}
    assert chosen < {i for i in ids if is_chosen(i, DoubleRating(share_percent=20, seed="early-attachment-2026"))}
    assert all(is_chosen(i, ALL) and not is_chosen(i, NOBODY) for i in ids[:100])


def test_a_known_id_is_chosen_in_every_release() -> None:
    """The rule is part of the record: it never changes under the same seed."""
    found = [n for n in range(60) if is_chosen(UUID(int=n), DoubleRating(share_percent=10, seed="fixed"))]
    assert found == [9, 37, 51, 59]


def test_a_chosen_screening_asks_for_a_second_rater_without_telling_the_result() -> None:
    decision = screened()
    asked, event = decision.rows[2], decision.told[1]
    assert isinstance(asked, SecondRating)
    assert isinstance(event, SecondRatingRequested)
    assert (event.first_rater_id, event.rater_id, event.competence) == (
        examples.HEALTH_VISITOR, None, "eao_administration"
    )  # fmt: skip
    assert "outcome" not in type(event).model_fields
    assert (asked.share_percent, asked.seed) == (100, "s")


@pytest.mark.parametrize("without", [{"share": 0}, {"valid": False}])
def test_nobody_is_asked(without: dict[str, Any]) -> None:
    """Not chosen; or the first rater held no certificate, and the screening says nothing about the tool."""
    assert len(screened(**without).rows) == 2


@pytest.mark.parametrize(
    ("second", "agreement", "agreed"),
    [
        ({}, "same_outcome", 6),
        ({"soothing": 1}, "same_outcome", 5),
        ({"turning_towards": 3, "answering": 3, "playfulness": 2}, "different_outcome", 3),
    ],
)
def test_how_far_the_two_agree(second: dict[str, Any], agreement: str, agreed: int) -> None:
    command = rated(observed=examples.observed(**second))
    decision = given(at_rating()).when(rating.record, command).then_decided()
    (row,), (event,) = decision.rows, decision.told
    assert isinstance(event, SecondRatingRecorded)
    assert (event.agreement, event.items, event.items_agreed, event.first_outcome) == (
        agreement, 6, agreed, "no_concern"
    )  # fmt: skip
    assert set(decision.reply) == {"screening_id", "outcome"}
    given(at_rating(asked=row)).when(rating.record, command).then(rows=(), reply=decision.reply)
    other = rated(observed=examples.observed(soothing=3))
    given(at_rating(asked=row)).when(rating.record, other).then_refused(rating.RatedAlready)


def test_who_moved_out_is_rated_and_a_rating_of_before_the_end_stays() -> None:
    away = examples.child(ended="moved_out", ended_at=NOON)
    decision = given(at_rating(child=away)).when(rating.record, rated()).then_decided()
    (row,) = decision.rows
    gone = at_rating(asked=row, child=examples.child(ended="died", ended_at=NOON))
    given(gone).when(rating.record, rated()).then(rows=(), reply=decision.reply)


def test_an_override_of_the_first_is_not_what_the_second_is_compared_with() -> None:
    overridden = screened(override={"outcome": "concern", "reason": "I know the family."}).rows
    state = at_rating(screening=overridden[0], asked=overridden[2])
    (event,) = given(state).when(rating.record, rated()).events
    assert isinstance(event, SecondRatingRecorded)
    assert (event.agreement, event.first_outcome) == ("same_outcome", "no_concern")


@pytest.mark.parametrize(
    ("parts", "changes", "rule", "field"),
    [
        ({"asked": None}, {}, rating.NoSecondRatingAsked, "screening_id"),
        ({}, {"rated_by": examples.HEALTH_VISITOR}, rating.RaterIsTheFirst, "rated_by"),
        ({"child": examples.child(ended="adopted", ended_at=NOON)}, {}, RecordEnded, "child_id"),
        ({"child": examples.child(ended="died", ended_at=NOON)}, {}, RecordEnded, "child_id"),
        ({"certificates": None}, {}, rating.RaterNotCertified, "rated_by"),
        ({"certificates": certified(NOON)}, {}, rating.RaterNotCertified, "rated_by"),
        ({}, {"rated_at": NOON - timedelta(microseconds=1)}, rating.RatedBeforeScreening, "rated_at"),
        ({}, {"rated_at": NOON + timedelta(seconds=61)}, eligibility.InFuture, "rated_at"),
        ({}, {"observed": {"fear": "not_seen"}}, outcome.ObservationIncomplete, "observed"),
    ],
)
def test_ratings_refused(parts: dict[str, Any], changes: dict[str, Any], rule: type[Refused], field: str) -> None:
    given(at_rating(**parts)).when(rating.record, rated(**changes)).then_refused(rule, field)
