"""What a command is made of, and the one way from the bytes of a request to it: strict, bounded, unambiguous."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from json.decoder import JSONDecoder
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from attune_contracts.event import Code, Instant, Language
from chassis.problem import BodyTooLarge, FieldError, Invalid, Malformed, field_of, safe_name

__all__ = [
    "MAX_BODY",
    "MAX_DEPTH",
    "Code",
    "Command",
    "Identifier",
    "Instant",
    "Language",
    "PersonalText",
    "ShortText",
    "breaks",
    "parse",
]

MAX_BODY = 64 * 1024
"""Largest body of a command in bytes."""
MAX_DEPTH = 32
"""Deepest nesting of objects and arrays."""

ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$")
]
"""One line of 1 to 200 characters."""
PersonalText = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=4000, pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
    ),
]
"""Free text about a person, 1 to 4000 characters with line breaks and tabs: never in an event, log or message."""
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
"""A name given elsewhere, such as an instrument's: letters, digits and `_.:-`, at most 64."""


class Command(BaseModel):
    """A request to change something. Subclasses state the fields; their docstring is published with the schema."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


CommandT = TypeVar("CommandT", bound=Command)


def breaks(rule: str) -> PydanticCustomError:
    """For validators: `raise breaks("nhs_number_check_digit")` refuses the field by that rule, without its value."""
    return PydanticCustomError(rule, "breaks the rule")


class _DuplicateKey(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _DuplicateKey(name)
            seen.add(name)
    return made


def _constant(_: str) -> Any:
    raise ValueError


_scan: Callable[[str, int], tuple[Any, int]] = JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=len, parse_int=len
).scan_once  # type: ignore[attr-defined]
"""Finds duplicate keys; numbers are only skipped here, pydantic reads them."""
_outside_strings = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse(model: type[CommandT], body: bytes, path_parameters: Mapping[str, str] | None = None) -> CommandT:
    """The command in `body`, with the path parameters as further fields.

    Raises BodyTooLarge, Malformed (not one JSON object in UTF-8 without duplicate keys) or Invalid (breaks the schema).
    """
    if len(body) > MAX_BODY:
        raise BodyTooLarge(MAX_BODY)
    if path_parameters:
        body = _with_path(model, body, path_parameters)
    _check(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        invalid = Invalid.of(error)
    if invalid.errors[0].rule == "json_invalid":
        raise _malformed("json_invalid")
    raise invalid


def _malformed(rule: str, field: str | None = None) -> Malformed:
    return Malformed(errors=(FieldError(field, rule),))


def _check(body: bytes) -> None:
    """Everything that pydantic would let pass or answer by chance."""
    if (body.count(b"{") + body.count(b"[")) > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise _malformed("too_deep")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _malformed("not_utf8") from None
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if text[start : start + 1] != "{":
        raise _malformed("not_an_object")
    try:
        content, _ = _scan(text, start)
    except _DuplicateKey as error:
        raise _malformed("duplicate_key", safe_name(error.args[0])) from None
    except (ValueError, StopIteration):
        raise _malformed("json_invalid") from None
    if b"\\" in body:
        _check_text(content)


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for character in _outside_strings.sub(b"", body):
        if character in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                return depth
            deepest = max(deepest, depth)
        elif character in b"}]":
            depth -= 1
    return deepest


def _check_text(content: Any, path: tuple[int | str, ...] = ()) -> None:
    """No control characters (they can only come in escaped) except line breaks and tabs, in whatever field."""
    if isinstance(content, dict):
        for name, value in content.items():
            _check_text(name, path)
            _check_text(value, (*path, name))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            _check_text(value, (*path, index))
    elif isinstance(content, str) and _control.search(content):
        raise Invalid(errors=(FieldError(field_of(path), "control_character"),))


def _with_path(model: type[Command], body: bytes, path_parameters: Mapping[str, str]) -> bytes:
    """The body with the path parameters put in front: one validation sees both, a repeated one is a duplicate key."""
    rest = body.strip(b" \t\r\n") or b"{}"
    if not rest.startswith(b"{"):
        raise _malformed("not_an_object")
    fields = ",".join(f"{json.dumps(name)}:{_literal(model, name, value)}" for name, value in path_parameters.items())
    comma = b"" if rest[1:].lstrip(b" \t\r\n").startswith(b"}") else b","
    return b"{" + fields.encode() + comma + rest[1:]


def _literal(model: type[Command], name: str, value: str) -> str:
    """A path parameter as JSON: a number where the field is one."""
    field = model.model_fields.get(name)
    if field is not None and field.annotation is int and re.fullmatch(r"(0|[1-9][0-9]{0,17})", value, re.ASCII):
        return value
    return json.dumps(value)
