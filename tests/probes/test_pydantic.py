"""What we assume of pydantic: what it lets pass by itself is why chassis/commands.py looks first."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

SECRET = "Marigold"


class Lax(BaseModel):
    number: int | None = None
    amount: float | None = None
    text: str | None = None


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    id: UUID | None = None
    at: AwareDatetime | None = None
    day: date | None = None
    number: int | None = None
    amount: float | None = None
    text: Annotated[str, StringConstraints(max_length=5)] | None = None


def rules(body: str | bytes) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        Strict.model_validate_json(body)
    return [error["type"] for error in refused.value.errors(include_url=False, include_input=False)]


def test_without_strictness_text_truth_and_fractions_become_numbers() -> None:
    for body in ('{"number": "7"}', '{"number": 7.0}'):
        assert Lax.model_validate_json(body).number == 7
    assert Lax.model_validate_json('{"number": true}').number == 1


def test_strict_models_take_ids_and_instants_as_text_from_json_and_nothing_else() -> None:
    body = '{"id": "019cae0b-44a0-7844-b9fc-1a1d29abf073", "at": "2026-03-02T10:00:00Z", "day": "2026-03-02"}'
    assert Strict.model_validate_json(body).at == datetime.fromisoformat("2026-03-02T10:00:00+00:00")
    assert rules('{"at": 7}') == ["datetime_type"]
    assert rules('{"at": "2026-03-02T10:00:00"}') == ["timezone_aware"]
    assert rules('{"number": 7.0}') == rules('{"number": "7"}') == rules('{"number": true}') == ["int_type"]


def test_not_a_number_passes_unless_it_is_forbidden() -> None:
    assert math.isnan(Lax.model_validate_json('{"amount": NaN}').amount or 0)
    assert rules('{"amount": NaN}') == rules('{"amount": Infinity}') == ["finite_number"]


def test_of_two_equal_names_the_last_wins() -> None:
    assert Lax.model_validate_json('{"text": "a", "text": "b"}').text == "b"


def test_nul_passes_and_a_lone_surrogate_and_bad_utf8_do_not() -> None:
    assert Strict.model_validate_json('{"text": "a\\u0000b"}').text == "a\0b"
    assert rules('{"text": "\\ud800"}') == rules(b'{"text": "\xff"}') == ["json_invalid"]


def test_depth_and_length_of_numbers_have_a_limit_of_its_own() -> None:
    assert rules('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}") == ["json_invalid"]
    assert rules('{"number": ' + "9" * 100_000 + "}") in (["json_invalid"], ["int_parsing_size"])


def test_errors_hold_the_input_unless_they_are_asked_not_to() -> None:
    """chassis/problem.py is the one renderer for this reason."""
    with pytest.raises(ValidationError) as refused:
        Strict.model_validate_json(json.dumps({"text": SECRET}))
    assert SECRET not in str(refused.value)
    assert SECRET in str(refused.value.errors())
    assert SECRET in refused.value.json()
    assert SECRET not in str(refused.value.errors(include_url=False, include_context=False, include_input=False))
