"""Frozen dataclasses as rows: read by their keys, and written back only against the version that was read."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any, ClassVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import TypeAdapter

from attune_contracts.ids import uuid_of
from chassis.needs import By, InHand, Key, KeyOf, Many, Named

_SCALARS: dict[Any, str] = {
    UUID: "uuid",
    str: "text",
    int: "bigint",
    float: "double precision",
    bool: "boolean",
    bytes: "bytea",
    datetime: "timestamptz",
    date: "date",
}


class Column:
    """One field of a row: a plain PostgreSQL type, or jsonb for everything that is not a scalar."""

    __slots__ = ("adapter", "name", "type")

    def __init__(self, name: str, annotation: Any) -> None:
        self.name = name
        plain = annotation
        if get_origin(annotation) in (Union, types.UnionType):
            inner = [a for a in get_args(annotation) if a is not types.NoneType]
            plain = inner[0] if len(inner) == 1 else annotation
        if get_origin(plain) is typing.Annotated:
            plain = get_args(plain)[0]
        if get_origin(plain) is typing.Literal:
            plain = str
        self.type = _SCALARS.get(plain, "jsonb")
        self.adapter: TypeAdapter[Any] | None = TypeAdapter(annotation) if self.type == "jsonb" else None

    @property
    def parameter(self) -> str:
        """Type of the array parameter that carries this column for many rows."""
        return "text[]" if self.adapter else f"{self.type}[]"

    @property
    def from_parameter(self) -> str:
        return f"{self.name}::jsonb" if self.adapter else self.name


class Table:
    """The rows of one frozen dataclass: column names are field names, plus `version`, which counts the changes.

    `due` names a nullable timestamptz field, or `due_sql` gives the keys of rows that are due and since when, or null
    ($1 now, $2 limit).
    Rows of an `immutable` table never change once inserted and are kept in the process after the first read.
    """

    of: ClassVar[dict[type[Any], Table]] = {}

    def __init__(
        self,
        state: type[Any],
        name: str,
        *,
        key: str,
        due: str | None = None,
        due_sql: str | None = None,
        immutable: bool = False,
    ) -> None:
        hints = typing.get_type_hints(state, include_extras=True)
        self.state, self.name, self.key = state, name, key
        self.columns = tuple(Column(f.name, hints[f.name]) for f in dataclasses.fields(state))
        self.key_type = next(c.type for c in self.columns if c.name == key)
        self.key_of: Callable[[Any], Any] = attrgetter(key)
        # UUIDs are compared by a Python function, their numbers are not; the order is the same.
        self._order_of: Callable[[Any], Any] = attrgetter(f"{key}.int" if self.key_type == "uuid" else key)
        self.due_field, self.immutable = due, immutable
        self.known: dict[Key, tuple[int, Any]] = {}
        names = ", ".join(c.name for c in self.columns)
        self.select = f"SELECT version, {names} FROM {name} WHERE {key} = ANY($1::{self.key_type}[])"
        self.existing = f"SELECT {key} FROM {name} WHERE {key} = ANY($1::{self.key_type}[])"
        self.due_sql = due_sql or (due and f"SELECT {key}, {due} FROM {name} WHERE {due} <= $1 ORDER BY {due} LIMIT $2")
        # asyncpg gives a subclass of UUID, which pydantic takes by a detour whenever it makes or writes an event.
        self._uuids = tuple(i for i, c in enumerate(self.columns, 1) if c.type == "uuid")
        self._json = tuple((i, c.adapter) for i, c in enumerate(self.columns, 1) if c.adapter)
        Table.of[state] = self

    def __repr__(self) -> str:
        return f"Table({self.name})"

    def by(self, key_of: str | KeyOf) -> By:
        """The one row whose key the input names, or None."""
        return By(self, attrgetter(key_of) if isinstance(key_of, str) else key_of, _label(key_of))

    def named_in(self, first: By, named_by: str | KeyOf) -> Named:
        """The one row whose key a field of the row `first` names, or None."""
        return Named(self, first, attrgetter(named_by) if isinstance(named_by, str) else named_by)

    def many(
        self,
        key_of: str | KeyOf,
        *,
        column: str,
        where: str = "true",
        holds: Callable[[Any], bool] | None = None,
        order: str,
        limit: int,
    ) -> Many:
        """The rows whose `column` equals what the input names; `k` in `where` is that value.

        `holds` says the same as `where` of a row at hand: without it a rule is not given what earlier inputs of the
        same batch have made.
        """
        key = attrgetter(key_of) if isinstance(key_of, str) else key_of
        if holds is None and where == "true":
            holds = _always
        return Many(self, key, column, where, order, limit, holds)

    def in_hand(self, key_of: str | KeyOf, *, column: str, where: Callable[[Any], bool]) -> InHand:
        """The rows that this batch has read or made, whose `column` equals what the input names, as they are now."""
        return InHand(self, attrgetter(key_of) if isinstance(key_of, str) else key_of, attrgetter(column), where)

    def row(self, record: Sequence[Any]) -> tuple[int, Any]:
        """Version and state from a record of `select`."""
        values = list(record)
        for i in self._uuids:
            if (found := values[i]) is not None:
                values[i] = uuid_of(found.int)
        for i, adapter in self._json:
            if values[i] is not None:
                values[i] = adapter.validate_json(values[i])
        return values[0], self.state(*values[1:])

    def write_sql(self, first: int) -> str:
        """Insert or update of many rows, each only if its version is the one that was read; parameters from `first`."""
        names = [c.name for c in self.columns]
        parameters = [f"${first}::bigint[]", *(f"${first + i}::{c.parameter}" for i, c in enumerate(self.columns, 1))]
        sets = ", ".join(f"{n} = EXCLUDED.{n}" for n in names if n != self.key)
        return (
            f"INSERT INTO {self.name} AS t (version, {', '.join(names)}) "
            f"SELECT version, {', '.join(c.from_parameter for c in self.columns)} "
            f"FROM unnest({', '.join(parameters)}) AS u(version, {', '.join(names)}) "
            f"ON CONFLICT ({self.key}) DO UPDATE SET version = EXCLUDED.version{', ' if sets else ''}{sets} "
            f"WHERE t.version = EXCLUDED.version - 1 RETURNING 1"
        )

    def parameters(self, rows: Iterable[tuple[int, Any]]) -> list[list[Any]]:
        """Column arrays for `write_sql`; rows in key order, so that two batches lock in the same order."""
        order = self._order_of
        ordered = sorted(rows, key=lambda r: order(r[1]))
        arrays: list[list[Any]] = [[version for version, _ in ordered]]
        for c in self.columns:
            get = attrgetter(c.name)
            if c.adapter is None:
                arrays.append([get(row) for _, row in ordered])
            else:
                dump = c.adapter.dump_json
                arrays.append([None if (v := get(row)) is None else dump(v).decode() for _, row in ordered])
        return arrays


def _label(key_of: str | KeyOf) -> str:
    return key_of if isinstance(key_of, str) else getattr(key_of, "__name__", "derived")


def _always(_: object) -> bool:
    return True
