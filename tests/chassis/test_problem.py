"""One shape for everything that goes wrong, without the value that was wrong."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from chassis.commands import Command, ShortText
from chassis.decision import Refused
from chassis.problem import (
    BodyTooLarge,
    FieldError,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    Problem,
    Unauthenticated,
    Unavailable,
    kebab,
    problem_of,
)


class ConsultationAlreadyClosed(Refused):
    """The consultation is closed."""

    field = "consultation_id"


class ChildNotKnown(Refused):
    """No such child."""

    status = 404


def test_a_refusal_is_named_by_its_rule() -> None:
    found = problem_of(ConsultationAlreadyClosed())
    assert found is not None
    assert found.status == 409
    assert json.loads(found.body()) == {
        "type": "urn:attune:problem:consultation-already-closed",
        "title": "Consultation already closed",
        "status": 409,
        "detail": "The consultation is closed.",
        "errors": [{"field": "consultation_id", "rule": "consultation-already-closed"}],
    }


def test_a_refusal_states_its_status_and_may_name_another_field() -> None:
    found = problem_of(ChildNotKnown(field="child_id"))
    assert found is not None
    assert (found.status, found.errors) == (404, (FieldError("child_id", "child-not-known"),))


def test_the_unexpected_has_no_answer_of_its_own() -> None:
    assert problem_of(ValueError("Marigold")) is None
    assert b"Marigold" not in Problem(instance="urn:uuid:x").body()


def test_an_error_of_validation_keeps_location_and_type_only() -> None:
    class Named(Command):
        name: ShortText

    with pytest.raises(ValidationError) as caught:
        Named.model_validate_json('{"name": 7, "Marigold": "Marigold"}')
    found = Invalid.of(caught.value)
    assert found.errors == (FieldError("name", "string_type"), FieldError("?", "extra_forbidden"))
    assert b"Marigold" not in found.body()


def test_who_is_not_known_is_challenged_and_who_may_not_is_told_what_is_missing() -> None:
    assert dict(Unauthenticated().headers) == {"www-authenticate": 'Bearer realm="attune"'}
    assert 'error="invalid_token"' in dict(Unauthenticated("token_expired").headers)["www-authenticate"]
    assert (Forbidden("screening.read").status, Forbidden("x").rule) == (403, "forbidden")
    assert "insufficient_scope" in dict(Forbidden("screening.read").headers)["www-authenticate"]


def test_headers_say_what_to_do_next() -> None:
    assert dict(Unavailable(retry_after=7).headers) == {"retry-after": "7"}
    assert dict(MethodNotAllowed({"POST", "GET"}).headers) == {"allow": "GET, POST"}
    assert dict(BodyTooLarge(1).headers) == {"connection": "close"}


def test_a_flood_of_errors_is_cut() -> None:
    assert len(Invalid(errors=[FieldError("a", "b")] * 1000).errors) == 20


@pytest.mark.parametrize(
    ("name", "rule"),
    [("ConsultationAlreadyClosed", "consultation-already-closed"), ("NHSNumberInUse", "nhs-number-in-use"), ("A", "a")],
)
def test_rules_are_class_names_in_kebab_case(name: str, rule: str) -> None:
    assert kebab(name) == rule
