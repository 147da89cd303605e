"""What a rule is to be given, named before anything is read: so that one round trip reads it for a whole batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chassis.rows import Rows
    from chassis.tables import Table

Key = Hashable
KeyOf = Callable[[Any], Key | None]


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
    holds: Callable[[Any], bool] | None
    """The condition, of a row at hand."""

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
        if self.holds is None or not (changed := rows.changed.get(self.table)):
            return given
        return self._with_changed(rows, wanted, given, changed, self.holds)

    def _with_changed(
        self,
        rows: Rows,
        wanted: Key,
        given: tuple[Any, ...],
        changed: dict[Key, Any],
        holds: Callable[[Any], bool],
    ) -> tuple[Any, ...]:
        """Also what earlier inputs of this batch made or changed: nobody can have read it."""
        value, key_of = attrgetter(self.column), self.table.key_of
        still = tuple(row for row in given if value(row) == wanted and holds(row))
        there = {key_of(row) for row in still}
        new = tuple(row for key, row in changed.items() if value(row) == wanted and key not in there and holds(row))
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
