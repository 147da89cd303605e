"""The attributes of a record, one by one: from untrusted headers to checked values, or the reason why not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID

from attune_contracts.ids import uuid_of

Reason = Literal[
    "null_value",
    "bad_header",
    "missing_attribute",
    "duplicate_attribute",
    "wrong_specversion",
    "unknown_type",
    "newer_version",
    "schema_violation",
    "oversize",
    "not_json",
]
"""Why a message cannot be read; closed, so that it can be a metric label and a column."""

Headers = Iterable[tuple[str, bytes | None]] | Mapping[str, bytes | None] | None
"""Record headers as Kafka clients give them: pairs, a mapping, or nothing."""

STRUCTURED: Final = b"application/cloudevents+json"


class Unreadable(Exception):
    """Nobody can understand this message, however often it is tried. Names the place and the rule, never the value."""

    def __init__(self, reason: Reason, detail: str = "", *, field: str | None = None, rule: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Reason = reason
        self.detail = detail
        self.field = field
        self.rule = rule


_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_TEXT = re.compile(rb"[\x21-\x7e]{1,256}")
_SEQUENCE = re.compile(rb"[0-9]{1,18}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@lru_cache(maxsize=1024)
def _text(raw: bytes) -> str:
    if _TEXT.fullmatch(raw) is None:
        raise ValueError("not a printable word")
    return raw.decode("ascii")


def _uuid(raw: bytes) -> UUID:
    if _UUID(raw) is None:
        raise ValueError("not a UUID in lower case with hyphens")
    return uuid_of(int(raw.replace(b"-", b""), 16))


def _time(raw: bytes) -> datetime:
    time = datetime.fromisoformat(raw.decode("ascii"))
    if time.tzinfo is None:
        raise ValueError("no time zone")
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _number(raw: bytes) -> int:
    if _SEQUENCE.fullmatch(raw) is None:
        raise ValueError("not a number")
    return int(raw)


_READ_BY: Final[dict[str, Any]] = {
    "ce_id": _uuid,
    "ce_type": _text,
    "ce_source": _text,
    "ce_subject": _uuid,
    "ce_time": _time,
    "ce_dataschema": _text,
    "ce_correlationid": _uuid,
    "ce_causationid": _uuid,
    "ce_sequence": _number,
}


def _traceparent(raw: Any) -> str | None:
    # W3C trace context: a broken one is ignored, it never stops the message
    return raw.decode("ascii") if isinstance(raw, bytes) and _TRACEPARENT.fullmatch(raw) else None


Values = tuple[UUID, str, str, UUID, datetime, str, UUID, UUID, int, str | None]
"""The attributes of an envelope in the order of its fields."""


def values(attributes: Mapping[str, Any]) -> Values:
    """The attributes, each checked. They are bytes by header name, whichever mode they came in."""
    version = attributes.get("ce_specversion")
    if version != b"1.0":
        if version is None:
            raise Unreadable("missing_attribute", "ce_specversion", field="ce_specversion", rule="missing")
        raise Unreadable("wrong_specversion", "not 1.0", field="ce_specversion", rule="1.0")
    try:
        return (
            _uuid(attributes["ce_id"]),
            _text(attributes["ce_type"]),
            _text(attributes["ce_source"]),
            _uuid(attributes["ce_subject"]),
            _time(attributes["ce_time"]),
            _text(attributes["ce_dataschema"]),
            _uuid(attributes["ce_correlationid"]),
            _uuid(attributes["ce_causationid"]),
            _number(attributes["ce_sequence"]),
            _traceparent(attributes.get("traceparent")),
        )
    except Exception:
        raise _blame(attributes) from None


def _blame(attributes: Mapping[str, Any]) -> Unreadable:
    """Which attribute is wrong; called only when reading them together has failed."""
    for name, read_one in _READ_BY.items():
        raw = attributes.get(name)
        if raw is None:
            return Unreadable("missing_attribute", name, field=name, rule="missing")
        try:
            read_one(raw)
        except Exception:
            return Unreadable("bad_header", name, field=name, rule=read_one.__name__.strip("_"))
    return Unreadable("bad_header", "attributes")


def named(headers: Headers) -> dict[str, Any]:
    """Headers by name. Raises `Unreadable` where an attribute of ours stands twice."""
    if headers is None:
        return {}
    try:
        if not isinstance(headers, list | tuple):
            headers = list(headers.items() if isinstance(headers, Mapping) else headers)
        attributes: dict[str, Any] = dict(headers)
    except Exception:
        raise Unreadable("bad_header", "headers are not pairs of name and value") from None
    if len(attributes) != len(headers):
        _refuse_duplicates(headers)
    return attributes


def _refuse_duplicates(pairs: Iterable[tuple[str, bytes | None]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen and (name in _READ_BY or name in {"ce_specversion", "content-type"}):
            raise Unreadable("duplicate_attribute", name, field=name, rule="once")
        seen.add(name)


def media_type(content_type: Any) -> bytes:
    """Media type in lower case without parameters; a missing one means JSON."""
    if content_type is None:
        return b"application/json"
    if not isinstance(content_type, bytes):
        raise Unreadable("bad_header", "content-type", field="content-type", rule="media_type")
    media = content_type.partition(b";")[0].strip().lower()
    other_mode = media.startswith(b"application/cloudevents") or not media.endswith((b"/json", b"+json"))
    if media != STRUCTURED and other_mode:
        raise Unreadable("not_json", "content-type", field="content-type", rule="json")
    return media
