"""Events that were told before the database was set back: what is decided again and says the same is not told again."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from chassis.writing import Told, Writing

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}[0-9:.]*(Z|[+-]\d{2}:\d{2})")

_Says = tuple[UUID, str, str]


class ToldBefore:
    """What was told and has not been come to again, by what it says."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._left: dict[_Says, list[UUID]] = defaultdict(list)
        self._says: dict[UUID, _Says] = {}
        for row in rows:
            says = row["key"], row["type"], _without_instants(row["data"])
            self._left[says].append(row["event_id"])
            self._says[row["event_id"]] = says

    def __len__(self) -> int:
        return len(self._says)

    def sort_out(self, writing: Writing) -> None:
        """Takes out of `writing` the events that were told before.

        One that says something else under an id of then cannot be told either: it stays among what people have to see.
        """
        new: list[Told] = []
        taken: set[UUID] = set()
        for event in writing.events:
            found = self._find(event, taken)
            if found is not None:
                taken.add(found)
            elif event.id not in self._says:
                new.append(event)
        writing.events = new
        writing.come_to_again = sorted(taken)

    def forget(self, ids: Iterable[UUID]) -> None:
        """These are recorded as come to again."""
        for id_ in ids:
            self._left[self._says.pop(id_)].remove(id_)

    def _find(self, event: Told, taken: set[UUID]) -> UUID | None:
        says = event.key, event.type, _without_instants(event.data)
        if self._says.get(event.id) == says and event.id not in taken:
            return event.id
        return next((id_ for id_ in self._left.get(says, ()) if id_ not in taken), None)


def _without_instants(data: bytes) -> str:
    """The data of an event without when: lived through again, it happens some moments beside the first time."""
    return json.dumps(_timeless(json.loads(data)), sort_keys=True)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_timeless(v) for v in value]
    return None if isinstance(value, str) and _INSTANT.fullmatch(value) else value
