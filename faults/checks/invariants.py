"""Every invariant by its name: those of the demo's check, and those that only a campaign can look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

from attune.facts import Facts
from attune.reconcile import CHECKS
from faults.checks import answers, capacity, handling, health, letters, parking, secrecy
from faults.checks.facts import Judged, Observed
from faults.world import Finding, Told

LISTED = 50

_COMPARED: Mapping[str, tuple[str, Callable[[Facts], int], Told]] = {
    "every_concern_has_one_consultation": (
        "Each screening that calls for the specialists has one consultation, and no other screening has any.",
        lambda f: len(f.screenings) + len(f.cases),
        "lost",
    ),
    "every_accepted_case_is_assigned_or_waits": (
        "Exactly one of the two, and its pool has looked at it.",
        lambda f: len(f.cases),
        "lost",
    ),
    "nobody_has_more_than_their_capacity": (
        "Points in the pool are those of the open cases and within the capacity; who has left has none.",
        lambda f: len(f.seats),
        "wrong",
    ),
    "events_tell_what_the_tables_hold": (
        "The journal replayed gives the owner or the place that the row has; each screening is told once.",
        lambda f: len(f.cases) + len(f.screenings),
        "wrong",
    ),
    "every_event_is_in_its_topic": (
        "Every row of a journal is in its topic and nothing else is; the outbox is empty.",
        lambda f: len(f.journal),
        "lost",
    ),
    "events_of_a_key_are_in_order": (
        "Numbers of a key have no gap, in the journal and, read from the first record, in the topic.",
        lambda f: len(f.journal),
        "order",
    ),
    "every_service_has_read_its_topics": (
        "No group has a record before it.",
        lambda f: len(f.unread or ()),
        "wrong",
    ),
    "everybody_is_told_once": (
        "Who must be told, worked out a second time from the events, is who has a message, once.",
        lambda f: len(f.letters),
        "lost",
    ),
}
"""Of the demo's check: what each says, how much it compares, and as what a breach counts.

The others of it expect a day without a fault: nothing parked, every message sent. Here they are judged by what was
injected and by what is shown.
"""

_FROM_OUTSIDE: tuple[tuple[Callable[[Observed], Judged], Told], ...] = (
    (answers.every_success_is_kept, "lost"),
    (answers.every_refusal_changed_nothing, "wrong"),
    (answers.what_is_bad_is_refused, "wrong"),
    (capacity.capacity_is_never_exceeded, "wrong"),
    (handling.inbox_equals_topic, "lost"),
    (handling.events_of_a_key_are_applied_in_order, "order"),
    (handling.events_stay_on_the_partition_of_their_key, "order"),
    (parking.parked_is_exactly_what_was_injected, "wrong"),
    (letters.a_keyed_sink_has_each_message_once, "lost"),
    (letters.a_mail_leaves_at_most_once, "twice"),
    (letters.every_message_ends_visibly, "wrong"),
    (letters.nobody_is_written_to_against_their_policy, "wrong"),
    (secrecy.no_canary_has_sung, "wrong"),
    (health.every_process_is_well, "wrong"),
)


def described() -> dict[str, str]:
    """Every invariant with one sentence or two about it."""
    found = {name: says for name, (says, *_) in _COMPARED.items()} | {c.__name__: c.__doc__ for c, _ in _FROM_OUTSIDE}
    return {name: " ".join((says or "").split()) for name, says in found.items()}


def judge(seen: Observed) -> dict[str, Finding]:
    """Every invariant, judged by what was seen."""
    made = {
        name: _finding(name, (compared(seen.kept), CHECKS[name](seen.kept)), counts_as)
        for name, (_, compared, counts_as) in _COMPARED.items()
    }
    return made | {check.__name__: _finding(check.__name__, check(seen), told) for check, told in _FROM_OUTSIDE}


def _finding(name: str, judged: Judged, counts_as: Told) -> Finding:
    compared, found = judged
    faults = list(found)
    if faults and faults[0].kind != "wrong":
        counts_as = faults[0].kind
    return Finding(
        name=name,
        holds=not faults,
        looked_at=compared,
        broken=tuple(str(fault) for fault in islice(faults, LISTED)),
        counts_as=counts_as,
        count=len(faults),
    )
