"""Hypothesis strategies for events: anything that a strict writer could have sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import Envelope
from attune_contracts.event import Event
from attune_contracts.schema import schema

INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
TRACES = st.from_regex(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


def values(part: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911
    """JSON values that a part of a schema allows."""
    match part:
        case {"$ref": reference}:
            return values(definitions[reference.rpartition("/")[2]], definitions)
        case {"anyOf": parts}:
            return st.one_of([values(p, definitions) for p in parts])
        case {"const": word}:
            return st.just(word)
        case {"enum": listed}:
            return st.sampled_from(listed)
        case {"format": "uuid"}:
            return st.uuids().map(str)
        case {"format": "date-time"}:
            return INSTANTS.map(datetime.isoformat)
        case {"pattern": pattern}:
            return st.from_regex(pattern.replace("$", r"\Z").replace("^", r"\A"))
        case {"type": "integer"}:
            return st.integers(part.get("minimum"), part.get("maximum"))
        case {"type": "array", "items": items}:
            return st.lists(values(items, definitions), max_size=min(4, part.get("maxItems", 4)))
        case {"type": "object"}:
            return objects(part, definitions)
    return {"boolean": st.booleans(), "null": st.none()}[part["type"]]


def objects(part: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects with every required field and any of the optional ones."""
    fields = {name: values(inner, definitions) for name, inner in part["properties"].items()}
    required = {name: fields[name] for name in part.get("required", ())}
    return st.fixed_dictionaries(required, optional={n: s for n, s in fields.items() if n not in required})


def data_of(event: type[Event]) -> st.SearchStrategy[dict[str, Any]]:
    """Data of an event of this type, as JSON values."""
    shape = schema(event)
    subject = event.subject_fields
    return objects(shape, shape.get("$defs", {})).filter(lambda data: any(data.get(name) for name in subject))


def events_of(event: type[Event]) -> st.SearchStrategy[Event]:
    """Events of this type."""
    return data_of(event).map(lambda data: event.model_validate_json(json.dumps(data)))


EVENTS = st.sampled_from(list(CATALOGUE.values())).flatmap(events_of)


@st.composite
def envelopes_for(draw: st.DrawFn, event: Event) -> Envelope:
    """An envelope for an event."""
    return Envelope.of(
        event,
        id=draw(st.uuids()),
        time=draw(INSTANTS),
        correlationid=draw(st.uuids()),
        causationid=draw(st.uuids()),
        sequence=draw(st.integers(0, 10**18 - 1)),
        traceparent=draw(st.none() | TRACES),
    )
