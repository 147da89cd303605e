"""What readers did with what was told: everything handled, nothing invented, each key in its order."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from attune.facts import Told
from attune.fault import Fault
from attune.who_is_told import required
from attune_contracts.envelope import Unreadable, read_envelope
from faults.checks.facts import Handled, Judged, Observed, home


def inbox_equals_topic(seen: Observed) -> Judged:
    """Each event that a service acts on is in its inbox, unless it is parked, or nothing came of it and it need not be.

    And nothing is in an inbox that nobody told.
    """
    wanted = {s: _wanted(seen, s) for s in seen.wants}
    return sum(map(len, wanted.values())), _unhandled(seen, wanted)


def _wanted(seen: Observed, service: str) -> list[Told]:
    types = seen.wants[service]
    return [t for t in seen.kept.journal if t.event.type in types]


def _unhandled(seen: Observed, wanted: dict[str, list[Told]]) -> Iterator[Fault]:
    parked: dict[str, set[UUID]] = defaultdict(set)
    for p in seen.parked:
        parked[p.service].add(p.id)
    for service, events in wanted.items():
        inbox, waiting = seen.inbox.get(service, {}), parked[service]
        for t in events:
            if t.event_id not in inbox and t.event_id not in waiting and _leaves_a_trace(seen, service, t):
                yield Fault("lost", f"{service} has not handled {t.event.type} {t.event_id}")
        told = {t.event_id for t in events} | waiting
        for id_, handled in inbox.items():
            if handled.status is None and id_ not in told:
                yield Fault("wrong", f"{service} has handled {id_}, which nobody told")


def _leaves_a_trace(seen: Observed, service: str, t: Told) -> bool:
    """What is decided without a state and comes to nothing need not be remembered: it would come to nothing again."""
    return seen.wants[service][t.event.type] or (service == "notification" and bool(required(t.event)))


def events_of_a_key_are_applied_in_order(seen: Observed) -> Judged:
    """Of the events of one key and one service, none was handled in an earlier transaction than the one before it."""
    pairs = 0
    faults: list[Fault] = []
    for service in seen.wants:
        inbox = seen.inbox.get(service, {})
        last: dict[tuple[str, UUID], tuple[int, Told]] = {}
        for t in sorted(_wanted(seen, service), key=lambda t: t.sequence):
            handled: Handled | None = inbox.get(t.event_id)
            if handled is None:
                continue
            before = last.get((t.service, t.key))
            pairs += before is not None
            if before is not None and handled.transaction < before[0]:
                faults.append(Fault("wrong", f"{service} has handled {t.event_id} before {before[1].event_id}"))
            last[t.service, t.key] = handled.transaction, t
    return pairs, faults


def events_stay_on_the_partition_of_their_key(seen: Observed) -> Judged:
    """The order of a key is the order of its partition."""
    return len(seen.records), (
        Fault("wrong", f"event {id_} is on a partition of another key") for id_ in _strayed(seen)
    )


def _strayed(seen: Observed) -> Iterator[UUID]:
    for r in seen.records:
        if r.partition != home(r.key):
            with contextlib.suppress(Unreadable):
                yield read_envelope(r.key, r.value, r.headers).envelope.id
