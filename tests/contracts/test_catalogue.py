"""The catalogue: every event is described, sampled, thin, and the generated files say what the code says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from attune_contracts import generate
from attune_contracts.catalogue import CATALOGUE, PARTITIONS, SERVICES, meaning, topic
from attune_contracts.envelope import parse, read
from attune_contracts.event import Event
from attune_contracts.samples import sample
from attune_contracts.schema import schema
from tests.support.any_event import data_of

CONTRACTS = Path(generate.__file__).parents[1]
EVENTS = pytest.mark.parametrize("event", CATALOGUE.values(), ids=list(CATALOGUE))
PERSONAL = re.compile(
    r"(^|_)(name|forename|surname|initials|nhs|address|postcode|birth_date|born_on|date_of_birth|dob|text|note|notes|"
    r"comment|email|mail|phone|mobile|ip)(_|$)"
)


def _published(directory: str, event: type[Event], suffix: str = "") -> Any:
    return json.loads((CONTRACTS / directory / f"{event.type}{suffix}.json").read_text("utf-8"))


def _parts(part: Any, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, dict):
        yield at, part
        for name, inner in part.items():
            yield from _parts(inner, f"{at}.{name}")
    elif isinstance(part, list):
        for inner in part:
            yield from _parts(inner, at)


def test_generated_files_are_up_to_date() -> None:
    assert generate.stale() == []


def test_a_file_that_nobody_generates_is_stale_and_removed(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"before\n{generate.BEGIN}\nold\n{generate.END}\nafter\n")
    assert generate.main(["--check", "--root", str(tmp_path)]) == 1
    assert generate.main(["--root", str(tmp_path)]) == 0
    assert generate.main(["--check", "--root", str(tmp_path)]) == 0
    orphan = tmp_path / "schemas" / "attune.screening.nothing.v1.json"
    orphan.write_text("{}")
    assert generate.stale(tmp_path) == [orphan]
    generate.write(tmp_path)
    assert not orphan.exists()
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before\n")
    assert readme.endswith("\nafter\n")
    assert all(event_type in readme for event_type in CATALOGUE)


@EVENTS
def test_every_event_has_owner_meaning_and_known_readers(event: type[Event]) -> None:
    assert event.type == f"attune.{event.service}.{event.type.split('.')[2]}.v{event.version}"
    assert event.service in SERVICES
    assert topic(event.service) == f"attune.{event.service}"
    assert PARTITIONS == 12
    assert len(meaning(event)) > 20
    assert event.__doc__ != Event.__doc__
    assert set(event.readers) <= set(SERVICES) - {event.service}
    assert event.sensitivity in {"none", "staff", "child", "clinical"}
    assert set(event.subject_fields) <= set(event.model_fields)


@EVENTS
def test_the_schema_is_valid_and_takes_the_sample(event: type[Event]) -> None:
    published = _published("schemas", event)
    Draft202012Validator.check_schema(published)
    assert published["$id"] == f"urn:attune:schema:{event.type}"
    assert published["additionalProperties"] is False
    check = Draft202012Validator(published, format_checker=Draft202012Validator.FORMAT_CHECKER)
    check.validate(_published("samples", event))
    assert not check.is_valid(_published("samples", event) | {"one_more": 1})


@EVENTS
def test_every_sample_is_read_as_its_event(event: type[Event]) -> None:
    raw = (CONTRACTS / "samples" / f"{event.type}.json").read_bytes()
    assert isinstance(parse(event.type, raw), event)
    assert event.model_validate_json(raw) == sample(event)
    made = _published("samples", event, ".kafka")
    headers = {name: text.encode() for name, text in made["headers"].items()}
    received = read(made["key"].encode(), json.dumps(made["value"]).encode(), headers)
    assert isinstance(received.event, event)
    assert made["topic"] == topic(event.service)


@EVENTS
def test_ids_in_samples_are_version_7(event: type[Event]) -> None:
    for name, value in sample(event):
        if isinstance(value, UUID):
            assert value.version == 7, name


@settings(max_examples=5)
@EVENTS
@given(data=st.data())
def test_schema_and_writer_agree_on_what_may_be_sent(event: type[Event], data: st.DataObject) -> None:
    drawn = data.draw(data_of(event))
    written = json.loads(event.model_validate_json(json.dumps(drawn)).model_dump_json())
    Draft202012Validator(schema(event)).validate(written)


@EVENTS
def test_no_event_carries_personal_data_or_free_text(event: type[Event]) -> None:
    shape = schema(event)
    for at, part in _parts(shape, event.__name__):
        for name in part.get("properties", {}) if isinstance(part.get("properties"), dict) else ():
            assert not PERSONAL.search(name), f"{at}.{name} looks personal"
        if part.get("type") == "string":
            assert part.keys() & {"format", "pattern", "enum", "const"}, f"{at} is free text"
        if part.get("type") == "integer":
            assert {"minimum", "maximum"} <= part.keys(), f"{at} has no bounds"
        if part.get("type") == "array":
            assert "maxItems" in part, f"{at} has no end"
        assert part.get("format") in {None, "uuid", "date-time"}, f"{at}: {part.get('format')} is not thin"


@EVENTS
def test_the_schema_says_everything_that_the_class_checks(event: type[Event]) -> None:
    # a validator in code is invisible in the schema, and so to the compatibility check
    decorators = event.__pydantic_decorators__
    assert [*decorators.field_validators, *decorators.model_validators, *decorators.validators] == []


@pytest.mark.parametrize(
    "name", ["child_name", "nhs_number", "address", "birth_date", "text", "note", "email", "phone", "home_phone"]
)
def test_the_lint_knows_personal_names(name: str) -> None:
    assert PERSONAL.search(name)


@EVENTS
def test_words_of_closed_lists_are_machine_words(event: type[Event]) -> None:
    for at, part in _parts(schema(event), event.__name__):
        if isinstance(part.get("enum"), list):
            assert all(re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", word) for word in part["enum"]), at
