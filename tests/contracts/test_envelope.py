"""The envelope: what is written is read again, and whatever else arrives has one kind of answer."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import (
    Envelope,
    Reason,
    Unreadable,
    parse,
    read,
    read_envelope,
    to_kafka,
    to_kafka_structured,
)
from attune_contracts.event import MAX_BYTES, Event, encode
from attune_contracts.samples import record, sample
from attune_contracts.screening import ScreeningCompleted
from tests.support.any_event import EVENTS, envelopes_for

SECRET = "Ayesha-Example-9434765919"  # a name and a number, which no answer may repeat
REASONS = set(get_args(Reason))

Headers = dict[str, bytes]


def message(**changes: bytes | None) -> tuple[bytes, bytes, Headers]:
    """A good message; a header given as None is left out. `ce_` names are written without their prefix."""
    made = record(ScreeningCompleted)
    headers = {name: text.encode() for name, text in made["headers"].items()}
    value = changes.pop("value", None) or json.dumps(made["value"]).encode()
    key = changes.pop("key", None) or made["key"].encode()
    for name, content in changes.items():
        header = f"ce_{name}" if f"ce_{name}" in headers else name.replace("_", "-")
        headers.pop(header, None)
        if content is not None:
            headers[header] = content
    return key, value, headers


def structured(**changes: Any) -> tuple[bytes, bytes, Headers]:
    key, value, headers = message()
    document = {name[3:]: text.decode() for name, text in headers.items() if name.startswith("ce_")}
    document |= {"datacontenttype": "application/json", "data": json.loads(value)} | changes
    document = {name: content for name, content in document.items() if content is not None}
    return key, json.dumps(document).encode(), {"content-type": b"application/cloudevents+json; charset=UTF-8"}


def refusal(key: Any, value: Any, headers: Any) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(key, value, headers)
    assert caught.value.reason in REASONS
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    return caught.value


@given(st.data())
def test_what_is_written_is_read_in_both_modes(data: st.DataObject) -> None:
    event = data.draw(EVENTS)
    envelope = data.draw(envelopes_for(event))
    for write in (to_kafka, to_kafka_structured):
        received = read(*write(envelope, encode(event)))
        assert received.envelope == envelope
        assert isinstance(received.event, type(event))
        assert received.event.model_dump() == event.model_dump()


def test_the_record_is_the_one_the_design_names() -> None:
    event = sample(ScreeningCompleted)
    one = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    time = datetime(2026, 3, 2, 11, 15, tzinfo=timezone(timedelta(hours=1)))
    envelope = Envelope.of(event, id=one, time=time, correlationid=one, causationid=one, sequence=7)
    key, value, headers = to_kafka(envelope, encode(event))
    assert key == str(event.subject).encode()
    assert len(key) == 36
    assert value == encode(event)
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(one).encode(),
        "ce_type": b"attune.screening.screening-completed.v1",
        "ce_source": b"/attune/screening",
        "ce_subject": key,
        "ce_time": b"2026-03-02T10:15:00Z",
        "ce_dataschema": b"urn:attune:schema:attune.screening.screening-completed.v1",
        "ce_correlationid": str(one).encode(),
        "ce_causationid": str(one).encode(),
        "ce_sequence": b"7",
        "content-type": b"application/json",
    }


def test_a_trace_from_outside_never_keeps_an_event_from_being_published() -> None:
    event = sample(ScreeningCompleted)
    one, time = event.subject, datetime(2026, 3, 2, tzinfo=UTC)
    envelope = Envelope.of(event, id=one, time=time, correlationid=one, causationid=one, sequence=1, traceparent="\xfc")
    assert read(*to_kafka(envelope, encode(event))).envelope == envelope._replace(traceparent=None)


def test_a_time_without_zone_is_not_written() -> None:
    event = sample(ScreeningCompleted)
    naive = datetime(2026, 3, 2)  # noqa: DTZ001
    envelope = Envelope.of(event, id=event.subject, time=naive, correlationid=event.subject,
                           causationid=event.subject, sequence=1)  # fmt: skip
    with pytest.raises(ValueError, match="no time zone"):
        to_kafka(envelope, b"{}")


BINARY_REFUSALS = [
    ("bad_header", "ce_id", {"id": b"7"}),
    ("bad_header", "ce_id", {"id": b"01890A5D-AC96-774B-BCCE-B302099A8057"}),
    ("bad_header", "ce_id", {"id": b"\xff\xfe"}),
    ("bad_header", "ce_subject", {"subject": SECRET.encode()}),
    ("bad_header", "ce_time", {"time": b"2026-03-02T10:15:00"}),
    ("bad_header", "ce_time", {"time": b"0001-01-01T00:00:00+23:59"}),
    ("bad_header", "ce_time", {"time": SECRET.encode()}),
    ("bad_header", "ce_sequence", {"sequence": b"-1"}),
    ("bad_header", "ce_sequence", {"sequence": b"9" * 5000}),
    ("bad_header", "ce_source", {"source": b"/attune/\x00"}),
    ("bad_header", "ce_type", {"type": b"a" * 300}),
    ("bad_header", "key", {"key": b"01890a5d-ac96-774b-bcce-b302099a8057"}),
    ("wrong_specversion", "ce_specversion", {"specversion": b"0.3"}),
    ("unknown_type", "ce_type", {"type": b"attune.screening.screening-eaten.v1"}),
    ("unknown_type", "ce_type", {"type": SECRET.encode()}),
    ("unknown_type", "ce_type", {"type": b"attune.screening.screening-completed.v0"}),
    ("newer_version", "ce_type", {"type": b"attune.screening.screening-completed.v2"}),
    ("not_json", "content-type", {"content_type": b"application/avro"}),
    ("not_json", "content-type", {"content_type": b"application/cloudevents-batch+json"}),
    ("not_json", "data", {"value": b"{"}),
    ("not_json", "data", {"value": b"\xff"}),
    ("not_json", "data", {"value": b'{"a":"\\ud800"}'}),
    ("not_json", "data", {"value": b"[" * 100_000}),
    ("schema_violation", "data", {"value": b"[]"}),
    ("schema_violation", "screening_id", {"value": b"{}"}),
    ("oversize", None, {"value": b" " * (MAX_BYTES + 1)}),
]


@pytest.mark.parametrize(("reason", "field", "changes"), BINARY_REFUSALS)
def test_a_damaged_message_says_what_is_wrong(reason: str, field: str | None, changes: dict[str, bytes]) -> None:
    refused = refusal(*message(**changes))
    assert (refused.reason, refused.field) == (reason, field)


@pytest.mark.parametrize(
    "name",
    [
        "specversion",
        "id",
        "type",
        "source",
        "subject",
        "time",
        "dataschema",
        "correlationid",
        "causationid",
        "sequence",
    ],
)
def test_every_attribute_is_needed(name: str) -> None:
    for made in (message(**{name: None}), structured(**{name: None})):
        refused = refusal(*made)
        assert (refused.reason, refused.field) == ("missing_attribute", f"ce_{name}")


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_specversion", "content-type"])
def test_an_attribute_that_stands_twice_is_refused_even_if_equal(name: str) -> None:
    key, value, headers = message()
    refused = refusal(key, value, [*headers.items(), (name, headers[name])])
    assert (refused.reason, refused.field) == ("duplicate_attribute", name)


def test_headers_of_others_do_not_matter() -> None:
    key, value, headers = message()
    assert read(key, value, [*headers.items(), ("b3", b"\xff"), ("b3", None), ("reply_to", b"evil")]).event
    assert read(key, value, [*headers.items(), ("ce_partitionkey", key)]).event


def test_a_tombstone_has_its_own_reason() -> None:
    assert refusal(b"k", None, []).reason == "null_value"


@pytest.mark.parametrize("headers", [None, [], {}, [("ce_id",)], [b"x"], 7, [("ce_id", None)], [([], b"")]])
def test_headers_of_any_shape_have_an_answer(headers: Any) -> None:
    assert refusal(b"k", b"{}", headers).reason in {"missing_attribute", "bad_header"}


def test_a_broken_trace_is_ignored_and_a_missing_content_type_means_json() -> None:
    received = read(*message(traceparent=b"\xff", content_type=None))
    assert received.envelope.traceparent is None
    assert received.event is not None


STRUCTURED_REFUSALS = [
    ("bad_header", structured(id=7)),
    ("bad_header", structured(subject=SECRET)),
    ("bad_header", structured(source="/ü")),
    ("bad_header", structured(sequence=True)),
    ("bad_header", structured(sequence=10**30)),
    ("wrong_specversion", structured(specversion="2.0")),
    ("missing_attribute", structured(data=None)),
    ("not_json", structured(data=None, data_base64="*")),
    ("duplicate_attribute", structured(data_base64="e30=")),
    ("schema_violation", structured(data=[])),
    ("newer_version", structured(type="attune.screening.screening-completed.v9")),
]


@pytest.mark.parametrize(("reason", "made"), STRUCTURED_REFUSALS)
def test_a_damaged_structured_message_says_what_is_wrong(reason: str, made: tuple[bytes, bytes, Headers]) -> None:
    assert refusal(*made).reason == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"[]", "not_json"),
        (b"\xff", "not_json"),
        (b'{"id":NaN}', "not_json"),
        (b'{"id":1e999}', "not_json"),
        (b'{"id":' + b"9" * 5000 + b"}", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"id":"1","id":"1"}', "duplicate_attribute"),
        (b'{"data":{"a":1,"a":2}}', "duplicate_attribute"),
        ('{"id":"1"}'.encode("utf-16"), "not_json"),
    ],
)
def test_a_structured_document_is_read_strictly(value: bytes, reason: str) -> None:
    assert refusal(b"k", value, {"content-type": b"APPLICATION/CloudEvents+json"}).reason == reason


def test_structured_mode_takes_a_number_as_sequence_and_data_in_base64() -> None:
    key, value, headers = structured(sequence=4)
    assert read(key, value, headers).envelope.sequence == 4
    packed = structured(data=None, data_base64=b64encode(message()[1]).decode())
    assert read(*packed).event is not None


def test_a_violation_names_field_and_rule_and_never_the_value() -> None:
    data = sample(ScreeningCompleted).model_dump(mode="json") | {"instrument": SECRET, "age_days": 10**9}
    refused = refusal(*message(value=json.dumps(data).encode()))
    assert (refused.reason, refused.field, refused.rule) == (
        "schema_violation",
        "instrument",
        "string_pattern_mismatch",
    )


def test_data_about_another_subject_than_the_envelope_says_is_refused() -> None:
    data = sample(ScreeningCompleted).model_dump(mode="json") | {"child_id": "01890a5d-ac96-774b-bcce-b302099a8057"}
    refused = refusal(*message(value=json.dumps(data).encode()))
    assert (refused.reason, refused.field, refused.rule) == ("schema_violation", "subject", "equals_subject")


def test_what_a_reader_does_not_want_is_not_parsed_but_must_exist() -> None:
    key, value, headers = message(value=b"not even JSON")
    received = read(key, value, headers, wanted=frozenset())
    assert received.event is None
    assert received.envelope.type == ScreeningCompleted.type
    assert read_envelope(key, value, headers) == received
    with pytest.raises(Unreadable, match="unknown_type"):
        read(*message(type=b"attune.screening.nothing.v1"), wanted=frozenset())


JUNK = st.binary(max_size=60)
NAMES = st.sampled_from([*message()[2], "x"]) | st.text(max_size=12)
CONTENT_TYPES = st.sampled_from([b"application/json", b"application/cloudevents+json", b"text/plain"]) | JUNK
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def _only_unreadable(key: Any, value: Any, headers: Any) -> None:
    with suppress(Unreadable):
        assert isinstance(read(key, value, headers).event, Event)


@given(st.none() | JUNK, st.none() | JUNK, st.none() | st.lists(st.tuples(NAMES, st.none() | JUNK | CONTENT_TYPES)))
@example(b"", b"", [])
def test_any_garbage_is_unreadable_and_nothing_else(key: Any, value: Any, headers: Any) -> None:
    _only_unreadable(key, value, headers)


@given(
    st.dictionaries(NAMES, st.none() | JUNK | CONTENT_TYPES), st.none() | JUNK | JSON.map(json.dumps).map(str.encode)
)
def test_a_good_message_with_any_damage_is_read_or_unreadable(damage: Headers, value: bytes | None) -> None:
    key, good, headers = message()
    _only_unreadable(key, good, headers | damage)
    _only_unreadable(key, value, headers | damage)
    _only_unreadable(key, value, headers)


@given(st.dictionaries(st.sampled_from([*json.loads(structured()[1]), "traceparent", "data_base64"]), JSON))
def test_a_good_structured_message_with_any_damage_is_read_or_unreadable(damage: dict[str, Any]) -> None:
    key, value, headers = structured()
    _only_unreadable(key, json.dumps(json.loads(value) | damage).encode(), headers)


@given(st.sampled_from(list(CATALOGUE)), JSON, st.data())
def test_data_with_any_damage_is_parsed_or_unreadable(event_type: str, junk: Any, data: st.DataObject) -> None:
    good = sample(CATALOGUE[event_type]).model_dump(mode="json")
    field = data.draw(st.sampled_from(list(good)))
    with suppress(Unreadable):
        assert parse(event_type, json.dumps(good | {field: junk}).encode()).type == event_type


def test_a_time_is_read_in_utc() -> None:
    envelope = read_envelope(*message(time=b"2026-03-02T11:15:00+01:00")).envelope
    assert envelope.time == datetime(2026, 3, 2, 10, 15, tzinfo=UTC)
    assert envelope.time.tzinfo is UTC
