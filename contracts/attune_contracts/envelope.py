"""CloudEvents 1.0 on Kafka: how an event is addressed and sealed. Writes binary mode, reads binary and structured mode.

Written and read thousands of times a second, hence no model validation here except for the event's own data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from attune_contracts.attributes import STRUCTURED, Headers, Reason, Unreadable, media_type, named, values
from attune_contracts.catalogue import CATALOGUE, dataschema, is_newer, source
from attune_contracts.event import MAX_BYTES, Event
from attune_contracts.structured import unfold

__all__ = [
    "Envelope",
    "Headers",
    "Reason",
    "Received",
    "Unreadable",
    "parse",
    "read",
    "read_envelope",
    "to_kafka",
    "to_kafka_structured",
]


class Envelope(NamedTuple):
    """Who says what about whom, and why: the CloudEvents attributes that travel with every event."""

    id: UUID
    """Of this event: a reader that has seen it has seen the event."""
    type: str
    source: str
    subject: UUID
    """What the event is about; equal to the record key."""
    time: datetime
    """Instant of the decision, UTC."""
    dataschema: str
    correlationid: UUID
    """The first cause: the input that began the chain."""
    causationid: UUID
    """The direct cause: the input that led to this event."""
    sequence: int
    """Position among the events of one source about this subject: 1, 2, 3 and so on, without a gap."""
    traceparent: str | None = None
    """W3C trace context of the request that led here."""

    @classmethod
    def of(
        cls,
        event: Event,
        *,
        id: UUID,  # noqa: A002
        time: datetime,
        correlationid: UUID,
        causationid: UUID,
        sequence: int,
        traceparent: str | None = None,
    ) -> Envelope:
        """The envelope for an event: type, source, subject and schema follow from the event itself."""
        kind, by = event.type, source(event.service)
        about, schema = event.subject, dataschema(kind)
        return cls(id, kind, by, about, time, schema, correlationid, causationid, sequence, traceparent)


class Received(NamedTuple):
    """A message that was read: envelope, data as bytes, and the event unless the reader did not want this type."""

    envelope: Envelope
    data: bytes
    event: Event | None = None


@lru_cache(maxsize=1024)
def _ascii(text: str) -> bytes:
    return text.encode("ascii")


def _instant(time: datetime) -> str:
    text = time.isoformat()
    if text.endswith("+00:00"):
        return text[:-6] + "Z"
    if time.tzinfo is None:
        raise ValueError("time of an event has no time zone")
    return time.astimezone(UTC).isoformat()[:-6] + "Z"


JSON: Final = b"application/json"
_SPECVERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", JSON)


def to_kafka(envelope: Envelope, data: bytes) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Key, value and headers of a record in binary mode. `data` is what `encode` gave."""
    id_, kind, by, about, time, schema, correlation, causation, sequence, traceparent = envelope
    key = str(about).encode()
    headers = [
        _SPECVERSION,
        ("ce_id", str(id_).encode()),
        ("ce_type", _ascii(kind)),
        ("ce_source", _ascii(by)),
        ("ce_subject", key),
        ("ce_time", _instant(time).encode()),
        ("ce_dataschema", _ascii(schema)),
        ("ce_correlationid", str(correlation).encode()),
        ("ce_causationid", str(causation).encode()),
        ("ce_sequence", b"%d" % sequence),
        _CONTENT_TYPE,
    ]
    if traceparent is not None:
        # a trace that came from outside must never be what keeps an event from being published
        headers.append(("traceparent", traceparent.encode("ascii", "replace")))
    return key, data, headers


def to_kafka_structured(envelope: Envelope, data: bytes) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Key, value and headers of a record in structured mode, for readers that cannot see headers."""
    key, _, headers = to_kafka(envelope, data)
    document: dict[str, Any] = {name[3:]: value.decode() for name, value in headers if name.startswith("ce_")}
    document |= {"datacontenttype": "application/json", "data": json.loads(data)}
    kept = [(name, value) for name, value in headers if name == "traceparent"]
    return key, json.dumps(document, separators=(",", ":")).encode(), [("content-type", STRUCTURED), *kept]


def _opened(key: bytes | None, attributes: Mapping[str, Any], data: bytes) -> Received:
    envelope = Envelope._make(values(attributes))
    if key is not None and key != attributes["ce_subject"]:
        raise Unreadable("bad_header", "key differs from ce_subject", field="key", rule="equals_subject")
    return Received(envelope, data)


def read_envelope(key: bytes | None, value: bytes | None, headers: Headers) -> Received:
    """The envelope and the data of a record, data not looked at: cheap enough to see the type of everything.

    Raises `Unreadable` and nothing else.
    """
    if value is None:
        raise Unreadable("null_value")
    if not isinstance(value, bytes):
        raise Unreadable("not_json", "value is not bytes")
    if len(value) > MAX_BYTES:
        raise Unreadable("oversize", f"{len(value)} bytes, at most {MAX_BYTES}")
    attributes = named(headers)
    content_type = attributes.get("content-type")
    if content_type != JSON and media_type(content_type) == STRUCTURED:
        attributes, value = unfold(value, attributes)
    return _opened(key, attributes, value)


def parse(event_type: str, data: bytes) -> Event:
    """The event of this type as a tolerant reader sees it (`isinstance` of the catalogue's class).

    Raises `Unreadable` and nothing else.
    """
    declared = CATALOGUE.get(event_type)
    if declared is None:
        raise _unknown(event_type)
    try:
        return declared.reader().model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    rule = first["type"]
    if rule == "json_invalid":
        raise Unreadable("not_json", "data", field="data", rule=rule)
    field = ".".join(str(part) for part in first["loc"]) or "data"
    raise Unreadable("schema_violation", f"{field}: {rule}", field=field, rule=rule)


def _unknown(event_type: str) -> Unreadable:
    reason: Reason = "newer_version" if is_newer(event_type) else "unknown_type"
    named = re.fullmatch(r"[a-z0-9.-]{1,100}", event_type)
    return Unreadable(reason, event_type if named else "not a type name", field="ce_type", rule="catalogue")


def read(key: bytes | None, value: bytes | None, headers: Headers, wanted: Container[str] | None = None) -> Received:
    """Envelope and event of a record. With `wanted`, a known type that is not in it stays unparsed (`event` is None).

    Raises `Unreadable` and nothing else; an unknown type is unreadable, wanted or not.
    """
    received = read_envelope(key, value, headers)
    envelope, data, _ = received
    if wanted is not None and envelope.type not in wanted:
        if envelope.type not in CATALOGUE:
            raise _unknown(envelope.type)
        return received
    event = parse(envelope.type, data)
    try:
        agrees = event.subject == envelope.subject
    except ValueError:
        agrees = False
    if not agrees:
        raise Unreadable("schema_violation", "data is about another subject", field="subject", rule="equals_subject")
    return Received(envelope, data, event)
