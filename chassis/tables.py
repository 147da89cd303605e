"""Frozen dataclasses as rows: loaded for a whole batch, and written back only against the version that was read."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import TypeAdapter

from attune_contracts.ids import uuid_of
from chassis.database import Connection

Key = Hashable
KeyOf = Callable[[Any], Key | None]

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

    `due` names a nullable timestamptz field, or `due_sql` gives the keys of rows that are due, in its first column
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

    def many(self, key_of: str | KeyOf, *, column: str, where: str = "true", order: str, limit: int) -> Many:
        """The rows whose `column` equals what the input names; `k` in `where` is that value."""
        return Many(self, attrgetter(key_of) if isinstance(key_of, str) else key_of, column, where, order, limit)

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


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class By:
    """One row by its key."""

    table: Table
    key_of: KeyOf
    label: str

    def give(self, rows: Rows, data: Any) -> Any:
        key = self.key_of(data)
        return None if key is None else rows.get(self.table, key)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Many:
    """Some rows by a column, in an order, up to a limit."""

    table: Table
    key_of: KeyOf
    column: str
    where: str
    order: str
    limit: int

    @property
    def select(self) -> str:
        names = ", ".join(f"r.{c.name}" for c in self.table.columns)
        type_ = next(c.type for c in self.table.columns if c.name == self.column)
        return (
            f"SELECT k, r.version, {names} FROM unnest($1::{type_}[]) AS k CROSS JOIN LATERAL "
            f"(SELECT * FROM {self.table.name} WHERE {self.column} = k AND ({self.where}) "
            f"ORDER BY {self.order} LIMIT {self.limit}) AS r"
        )

    def give(self, rows: Rows, data: Any) -> tuple[Any, ...]:
        wanted = self.key_of(data)
        if wanted is None:
            return ()
        found = rows.found.get((self, wanted), ())
        given = tuple(rows.get(self.table, key) for key in found)
        if self.where != "true" or not (changed := rows.changed.get(self.table)):
            return given
        return self._with_changed(rows, wanted, given, changed)

    def _with_changed(
        self, rows: Rows, wanted: Key, given: tuple[Any, ...], changed: dict[Key, Any]
    ) -> tuple[Any, ...]:
        """Also what earlier inputs of this batch made or changed: nobody can have read it."""
        value, key_of = attrgetter(self.column), self.table.key_of
        still = tuple(row for row in given if value(row) == wanted)
        there = {key_of(row) for row in still}
        new = tuple(row for key, row in changed.items() if value(row) == wanted and key not in there)
        if new:
            rows.offered.setdefault(self.table, set()).update(map(key_of, new))
        return still + new


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Named:
    """The row that another row names: read after that one, so it costs a further round trip."""

    table: Table
    first: By
    named_by: KeyOf

    @property
    def key_of(self) -> KeyOf:
        return self.first.key_of

    def key(self, rows: Rows, data: Any) -> Key | None:
        row = self.first.give(rows, data)
        return None if row is None else self.named_by(row)

    def give(self, rows: Rows, data: Any) -> Any:
        key = self.key(rows, data)
        return None if key is None else rows.get(self.table, key)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class InHand:
    """Rows of the batch itself: needs no read. For a clock that is set off by inputs of its own batch."""

    table: Table
    key_of: KeyOf
    column_of: Callable[[Any], Any]
    where: Callable[[Any], bool]

    def give(self, rows: Rows, data: Any) -> tuple[Any, ...]:
        key, column_of, where = self.key_of(data), self.column_of, self.where
        return tuple(row for row in rows.in_hand(self.table) if column_of(row) == key and where(row))


Need = By | Many | InHand | Named


class State:
    """A frozen dataclass put together from several needs, one for each of its fields."""

    def __init__(self, shape: type[Any], **needs: Need) -> None:
        fields = [f.name for f in dataclasses.fields(shape)]
        if sorted(fields) != sorted(needs):
            raise TypeError(f"{shape.__name__} has {', '.join(fields)}; given {', '.join(needs)}")
        self.shape, self.needs = shape, tuple(needs[name] for name in fields)

    def give(self, rows: Rows, data: Any) -> Any:
        return self.shape(*[need.give(rows, data) for need in self.needs])


Given = Need | State


def needs_of(given: Given | None) -> tuple[Need, ...]:
    """The single needs that make up what a rule is given."""
    if given is None:
        return ()
    return given.needs if isinstance(given, State) else (given,)


class Rows:
    """The rows of one batch: as read, with their versions, and as changed so far."""

    def __init__(self) -> None:
        self.read: dict[Table, dict[Key, tuple[int, Any]]] = {}
        self.changed: dict[Table, dict[Key, Any]] = {}
        self.found: dict[tuple[Many, Key], list[Key]] = {}
        self.asked: dict[Table, set[Key]] = {}
        self.offered: dict[Table, set[Key]] = {}
        """Rows that earlier inputs of this batch made, and that later ones were given."""

    def get(self, table: Table, key: Key) -> Any:
        changed = self.changed.get(table)
        if changed is not None and key in changed:
            return changed[key]
        read = self.read.get(table)
        if read is None or (pair := read.get(key)) is None:
            return None
        return pair[1]

    def in_hand(self, table: Table) -> Iterable[Any]:
        """Every row of a table that was read or made, as it is now."""
        changed = self.changed.get(table, {})
        yield from changed.values()
        for key, (_, row) in self.read.get(table, {}).items():
            if key not in changed:
                yield row

    def put(self, row: Any) -> None:
        table = Table.of[type(row)]
        changed = self.changed.get(table)
        if changed is None:
            changed = self.changed[table] = {}
        changed[table.key_of(row)] = row

    def made_before(self, rows: Iterable[Any]) -> Table | None:
        """The table of a row that an earlier input of this batch made, and that nobody asked for."""
        for row in rows:
            table = Table.of[type(row)]
            key = table.key_of(row)
            if key in self.changed.get(table, ()) and not (
                key in self.read.get(table, ())
                or key in self.asked.get(table, ())
                or key in self.offered.get(table, ())
            ):
                return table
        return None

    def next_versions(self, table: Table) -> list[tuple[int, Any]]:
        """Changed rows of a table, each with the version that it will have."""
        read = self.read.get(table, {})
        return [((read[key][0] if key in read else 0) + 1, row) for key, row in self.changed[table].items()]

    def unread(self, table: Table) -> list[Key]:
        """Keys of rows that a rule made without having asked for them: these must be new."""
        read, asked = self.read.get(table, {}), self.asked.get(table, set())
        return [key for key in self.changed[table] if key not in read and key not in asked]

    def remember(self, known: Iterable[tuple[int, Any]]) -> None:
        """Rows as somebody saw them last: not read again. A wrong memory is a lost race when the row is written."""
        for version, row in known:
            table = Table.of[type(row)]
            self.read.setdefault(table, {})[table.key_of(row)] = version, row

    async def load(self, connection: Connection, asked: Iterable[tuple[Given | None, Any]]) -> None:
        """One statement for everything, whatever the number of inputs and of tables."""
        keys = self.asked
        many: dict[Many, set[Key]] = {}
        later: list[tuple[Named, Any]] = []
        for given, data in asked:
            for need in needs_of(given):
                if isinstance(need, InHand) or (key := need.key_of(data)) is None:
                    continue
                if isinstance(need, Named):
                    later.append((need, data))
                elif isinstance(need, Many):
                    many.setdefault(need, set()).add(key)
                elif key not in self.read.get(need.table, ()) and not self._recall(need.table, key):
                    keys.setdefault(need.table, set()).add(key)
        await self._fetch(connection, keys, many)
        if later:
            await self._load_named(connection, later)

    async def _load_named(self, connection: Connection, needs: Iterable[tuple[Named, Any]]) -> None:
        """What the rows read so far name, once more in one statement."""
        missing: dict[Table, set[Key]] = {}
        for need, data in needs:
            key, table = need.key(self, data), need.table
            if key is None or key in self.read.get(table, ()) or key in self.asked.get(table, ()):
                continue
            if not self._recall(table, key):
                missing.setdefault(table, set()).add(key)
        for table, wanted in missing.items():
            self.asked.setdefault(table, set()).update(wanted)
        await self._fetch(connection, missing, {})

    async def _fetch(
        self, connection: Connection, keys: Mapping[Table, set[Key]], many: Mapping[Many, set[Key]]
    ) -> None:
        reads: list[tuple[Table | Many, list[Key]]] = [(table, list(wanted)) for table, wanted in keys.items()]
        reads += [(need, list(wanted)) for need, wanted in many.items()]
        for (source, _), records in zip(reads, await _read(connection, reads), strict=True):
            if isinstance(source, Table):
                self._take(source, records)
            else:
                self._take_found(source, records)

    def _take(self, table: Table, records: Sequence[Any]) -> None:
        read = self.read.setdefault(table, {})
        for record in records:
            version, row = table.row(record)
            key = table.key_of(row)
            read[key] = version, row
            if table.immutable:
                table.known[key] = version, row

    def _take_found(self, need: Many, records: Sequence[Any]) -> None:
        read = self.read.setdefault(need.table, {})
        for record in records:
            version, row = need.table.row(record[1:])
            key = need.table.key_of(row)
            read.setdefault(key, (version, row))
            self.found.setdefault((need, record[0]), []).append(key)

    def _recall(self, table: Table, key: Key) -> bool:
        if not table.immutable or key not in table.known:
            return False
        self.read.setdefault(table, {})[key] = table.known[key]
        return True


async def _read(connection: Connection, reads: Sequence[tuple[Table | Many, list[Key]]]) -> Sequence[Sequence[Any]]:
    """The records of each read, all in one round trip."""
    if not reads:
        return ()
    if len(reads) == 1:
        return (await connection.fetch(reads[0][0].select, reads[0][1]),)
    answer = await connection.fetchrow(_together(tuple(source for source, _ in reads)), *(keys for _, keys in reads))
    return [records or () for records in answer or ()]


@lru_cache(maxsize=512)
def _together(sources: tuple[Table | Many, ...]) -> str:
    parts = (source.select.replace("$1", f"${n}") for n, source in enumerate(sources, 1))
    return f"SELECT {', '.join(f'(SELECT array_agg(r) FROM ({part}) AS r)' for part in parts)}"
