"""The rows of one batch: read for all of it in one round trip, and as its inputs have changed them so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from chassis.database import Connection
from chassis.needs import Given, InHand, Key, Many, Named, needs_of
from chassis.tables import Table

Stored = tuple[int, Any]
"""A row with its version."""


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
