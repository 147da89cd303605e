"""Strict when written, tolerant when read."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import Field, ValidationError

from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import Unreadable, parse
from attune_contracts.event import MAX_BYTES, Code, Event, EventTooLarge, Part, encode
from attune_contracts.samples import sample
from attune_contracts.schema import schema
from attune_contracts.screening import ScreeningCompleted

EVENTS = pytest.mark.parametrize("event", CATALOGUE.values(), ids=list(CATALOGUE))


class Measured(Part):
    scale: Literal["warmth", "tension"]
    points: Annotated[int, Field(ge=0, le=9)]


class ThingMeasured(Event):
    """An event with everything that an event can hold."""

    child_id: UUID
    parts: Annotated[tuple[Measured, ...], Field(max_length=9000)]
    one: Measured | None
    words: Annotated[tuple[Literal["a", "b"], ...], Field(max_length=9000)]
    share: Annotated[float, Field(ge=0, le=1)] = 0.5


def _data(event: type[Event], **changes: Any) -> bytes:
    return json.dumps(sample(event).model_dump(mode="json") | changes).encode()


def _thing(**changes: Any) -> dict[str, Any]:
    one = {"scale": "warmth", "points": 3}
    return {"child_id": str(uuid4()), "parts": [one], "one": one, "words": ["a"]} | changes


@EVENTS
def test_a_writer_refuses_a_field_it_does_not_have(event: type[Event]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        event.model_validate_json(_data(event, something="else"))


@EVENTS
def test_a_reader_ignores_a_field_it_does_not_know(event: type[Event]) -> None:
    seen = parse(event.type, _data(event, something={"else": [1]}))
    assert isinstance(seen, event)
    assert seen.model_dump() == sample(event).model_dump()


@EVENTS
def test_a_reader_reads_a_word_that_is_new_to_it(event: type[Event]) -> None:
    closed = [n for n, part in schema(event)["properties"].items() if "enum" in part or "const" in part]
    seen = parse(event.type, _data(event, **dict.fromkeys(closed, "a_word_of_tomorrow")))
    assert [getattr(seen, name) for name in closed] == ["a_word_of_tomorrow"] * len(closed)
    for name in closed:
        with pytest.raises(ValidationError):
            event.model_validate_json(_data(event, **{name: "a_word_of_tomorrow"}))
        with pytest.raises(Unreadable, match=f"schema_violation: {name}: string_pattern_mismatch"):
            parse(event.type, _data(event, **{name: "Free text, with a name"}))


@EVENTS
def test_neither_takes_a_wrong_kind_of_value(event: type[Event]) -> None:
    wrong = {"uuid": [7, "7"], "date-time": [7, "2026-03-02", "2026-03-02T10:00:00", "1999-12-31T00:00:00Z"]}
    for name, part in schema(event)["properties"].items():
        bad = wrong.get(part.get("format", ""), [])
        bad += {"integer": ["7", True, 7.5, 10**12, -(10**12)], "boolean": ["true", 1, 0]}.get(part.get("type", ""), [])
        bad += ["a\x00b", "a\nb", "a\u202eb", "a" * 65, ""] if "pattern" in part or "enum" in part else []
        for value in bad:
            raw = _data(event, **{name: value})
            with pytest.raises(ValidationError):
                event.model_validate_json(raw)
            if "enum" not in part or value != "a":
                with pytest.raises(Unreadable, match="schema_violation"):
                    parse(event.type, raw)


@EVENTS
def test_every_field_is_needed_unless_it_has_a_default(event: type[Event]) -> None:
    for name in schema(event)["required"]:
        data = sample(event).model_dump(mode="json")
        del data[name]
        with pytest.raises(Unreadable, match=f"{name}: missing"):
            parse(event.type, json.dumps(data).encode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_not_a_number_is_refused(number: str) -> None:
    raw = json.dumps(_thing()).replace('"words"', f'"share": {number}, "words"')
    for model in (ThingMeasured, ThingMeasured.reader()):
        with pytest.raises(ValidationError):
            model.model_validate_json(raw)
    with pytest.raises(ValidationError):
        ThingMeasured(child_id=uuid4(), parts=(), one=None, words=(), share=float(number))


def test_a_naive_instant_is_not_written() -> None:
    data = dict(sample(ScreeningCompleted)) | {"screened_at": datetime(2026, 3, 2)}  # noqa: DTZ001
    with pytest.raises(ValidationError, match="timezone_aware"):
        ScreeningCompleted(**data)


def test_what_is_inside_an_event_is_as_strict_and_as_tolerant() -> None:
    tomorrow = {"scale": "humour", "points": 3, "unit": "x"}
    raw = json.dumps(_thing(parts=[tomorrow], one=tomorrow, words=["c"], more=1))
    seen = ThingMeasured.reader().model_validate_json(raw)
    assert seen.parts[0].model_dump() == {"scale": "humour", "points": 3}
    assert isinstance(seen.parts[0], Measured)
    assert seen.one is not None
    assert seen.words == ("c",)
    with pytest.raises(ValidationError):
        ThingMeasured.model_validate_json(raw)
    with pytest.raises(ValidationError):
        ThingMeasured.reader().model_validate_json(json.dumps(_thing(one={"scale": "warmth", "points": 10})))


def test_an_event_that_is_too_large_is_refused_when_it_is_written() -> None:
    part = Measured(scale="warmth", points=3)
    small = ThingMeasured(child_id=uuid4(), parts=(part,) * 5000, one=None, words=())
    assert len(encode(small)) < MAX_BYTES
    large = ThingMeasured(child_id=uuid4(), parts=(part,) * 9000, one=None, words=())
    with pytest.raises(EventTooLarge, match=r"thing-measured.v1: \d+ bytes, at most 262144"):
        encode(large)


@EVENTS
def test_what_a_reader_made_is_not_written(event: type[Event]) -> None:
    strict = sample(event)
    seen = parse(event.type, encode(strict))
    assert json.loads(encode(strict)) == strict.model_dump(mode="json")
    with pytest.raises(TypeError, match="reader"):
        encode(seen)


@EVENTS
def test_an_event_does_not_change(event: type[Event]) -> None:
    for made in (sample(event), parse(event.type, _data(event))):
        name = next(iter(event.model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(made, name, None)


def test_a_reader_is_made_once_and_is_the_same_event() -> None:
    reader = ScreeningCompleted.reader()
    assert reader is ScreeningCompleted.reader()
    assert issubclass(reader, ScreeningCompleted)
    assert (reader.type, reader.service, reader.readers) == (
        ScreeningCompleted.type,
        ScreeningCompleted.service,
        ScreeningCompleted.readers,
    )
    assert (reader.tolerant, ScreeningCompleted.tolerant) == (True, False)


def test_an_event_about_nothing_has_no_subject() -> None:
    class SomethingHappened(Event, subject=("child_id", "about_id")):
        """Something that is about nothing."""

        child_id: UUID | None
        about_id: UUID | None

    about = uuid4()
    assert SomethingHappened(child_id=None, about_id=about).subject == about
    with pytest.raises(ValueError, match="none of child_id, about_id is set"):
        _ = SomethingHappened(child_id=None, about_id=None).subject


def test_a_closed_list_of_numbers_is_a_mistake() -> None:
    class Numbered(Event):
        """A list that a reader could not open."""

        child_id: UUID
        level: Literal[1, 2]

    with pytest.raises(TypeError, match="a closed list holds words"):
        Numbered.reader()


def test_a_later_version_has_its_own_type() -> None:
    class WordSaid(Event, version=2):
        """Said again, differently."""

        child_id: UUID
        word: Code

    assert WordSaid.type.endswith(".word-said.v2")
