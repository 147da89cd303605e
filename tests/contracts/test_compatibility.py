"""A change is safe if old readers and old data survive it: the rule, one by one, and then against random changes."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import Field, create_model

from attune_contracts import compatibility
from attune_contracts.catalogue import CATALOGUE
from attune_contracts.compatibility import breaks, check, check_tree, main, release
from attune_contracts.event import Code, Event, Instant, Language, Part
from attune_contracts.schema import schema
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
    assert any((compatibility.ROOT / "released").glob("*.json"))
    assert check_tree() == []


def test_the_command_freezes_refuses_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(tmp_path)]
    with pytest.raises(SystemExit, match="2"):
        main(root)
    capsys.readouterr()
    assert main([*root, "--release"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"released {event_type}" for event_type in CATALOGUE]
    assert release(tmp_path) == []
    assert main(root) == 0
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
BOUNDS = st.sampled_from([(0, 5), (0, 9), (2, 9)])
NAMES = ["p", "q", "r", "s"]
FORMS = st.sampled_from(["required", "nullable", "optional"])
SLOW = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def listed(words: list[str]) -> Any:
    return Literal[tuple(words)]


def bounded(bounds: tuple[int, int]) -> Any:
    return Annotated[int, Field(ge=bounds[0], le=bounds[1])]


def tuples(kind: Any) -> Any:
    return Annotated[tuple[kind, ...], Field(max_length=3)]


def field(kind: Any, form: str) -> tuple[Any, Any]:
    return (kind if form == "required" else kind | None, None if form == "optional" else ...)


def inner(shape: Shape) -> Any:
    return create_model("Inner", __base__=Part, __module__=__name__, **fields(shape))  # type: ignore[call-overload]


Kind = Any
Shape = dict[str, tuple[Kind, str]]
WORDY, COUNTED = WORDS.map(listed), BOUNDS.map(bounded)
SIMPLE: st.SearchStrategy[Kind] = st.sampled_from([UUID, bool, Code, Language, Instant]) | WORDY | COUNTED
PARTS = st.dictionaries(st.sampled_from(["x", "y"]), st.tuples(SIMPLE, FORMS), min_size=1).map(inner)
KINDS = SIMPLE | SIMPLE | PARTS | SIMPLE.map(tuples) | PARTS.map(tuples)
SHAPES = st.dictionaries(st.sampled_from(NAMES), st.tuples(KINDS, FORMS), min_size=1, max_size=4)

PLAIN = st.dictionaries(st.just("p"), st.tuples(COUNTED, FORMS), min_size=1)
"""One counted field: two of them are often near each other."""


def fields(shape: Shape) -> dict[str, tuple[Any, Any]]:
    return {name: field(kind, form) for name, (kind, form) in shape.items()}


class ThingBase(Event):
    """Something that changes."""


def made(shape: Shape) -> type[Event]:
    columns = {"child_id": (UUID, ...)} | fields(shape)
    return create_model("Changed", __base__=ThingBase, __module__=__name__, **columns)


def altered(kind: Kind) -> st.SearchStrategy[Kind]:
    """The same kind with other words or bounds, also where it is an item or a field of a part."""
    origin: Any = get_origin(kind)
    first: Any = next(iter(get_args(kind)), None)
    if origin is Literal:
        return WORDS.map(lambda words: listed([*kind.__args__, *words]))
    if isinstance(kind, type) and issubclass(kind, Part):
        shape = {
            n: (f.rebuild_annotation(), "required" if f.is_required() else "optional")
            for n, f in kind.model_fields.items()
        }
        return changed(shape).map(inner)
    if origin is Annotated and first is int:
        return COUNTED
    if origin is Annotated and get_origin(first) is tuple:
        return altered(get_args(first)[0]).map(tuples)
    return SIMPLE


@st.composite
def changed(draw: st.DrawFn, shape: Shape) -> Shape:
    """The shape after one change, as somebody might make it."""
    name = draw(st.sampled_from(sorted(shape)))
    kind, form = shape[name]
    match draw(st.sampled_from(["words or bounds", "form", "added", "removed", "replaced"])):
        case "words or bounds":
            return shape | {name: (draw(altered(kind)), form)}
        case "form":
            return shape | {name: (kind, draw(FORMS))}
        case "added":
            return {draw(st.sampled_from([*NAMES, "t"])): (draw(SIMPLE), draw(FORMS))} | shape
        case "removed":
            return {n: f for n, f in shape.items() if n != name} or shape
    return shape | {name: (draw(SIMPLE), form)}


@SLOW
@given(st.tuples(PLAIN, PLAIN) | SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), changed(shape))), st.data())
def test_after_a_change_classed_as_safe_old_data_and_old_readers_live_on(
    pair: tuple[Shape, Shape], data: st.DataObject
) -> None:
    old, new = made(pair[0]), made(pair[1])
    assume(breaks(schema(old), schema(new)) == [])
    for writer, reader in ((old, new), (new, old)):
        for sent in data.draw(st.lists(data_of(writer), min_size=1, max_size=6)):
            assert writer.model_validate_json(json.dumps(sent))
            seen = reader.reader().model_validate_json(json.dumps(sent)).model_dump()
            for name in pair[0].keys() & pair[1].keys() & sent.keys():
                assert (seen[name] is None) == (sent[name] is None)


@SLOW
@given(SHAPES)
def test_no_change_is_always_safe(shape: Shape) -> None:
    assert breaks(schema(made(shape)), schema(made(shape))) == []
