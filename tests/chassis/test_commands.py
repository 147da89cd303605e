"""Bytes become a command or a problem that names field and rule, never the value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator

from chassis.commands import MAX_BODY, MAX_DEPTH, Code, Command, Instant, PersonalText, ShortText, breaks, parse
from chassis.problem import BodyTooLarge, FieldError, Invalid, Malformed, Problem

SECRET = "Marigold"
CHILD = "018f2f6e-7c00-7000-8000-000000000002"


def _ten_digits(value: str) -> str:
    if len(value) != 10:
        raise breaks("nhs_number_digits")
    return value


class Note(Command):
    item: Code
    text: PersonalText


class Record(Command):
    child_id: UUID
    name: ShortText = "x"
    seconds: int = 0
    share: float = 0.0
    at: Instant | None = None
    certain: bool = False
    nhs_number: Annotated[str, AfterValidator(_ten_digits)] | None = None
    notes: tuple[Note, ...] = ()


class Load(Command):
    instrument: Code
    instrument_version: int
    title: ShortText | None = None


def body(**fields: Any) -> bytes:
    return json.dumps({"child_id": CHILD, **fields}).encode()


def problem(content: bytes, model: type[Command] = Record, **path: str) -> Problem:
    with pytest.raises(Problem) as caught:
        parse(model, content, path)
    assert SECRET.encode() not in caught.value.body()
    return caught.value


def test_a_good_command_is_typed() -> None:
    command = parse(Record, body(at="2026-03-02T12:00:00Z", notes=[{"item": "a", "text": "two\nlines\tand é"}]))
    assert command.child_id == UUID(CHILD)
    assert command.at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert command.notes[0].text == "two\nlines\tand é"


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"seconds": "7"}, "seconds", "int_type"),
        ({"seconds": True}, "seconds", "int_type"),
        ({"seconds": 7.0}, "seconds", "int_type"),
        ({"certain": 1}, "certain", "bool_type"),
        ({"at": 1772452800}, "at", "datetime_type"),
        ({"at": "2026-03-02T12:00:00"}, "at", "timezone_aware"),
        ({"name": ""}, "name", "string_too_short"),
        ({"name": SECRET * 30}, "name", "string_too_long"),
        ({"name": f"{SECRET}\nx"}, "name", "string_pattern_mismatch"),
        ({"name": f"{SECRET}\x85"}, "name", "string_pattern_mismatch"),
        ({"child_id": SECRET}, "child_id", "uuid_parsing"),
        ({"colour": SECRET}, "colour", "extra_forbidden"),
        ({"notes": [{"item": SECRET, "text": "x"}]}, "notes.0.item", "string_pattern_mismatch"),
        ({"notes": [{"item": "a", "text": SECRET * 600}]}, "notes.0.text", "string_too_long"),
        ({"nhs_number": SECRET}, "nhs_number", "nhs_number_digits"),
    ],
)
def test_a_broken_rule_is_named_with_its_field(fields: dict[str, Any], field: str, rule: str) -> None:
    found = problem(body(**fields))
    assert isinstance(found, Invalid)
    assert found.status == 422
    assert found.errors == (FieldError(field, rule),)


def test_a_missing_field_is_named() -> None:
    assert problem(b"{}").errors == (FieldError("child_id", "missing"),)


def test_an_unknown_name_that_could_be_data_is_not_repeated() -> None:
    assert problem(body(**{SECRET: 1})).errors == (FieldError("?", "extra_forbidden"),)
    assert problem(body(**{"9434765919": 1})).errors == (FieldError("?", "extra_forbidden"),)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "not_an_object"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"\xef\xbb\xbf{}", "not_an_object"),
        (b"\xff\xfe{\x00}\x00", "not_utf8"),
        (b'{"name": "\xed\xa0\x80"}', "not_utf8"),
        (b'{"share": NaN}', "json_invalid"),
        (b'{"share": -Infinity}', "json_invalid"),
        (b'{"name": "\\ud800"}', "json_invalid"),
        (b'{"name": "a\x00b"}', "json_invalid"),
        (b'{"seconds": 01}', "json_invalid"),
        (b'{"name": "a",}', "json_invalid"),
        (b'{"name": "a"} {}', "json_invalid"),
        (b"{'name': 'a'}", "json_invalid"),
        (b'{"name": "a"', "json_invalid"),
        (b'{"notes": ' * 40 + b"1" + b"}" * 40, "too_deep"),
        (b'{"notes": ' + b"[" * 60_000, "too_deep"),
        (b'{"child_id": "' + CHILD.encode() + b'", "seconds": ' + b"9" * 5000 + b"}", "json_invalid"),
    ],
)
def test_what_is_not_one_json_object_is_refused(content: bytes, rule: str) -> None:
    found = problem(content)
    assert found.errors[0].rule == rule
    assert 400 <= found.status <= 422


def test_a_number_beyond_all_bounds_is_refused() -> None:
    assert problem(body()[:-1] + b', "share": 1e999}').errors == (FieldError("share", "finite_number"),)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"name": "a", "name": "b"}', "name"),
        (b'{"name": "a", "n\\u0061me": "b"}', "name"),
        (b'{"notes": [{"item": "a", "text": "x", "item": "b"}]}', "item"),
        (b'{"Marigold": 1, "Marigold": 2}', None),
    ],
)
def test_a_duplicate_key_is_refused_at_any_depth(content: bytes, field: str | None) -> None:
    found = problem(content)
    assert isinstance(found, Malformed)
    assert found.errors == (FieldError(field, "duplicate_key"),)


@pytest.mark.parametrize("escape", ["\\u0000", "\\u001b", "\\b", "\\f", "\\u007f"])
def test_control_characters_are_refused_wherever_they_are(escape: str) -> None:
    found = problem(b'{"child_id": "%s", "notes": [{"item": "a", "text": "x%s"}]}' % (CHILD.encode(), escape.encode()))
    assert found.errors == (FieldError("notes.0.text", "control_character"),)
    assert problem(b'{"%s": 1}' % escape.encode()).errors == (FieldError(None, "control_character"),)


def test_an_escaped_backslash_is_no_control_character() -> None:
    assert parse(Record, body(name="a\\u0000b")).name == "a\\u0000b"


def test_depth_counts_nesting_and_not_brackets_in_text_or_siblings() -> None:
    notes = [{"item": "a", "text": "[{" * 100 + '"[\\"['}] * 50
    assert len(parse(Record, body(notes=notes)).notes) == 50
    assert problem(body(colour=json.loads("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)))).status == 422
    assert problem(body(colour=json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH))).errors[0].rule == "too_deep"


def test_a_body_over_the_limit_is_refused() -> None:
    at_limit = body() + b" " * (MAX_BODY - len(body()))
    assert parse(Record, at_limit).child_id == UUID(CHILD)
    assert isinstance(problem(at_limit + b" "), BodyTooLarge)


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "content",
    [
        b'{"' + b'\\"' * 32_000,
        b'{"a":"' + b"\\" * 65_000,
        b"{" * 33 + b'"' * 65_000,
        b'{"a":' + b'{"' * 32_000,
        b"{" + b'"a":1,' * 10_000,
        b'{"a": "' + b"\\u0000" * 10_000 + b'"}',
    ],
)
def test_hostile_shapes_are_refused_without_much_work(content: bytes) -> None:
    problem(content)


def test_path_parameters_are_fields_of_the_command() -> None:
    path = {"instrument": "demo", "instrument_version": "3"}
    assert parse(Load, b' {"title": "T"} ', path) == Load(instrument="demo", instrument_version=3, title="T")
    assert parse(Load, b"{ }", path) == Load(instrument="demo", instrument_version=3)
    assert parse(Load, b"", path) == Load(instrument="demo", instrument_version=3)


@pytest.mark.parametrize(
    ("content", "version", "field", "rule"),
    [
        (b'{"instrument": "other"}', "3", "instrument", "duplicate_key"),
        (b"{}", "three", "instrument_version", "int_type"),
        (b"{}", "03", "instrument_version", "int_type"),
        (b"{}", "3\u0663", "instrument_version", "int_type"),
        (b"{}", '3, "title": "x"', "instrument_version", "int_type"),
        (b"[]", "3", None, "not_an_object"),
    ],
)
def test_a_path_parameter_cannot_be_contradicted_or_bent(
    content: bytes, version: str, field: str | None, rule: str
) -> None:
    assert problem(content, Load, instrument="demo", instrument_version=version).errors == (FieldError(field, rule),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_a_command_or_a_problem(content: Any) -> None:
    with pytest.raises(Problem):
        parse(Record, json.dumps(content).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_problem(content: bytes) -> None:
    with pytest.raises(Problem):
        parse(Record, content)


@given(st.dictionaries(st.sampled_from(list(Record.model_fields)), JSON))
def test_what_is_accepted_is_what_was_sent(fields: dict[str, Any]) -> None:
    content = body(**fields)
    try:
        command = parse(Record, content)
    except Problem:
        return
    assert json.loads(command.model_dump_json(exclude_unset=True)) == json.loads(content)
