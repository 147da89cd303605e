"""Whether old readers and old data survive a change: what was released is compared with what the code says now.

Both directions count. A new reader meets old data in the journal; an old reader meets new data on the topic. So a rule
may neither tighten nor loosen: what is left is a new optional field, a new word in a list, and better descriptions.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import Unreadable, parse
from attune_contracts.samples import sample
from attune_contracts.schema import schema

ROOT = Path(__file__).resolve().parents[1]
_ANNOTATIONS = {"title", "description", "$comment", "examples", "deprecated", "x-sensitivity"}
_HANDLED = {"properties", "required", "enum", "const", "$ref", "$defs", "anyOf", "items", "type"}
_CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

Schema = Mapping[str, Any]


def breaks(old: Schema, new: Schema) -> list[str]:
    """What stops old readers or old data, as sentences that name the place; empty if the change is safe."""
    return list(_object(old, new, "", _Pair(old, new)))


class _Pair:
    """The two documents, for looking up what their references mean; each pair of references is compared once."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self.old, self.new = old.get("$defs", {}), new.get("$defs", {})
        self.seen: set[tuple[str, str]] = set()

    def resolved(self, old: Schema, new: Schema) -> tuple[Schema, Schema] | None:
        references = old.get("$ref", ""), new.get("$ref", "")
        if all(references):
            if references in self.seen:
                return None
            self.seen.add(references)
        return _follow(old, self.old), _follow(new, self.new)


def _follow(part: Schema, definitions: Schema) -> Schema:
    if "$ref" not in part:
        return part
    beside = {keyword: value for keyword, value in part.items() if keyword != "$ref"}
    return {**definitions[part["$ref"].rpartition("/")[2]], **beside}


def _object(old: Schema, new: Schema, at: str, pair: _Pair) -> Iterator[str]:
    yield from _part({k: v for k, v in old.items() if k != "$defs"}, new, at, pair)


def _part(old: Schema, new: Schema, at: str, pair: _Pair) -> Iterator[str]:
    both = pair.resolved(old, new)
    if both is None:
        return
    old, new = both
    place = at or "event"
    if old.get("type") != new.get("type"):
        yield f"{place}: type changed"
        return
    yield from _words(old, new, place)
    yield from _fields(old, new, at, pair)
    yield from _alternatives(old, new, place, pair)
    if "items" in old and "items" in new:
        yield from _part(old["items"], new["items"], f"{place}[]", pair)
    elif "items" in old or "items" in new:
        yield f"{place}: items changed"
    for keyword in sorted((old.keys() | new.keys()) - _ANNOTATIONS - _HANDLED):
        if old.get(keyword) != new.get(keyword) or (keyword in old) != (keyword in new):
            yield f"{place}: {keyword} changed"


def _listed(part: Schema) -> list[Any] | None:
    return [part["const"]] if "const" in part else part.get("enum")


def _words(old: Schema, new: Schema, place: str) -> Iterator[str]:
    before, after = _listed(old), _listed(new)
    if before is None and after is None:
        return
    if before is None or after is None:
        yield f"{place}: a closed list of words became something else, or something else a closed list"
        return
    for word in before:
        if word not in after:
            yield f"{place}: word {word} removed"
    for word in after:
        if word not in before and not (isinstance(word, str) and _CODE.fullmatch(word)):
            yield f"{place}: new word {word} is not a machine word, and readers accept nothing else"


def _fields(old: Schema, new: Schema, at: str, pair: _Pair) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, promised = set(new.get("required", ())), set(old.get("required", ()))
    for name in after.keys() | before.keys():
        place = f"{at}.{name}" if at else name
        if name not in after:
            yield f"{place}: field removed"
        elif name not in before:
            if name in needed:
                yield f"{place}: new field is required, and old data does not have it"
        elif name in needed - promised:
            yield f"{place}: field became required, and old data may not have it"
        elif name in promised - needed:
            yield f"{place}: field became optional, and old readers need it"
    for name in before.keys() & after.keys():
        yield from _part(before[name], after[name], f"{at}.{name}" if at else name, pair)


def _alternatives(old: Schema, new: Schema, place: str, pair: _Pair) -> Iterator[str]:
    before, after = old.get("anyOf", []), new.get("anyOf", [])
    if len(before) != len(after):
        yield f"{place}: alternatives changed"
        return
    for one, other in zip(before, after, strict=True):
        yield from _part(one, other, place, pair)


def check(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[str]:
    """Every released type against the schemas of now; a new type is no change, a type that is gone is one."""
    found: list[str] = []
    for event_type, old in released.items():
        new = current.get(event_type)
        problems = ["type removed"] if new is None else breaks(old, new)
        found += (f"{event_type}: {problem}" for problem in problems)
    return found


def check_tree(root: Path = ROOT) -> list[str]:
    """The released schemas in `root` against the catalogue, and the released samples through the readers of now."""
    directory = root / "released"
    released = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(directory.glob("*.json"))}
    found = check(released, {event_type: schema(event) for event_type, event in CATALOGUE.items()})
    for path in sorted((directory / "samples").glob("*.json")):
        try:
            parse(path.stem, path.read_bytes())
        except Unreadable as unreadable:
            found.append(f"{path.stem}: released sample cannot be read, {unreadable}")
    return found


def release(root: Path = ROOT) -> list[str]:
    """Freezes the catalogue of now in `root`; returns the types that are new or changed. The check must pass before."""
    directory = root / "released"
    (directory / "samples").mkdir(parents=True, exist_ok=True)
    written = []
    for event_type, event in CATALOGUE.items():
        path, text = directory / f"{event_type}.json", json.dumps(schema(event), indent=2) + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            written.append(event_type)
        kept = directory / "samples" / f"{event_type}.json"
        if not kept.exists():
            kept.write_text(json.dumps(sample(event).model_dump(mode="json"), indent=2) + "\n", "utf-8")
    return written


def main(arguments: list[str] | None = None) -> int:
    """`python -m attune_contracts.compatibility [--release]`: 0 if all that was released survives, else 1."""
    parser = argparse.ArgumentParser(prog="attune_contracts.compatibility", description=__doc__)
    parser.add_argument("--release", action="store_true", help="freeze the events of now as released")
    parser.add_argument("--root", type=Path, default=ROOT, help="directory that holds released/")
    chosen = parser.parse_args(arguments)
    if not (chosen.root / "released").is_dir() and not chosen.release:
        parser.error(f"nothing is released in {chosen.root}")
    problems = check_tree(chosen.root)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if problems:
        sys.stderr.write("A change that breaks readers or data is a new type, version 2; both are sent meanwhile.\n")
        return 1
    for event_type in release(chosen.root) if chosen.release else ():
        sys.stdout.write(f"released {event_type}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
