"""CloudEvents structured mode: attributes and data in one JSON document. Read for the sake of other publishers."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any, NoReturn

from attune_contracts.attributes import Unreadable

_TEXTS = ("id", "type", "source", "subject", "time", "dataschema", "correlationid", "causationid", "specversion")


def unfold(value: bytes, headers: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Attributes named as in binary mode, and the data as bytes. Raises `Unreadable` and nothing else."""
    document = _document(value)
    attributes: dict[str, Any] = {}
    for name in _TEXTS:
        text = document.get(name)
        if text is not None:
            attributes[f"ce_{name}"] = _raw(name, text)
    sequence = document.get("sequence")
    if sequence is not None:
        number = type(sequence) is int and 0 <= sequence < 10**18
        attributes["ce_sequence"] = b"%d" % sequence if number else _raw("sequence", sequence)
    # the trace context rides in the record's header in binary mode, in the document by the tracing extension
    trace = document.get("traceparent")
    attributes["traceparent"] = _raw("traceparent", trace) if trace is not None else headers.get("traceparent")
    return attributes, _data(document)


def _raw(name: str, text: Any) -> bytes:
    try:
        if isinstance(text, str):
            return text.encode("ascii")
    except UnicodeEncodeError:
        pass
    raise Unreadable("bad_header", f"ce_{name}", field=f"ce_{name}", rule="text")


def _data(document: dict[str, Any]) -> bytes:
    if "data" in document:
        if "data_base64" in document:
            raise Unreadable("duplicate_attribute", "data", field="data", rule="once")
        return json.dumps(document["data"], separators=(",", ":")).encode()
    packed = document.get("data_base64")
    if packed is None:
        raise Unreadable("missing_attribute", "data", field="data", rule="missing")
    try:
        return b64decode(packed, validate=True)
    except Exception:
        raise Unreadable("not_json", "data_base64", field="data_base64", rule="base64") from None


def _document(value: bytes) -> dict[str, Any]:
    try:
        text = value.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
    except Unreadable:
        raise
    except Exception:  # RecursionError of deep nesting, ValueError of endless digits, bad UTF-8
        raise Unreadable("not_json", "value") from None
    if not isinstance(document, dict):
        raise Unreadable("not_json", "value is not an object")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Unreadable("duplicate_attribute", "a name stands twice in one object", rule="once")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError("not finite")
    return number


def _refuse(_: str) -> NoReturn:
    raise ValueError("not a number")
