"""Parked is what the campaign made unreadable, and what queued behind it; nothing else, and none of it is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from attune.fault import Fault
from faults.checks.facts import Judged, Observed, Parked
from faults.world import BadMessage

_OPEN = frozenset({"failed", "queued", "retry"})
_BEHIND = "behind_parked"


def parked_is_exactly_what_was_injected(seen: Observed) -> Judged:
    """Each bad message is parked at whoever acts on its type, as the operator left it; what waited behind went on."""
    expected = [(service, bad) for bad in seen.world.bad_messages for service in bad.readers]
    return len(expected) + len(seen.parked), _parked_faults(seen, expected)


def _parked_faults(seen: Observed, expected: list[tuple[str, BadMessage]]) -> Iterator[Fault]:
    by_place: dict[tuple[str, str | None, int | None, int | None], list[Parked]] = defaultdict(list)
    for p in seen.parked:
        by_place[p.service, p.topic, p.partition, p.offset].append(p)
    by_id = {(p.service, p.id): p for p in seen.parked}
    explained: set[int] = set()
    heads: dict[tuple[str, str | None], list[Parked]] = defaultdict(list)
    for service, bad in expected:
        found = by_id.get((service, bad.event_id)) if bad.event_id is not None else None
        # A topic that was emptied has the same places a second time.
        there = by_place.get((service, bad.topic, bad.partition, bad.offset), [])
        found = found or next((p for p in there if id(p) not in explained), None)
        if found is None:
            yield Fault("lost", f"{bad.kind} at {bad.topic}/{bad.partition}/{bad.offset} is not parked in {service}")
            continue
        explained.add(id(found))
        heads[service, found.key].append(found)
        yield from _as_left(found, bad.resolved.get(service), service, bad)
    for p in seen.parked:
        if id(p) in explained:
            continue
        before = heads.get((p.service, p.key), [])
        if p.reason != _BEHIND or p.key is None or not before:
            yield Fault("wrong", f"{p.id} is parked in {p.service} for {p.reason}, and nobody injected it")
        elif p.state in _OPEN and not any(head.state in _OPEN for head in before):
            yield Fault("lost", f"{p.id} is still {p.state} in {p.service} although nothing before it is parked")


def _as_left(found: Parked, resolved: str | None, service: str, bad: BadMessage) -> Iterator[Fault]:
    allowed = {"discarded": {"discarded"}, "retried": {"failed", "retry", "done"}, None: _OPEN}[resolved]
    if found.state not in allowed:
        left = resolved or "left open"
        yield Fault("wrong", f"{bad.kind} {found.id} was {left} in {service} and is {found.state}")
