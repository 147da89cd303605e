"""One defect: what is changed in the sources, which promise that breaks, and the tests that must notice."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LISTS = Path(__file__).parent


class OutOfDate(ValueError):
    """A defect that no longer fits the sources: bring it up to date, or what it stands for goes unproved."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A passage that stands exactly once in a file, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Defect:
    """A mistake that somebody could make."""

    name: str
    breaks: str
    """The promise, P1 to P10."""
    says: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    """Node ids of pytest; at least one of these tests must fail."""

    def applied(self, root: Path) -> Mapping[str, str]:
        """The files as they are with the defect. Raises OutOfDate when a passage is not there exactly once."""
        changed: dict[str, str] = {}
        for edit in self.edits:
            text = changed.get(edit.file) or _text(root / edit.file, self.name)
            found = text.count(edit.old)
            if found != 1 or edit.old == edit.new:
                raise OutOfDate(f"{self.name}: a passage stands {found} times in {edit.file}, not once:\n{edit.old}")
            changed[edit.file] = text.replace(edit.old, edit.new)
        return changed


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise OutOfDate(f"{name}: there is no {path.name} any more") from None


def every_defect() -> tuple[Defect, ...]:
    """All that are listed, in the order of the lists."""
    return tuple(_read(entry) for path in sorted(LISTS.glob("*.toml")) for entry in _entries(path))


def _entries(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["defect"]
    return found


def _read(entry: Mapping[str, Any]) -> Defect:
    edits = tuple(Edit(**edit) for edit in entry["edits"])
    return Defect(entry["name"], entry["breaks"], entry["says"], edits, tuple(entry["tests"]))
