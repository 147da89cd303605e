"""Bad input is refused by field and rule, and never quoted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chassis.commands import Command, parse
from chassis.problem import Problem
from services.screening.domain.commands import RecordBirth, RecordScreening, RegisterPregnancy
from tests.screening import examples
from tests.support.given import some_id

BIRTH = {"born_on": "2026-03-01", "team_id": str(examples.TEAM)}
PREGNANCY = {"team_id": str(examples.TEAM), "expected_on": "2026-06-01"}
SCREENING = json.loads(examples.screening().model_dump_json())


@pytest.mark.parametrize(
    ("model", "body", "changes", "field"),
    [
        (RecordBirth, BIRTH, {"nhs_number": "9434765918"}, "nhs_number"),
        (RecordBirth, BIRTH, {"nhs_number": "943 476 5919"}, "nhs_number"),
        (RecordBirth, BIRTH, {"nhs_number": "94347659190"}, "nhs_number"),
        (RecordBirth, BIRTH, {"nhs_number": 9434765919}, "nhs_number"),
        (RecordBirth, BIRTH, {"mother_nhs_number": "9434765918"}, "mother_nhs_number"),
        (RecordBirth, BIRTH, {"children_born": 5}, "children_born"),
        (RecordBirth, BIRTH, {"born_on": "2026-02-30"}, "born_on"),
        (RecordBirth, BIRTH, {"name": "Nobody"}, "name"),
        (RegisterPregnancy, PREGNANCY, {"expected_children": 0}, "expected_children"),
        (RegisterPregnancy, PREGNANCY, {"expected_children": 5}, "expected_children"),
        (RegisterPregnancy, PREGNANCY, {"expected_children": True}, "expected_children"),
        (RecordScreening, SCREENING, {"screened_at": "2026-03-02T12:00:00"}, "screened_at"),
        (RecordScreening, SCREENING, {"seconds_observed": "120"}, "seconds_observed"),
        (RecordScreening, SCREENING, {"seconds_observed": -1}, "seconds_observed"),
        (RecordScreening, SCREENING, {"child_id": "9434765919"}, "child_id"),
        (RecordScreening, SCREENING, {"override": {"outcome": "concern"}}, "override.reason"),
        (RecordScreening, SCREENING, {"override": {"outcome": "worried", "reason": "x"}}, "override.outcome"),
        (RecordScreening, SCREENING, {"observed": {"fear": True}}, "observed"),
        (RecordScreening, SCREENING, {"observed": {"fear": 1.5}}, "observed"),
        (RecordScreening, SCREENING, {"answers": {"first_weeks": "x" * 4001}}, "answers"),
        (RecordScreening, SCREENING, {"answers": {"first_weeks": "a\u0000b"}}, "answers"),
        (RecordScreening, SCREENING, {"language": "English"}, "language"),
    ],
)
def test_what_breaks_the_form_is_refused(
    model: type[Command], body: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Problem) as refused:
        parse(model, json.dumps(body | changes).encode())
    assert refused.value.status == 422
    assert (refused.value.errors[0].field or "").startswith(field)
    for value in ("9434765918", "943 476 5919", "94347659190", "Nobody", "worried", "English"):
        assert value.encode() not in refused.value.body()


def test_synthetic_numbers_of_the_never_issued_range_are_taken() -> None:
    command = parse(RecordBirth, json.dumps(BIRTH | {"nhs_number": "9350128438"}).encode())
    assert command.nhs_number == "9350128438"


def test_a_screening_may_bring_its_own_id() -> None:
    body = SCREENING | {"screening_id": str(some_id("own"))}
    assert parse(RecordScreening, json.dumps(body).encode()).screening_id == some_id("own")
