"""JSON Schema of an event, as its writer keeps it: every field that was ever sent under this type, and no other."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from typing import Any

from attune_contracts import event as words
from attune_contracts.catalogue import dataschema, meaning, topic
from attune_contracts.event import Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_COMMENT = (
    "What the writer sends, hence closed. A reader must ignore fields it does not know and accept words "
    "that are not listed here; see the README of attune-contracts."
)


def schema(event: type[Event]) -> dict[str, Any]:
    """JSON Schema 2020-12 of the event's data. `x-subject` names the fields that give the record key."""
    made = event.model_json_schema(mode="validation")
    documented = _field_docs(event)
    for name, part in made["properties"].items():
        _drop_titles(part)
        if name in documented:
            part["description"] = documented[name]
    for definition in made.get("$defs", {}).values():
        _drop_titles(definition)
    kept = ("type", "properties", "required", "additionalProperties", "$defs")
    return {
        "$schema": DIALECT,
        "$id": dataschema(event.type),
        "$comment": _COMMENT,
        "title": event.__name__,
        "description": meaning(event),
        "x-topic": topic(event.service),
        "x-subject": list(event.subject_fields),
        "x-sensitivity": event.sensitivity,
    } | {keyword: made[keyword] for keyword in kept if keyword in made}


def _drop_titles(part: dict[str, Any]) -> None:
    """Titles that are field names said again."""
    part.pop("title", None)
    for inner in part.get("properties", {}).values():
        _drop_titles(inner)


def _field_docs(event: type[Event]) -> dict[str, str]:
    """The docstring under each field, or under the alias that is its type."""
    found: dict[str, str] = {}
    for cls in reversed(event.__mro__):
        if cls is Event or not issubclass(cls, Event):
            continue
        aliases = _alias_docs(words.__name__) | _alias_docs(cls.__module__)
        for statement, doc in _statements(_class_body(cls)):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                named = (n.id for n in ast.walk(statement.annotation) if isinstance(n, ast.Name))
                text = doc or next((aliases[n] for n in named if n in aliases), "")
                if text:
                    found[statement.target.id] = text
    return found


@cache
def _module_body(module: str) -> list[ast.stmt]:
    return ast.parse(inspect.getsource(sys.modules[module])).body


def _class_body(cls: type) -> list[ast.stmt]:
    module = _module_body(cls.__module__)
    return next((s.body for s in module if isinstance(s, ast.ClassDef) and s.name == cls.__name__), [])


@cache
def _alias_docs(module: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for statement, doc in _statements(_module_body(module)):
        if doc and isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = doc
    return found


def _statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement with the docstring that follows it."""
    for statement, following in zip_longest(body, body[1:]):
        value = following.value if isinstance(following, ast.Expr) else None
        text = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
        yield statement, " ".join(text.split())
