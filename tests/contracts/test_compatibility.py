"""A change is safe if old readers and old data survive it: the rule, one by one, and then against random changes."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from attune_contracts import compatibility
from attune_contracts.catalogue import CATALOGUE
from attune_contracts.compatibility import breaks, check, check_tree, main, release
from attune_contracts.event import Code, Event, Instant, Language, Part
from attune_contracts.schema import schema
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import Field, create_model

from tests.support.any_event import data_of

COMPLETED = "attune.screening.screening-completed.v1"


class Place(Part):
    """A part of an event, to be referred to."""

    kind: Literal["home", "clinic"]
    floor: Annotated[int, Field(ge=0, le=9)] = 0


class ThingHappened(Event):
    """An event with every kind of field, as it was released."""

    child_id: UUID
    other_id: UUID | None
    outcome: Literal["good", "bad"]
    only: Literal["one"]
    code: Code
    count: Annotated[int, Field(ge=0, le=10)]
    done: bool
    place: Place
    places: Annotated[tuple[Place, ...], Field(max_length=5)]
    extra: Code | None = None
    at: Instant


def released() -> dict[str, Any]:
    return copy.deepcopy(schema(ThingHappened))


Change = Callable[[dict[str, Any]], object]

ALLOWED: dict[str, Change] = {
    "nothing": lambda _: None,
    "a better description": lambda s: s["properties"]["code"].update(description="Better."),
    "another title and comment": lambda s: s.update({"title": "T", "$comment": "C", "x-sensitivity": "none"}),
    "a new word": lambda s: s["properties"]["outcome"]["enum"].append("unknown_yet"),
    "words in another order": lambda s: s["properties"]["outcome"]["enum"].reverse(),
    "a second word": lambda s: s["properties"].update(only={"type": "string", "enum": ["one", "two"]}),
    "a new word in a part": lambda s: s["$defs"]["Place"]["properties"]["kind"]["enum"].append("video"),
    "a new optional field": lambda s: s["properties"].update(more={"type": "integer", "default": 1}),
    "a new optional field in a part": lambda s: s["$defs"]["Place"]["properties"].update(more={"type": "boolean"}),
    "required in another order": lambda s: s["required"].reverse(),
    "a definition that nobody uses": lambda s: s["$defs"].update(Other={"type": "object"}),
}

REFUSED: dict[str, tuple[str, Change]] = {
    "field removed": ("code: field removed", lambda s: s["properties"].pop("code")),
    "optional field removed": ("extra: field removed", lambda s: s["properties"].pop("extra")),
    "field made required": ("extra: field became required", lambda s: s["required"].append("extra")),
    "field made optional": ("code: field became optional", lambda s: s["required"].remove("code")),
    "new required field": (
        "more: new field is required",
        lambda s: (s["properties"].update(more={"type": "boolean"}), s["required"].append("more")),
    ),
    "type changed": ("done: type changed", lambda s: s["properties"]["done"].update(type="integer")),
    "type narrowed": ("count: type changed", lambda s: s["properties"]["count"].update(type="number")),
    "null no longer sent": (
        "other_id",
        lambda s: s["properties"].update(other_id={"type": "string", "format": "uuid"}),
    ),
    "null now sent": (
        "code",
        lambda s: s["properties"].update(code={"anyOf": [s["properties"]["code"], {"type": "null"}]}),
    ),
    "word removed": ("outcome: word bad removed", lambda s: s["properties"]["outcome"]["enum"].remove("bad")),
    "only word replaced": ("only: word one removed", lambda s: s["properties"]["only"].update(const="two")),
    "a word readers refuse": ("outcome: new word", lambda s: s["properties"]["outcome"]["enum"].append("Not a word")),
    "list opened": ("outcome: a closed list", lambda s: s["properties"]["outcome"].pop("enum")),
    "list closed": ("code: a closed list", lambda s: s["properties"]["code"].update(enum=["a"])),
    "maximum lowered": ("count: maximum changed", lambda s: s["properties"]["count"].update(maximum=9)),
    "maximum raised": ("count: maximum changed", lambda s: s["properties"]["count"].update(maximum=11)),
    "minimum gone": ("count: minimum changed", lambda s: s["properties"]["count"].pop("minimum")),
    "pattern changed": ("code: pattern changed", lambda s: s["properties"]["code"].update(pattern="^a$")),
    "format changed": ("child_id: format changed", lambda s: s["properties"]["child_id"].update(format="uri")),
    "default changed": ("extra: default changed", lambda s: s["properties"]["extra"].update(default="x")),
    "instants bounded": ("at: x-from changed", lambda s: s["properties"]["at"].update({"x-from": "2020"})),
    "fewer items": ("places: maxItems changed", lambda s: s["properties"]["places"].update(maxItems=4)),
    "other items": ("places[]: type changed", lambda s: s["properties"]["places"].update(items={"type": "string"})),
    "items gone": ("places: items changed", lambda s: s["properties"]["places"].pop("items")),
    "part narrowed": (
        ".floor: maximum changed",
        lambda s: s["$defs"]["Place"]["properties"]["floor"].update(maximum=1),
    ),
    "part lost a word": (
        ".kind: word home",
        lambda s: s["$defs"]["Place"]["properties"]["kind"]["enum"].remove("home"),
    ),
    "part lost a field": (".floor: field removed", lambda s: s["$defs"]["Place"]["properties"].pop("floor")),
    "part needs a field": (".floor: field became", lambda s: s["$defs"]["Place"]["required"].append("floor")),
    "writer opened": ("event: additionalProperties changed", lambda s: s.update(additionalProperties=True)),
    "another key": ("event: x-subject changed", lambda s: s.update({"x-subject": ["other_id"]})),
    "another topic": ("event: x-topic changed", lambda s: s.update({"x-topic": "attune.other"})),
    "another name": ("event: $id changed", lambda s: s.update({"$id": "urn:attune:schema:other"})),
    "a rule nobody knew": ("event: minProperties changed", lambda s: s.update(minProperties=3)),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_readers_and_data_survive_is_allowed(name: str) -> None:
    new = released()
    ALLOWED[name](new)
    assert breaks(released(), new) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_they_would_not_survive_is_refused_and_named(name: str) -> None:
    expected, change = REFUSED[name]
    new = released()
    change(new)
    found = breaks(released(), new)
    assert any(expected in problem for problem in found), found


def test_a_part_that_moved_to_another_definition_is_compared_by_what_it_says() -> None:
    new = json.loads(json.dumps(released()).replace("#/$defs/Place", "#/$defs/Site"))
    new["$defs"] = {"Site": new["$defs"].pop("Place")}
    assert breaks(released(), new) == []
    new["$defs"]["Site"]["properties"]["floor"]["maximum"] = 3
    assert breaks(released(), new) != []


def test_a_part_that_holds_itself_is_compared_once() -> None:
    tree = {"properties": {"leaf": {"$ref": "#/$defs/T"}}, "$defs": {"T": {"properties": {"t": {"$ref": "#/$defs/T"}}}}}
    assert breaks(tree, tree) == []


def test_a_new_type_is_allowed_and_a_removed_one_refused() -> None:
    one = {"a.v1": released()}
    assert check(one, one | {"a.v2": {}}) == []
    assert check(one, {}) == ["a.v1: type removed"]


def test_the_catalogue_keeps_what_was_released() -> None:
    assert check_tree() == []


def test_the_command_freezes_refuses_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(tmp_path)]
    assert main(root) == 0
    assert main([*root, "--release"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"released {event_type}" for event_type in CATALOGUE]
    assert release(tmp_path) == []
    path = tmp_path / "released" / f"{COMPLETED}.json"
    was = json.loads(path.read_text())
    was["properties"]["once_there"] = {"type": "boolean"}
    path.write_text(json.dumps(was))
    assert main([*root, "--release"]) == 1
    assert f"{COMPLETED}: once_there: field removed" in capsys.readouterr().err
    assert json.loads(path.read_text()) == was


def test_a_released_sample_must_stay_readable(tmp_path: Path) -> None:
    release(tmp_path)
    path = tmp_path / "released" / "samples" / f"{COMPLETED}.json"
    path.write_text(path.read_text().replace('"age_days": 48', '"age_days": 480000'))
    assert check_tree(tmp_path) == [
        f"{COMPLETED}: released sample cannot be read, schema_violation: age_days: less_than_equal"
    ]


def test_the_module_runs() -> None:
    run = subprocess.run([sys.executable, "-m", compatibility.__name__], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4, unique=True)
BOUNDS = st.sampled_from([(0, 5), (0, 9), (2, 5), (-3, 9)])
SIMPLE: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([UUID, bool, Code, Language, Instant]),
    WORDS.map(lambda words: Literal[tuple(words)]),
    BOUNDS.map(lambda b: Annotated[int, Field(ge=b[0], le=b[1])]),
)


@st.composite
def parts(draw: st.DrawFn) -> Any:
    chosen = draw(st.dictionaries(st.sampled_from(["x", "y"]), fields(SIMPLE), min_size=1))
    return create_model("Inner", __base__=Part, __module__=__name__, **chosen)  # type: ignore[call-overload]


def fields(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    """A field: required, required and nullable, or optional."""
    return st.one_of(
        kinds.map(lambda kind: (kind, ...)),
        kinds.map(lambda kind: (kind | None, ...)),
        kinds.map(lambda kind: (kind | None, None)),
    )


def tuples(kind: Any) -> Any:
    return Annotated[tuple[kind, ...], Field(max_length=3)]


KINDS = st.one_of(SIMPLE, SIMPLE, parts(), SIMPLE.map(tuples), parts().map(tuples))
SHAPES = st.dictionaries(st.sampled_from(["p", "q", "r", "s"]), fields(KINDS), min_size=1, max_size=4)
SLOW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def made(shape: dict[str, Any]) -> type[Event]:
    fields_of = {"child_id": (UUID, ...)} | shape
    return create_model("Changed", __base__=ThingBase, __module__=__name__, **fields_of)  # type: ignore[call-overload]


class ThingBase(Event):
    """Something that changes."""


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two shapes of which the second came from the first by few changes, so that some are safe and some are not."""
    old = draw(SHAPES)
    new = dict(old)
    for name in draw(st.lists(st.sampled_from(["p", "q", "r", "s"]), max_size=2, unique=True)):
        annotation, default = new.get(name, (None, None))
        if getattr(annotation, "__origin__", None) is Literal and draw(st.booleans()):
            new[name] = (Literal[tuple({*annotation.__args__, "e", *draw(WORDS)})], default)
        elif name in new and draw(st.booleans()):
            del new[name]
        else:
            new[name] = draw(fields(KINDS))
    return old, new


@SLOW
@given(neighbours(), st.data())
def test_after_a_change_classed_as_safe_old_data_and_old_readers_live_on(pair: Any, data: st.DataObject) -> None:
    old, new = made(pair[0]), made(pair[1])
    assume(breaks(schema(old), schema(new)) == [])
    for writer, reader in ((old, new), (new, old)):
        sent = json.dumps(data.draw(data_of(writer)))
        assert writer.model_validate_json(sent)
        seen = reader.reader().model_validate_json(sent)
        for name in pair[0].keys() & pair[1].keys() & json.loads(sent).keys():
            assert seen.model_dump(mode="json")[name] is not None or json.loads(sent)[name] is None


@SLOW
@given(SHAPES)
def test_no_change_is_always_safe(shape: dict[str, Any]) -> None:
    assert breaks(schema(made(shape)), schema(made(shape))) == []
