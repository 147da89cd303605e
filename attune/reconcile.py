"""Does everything add up? Compares databases, topics and mails: nothing lost, nothing twice. Pure; facts.py gathers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from attune.facts import Case, Facts
from attune.fault import Fault, Kind
from attune.who_is_told import required
from attune_contracts.event import Event
from attune_contracts.referral import (
    CaseAssigned,
    CaseClosed,
    CaseHandedOver,
    ConsultationReopened,
    ConsultationRequested,
    ConsultationTriaged,
    ConsultationWithdrawn,
    WaitingListJoined,
)
from attune_contracts.screening import ScreeningCompleted, ScreeningNotCompleted
from attune_contracts.workforce import PractitionerLeft


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The figures, and everything that contradicts them."""

    concerns: int
    consultations: int
    assigned: int
    waiting: int
    ended: int
    messages: int
    required: int
    """Messages that the events call for."""
    handed_over: int
    events: int
    repeated: int
    """Records that Kafka has more than once: allowed (at least once), readers know them by id."""
    parked: int
    by_outcome: Mapping[str, int]
    by_event: Mapping[str, int]
    faults: tuple[Fault, ...]

    @property
    def lost(self) -> int:
        return sum(f.kind == "lost" for f in self.faults)

    @property
    def twice(self) -> int:
        return sum(f.kind == "twice" for f in self.faults)

    def as_dict(self) -> dict[str, Any]:
        """The figures as they stand in a report."""
        first = ("concerns", "consultations", "assigned", "waiting", "messages", "lost", "twice")
        further = ("ended", "handed_over", "required", "events", "repeated", "parked")
        counted = {name: getattr(self, name) for name in (*first, *further)}
        by = {"by_outcome": dict(self.by_outcome), "by_event": dict(self.by_event)}
        return counted | by | {"faults": [str(f) for f in self.faults]}


Expected = Mapping[UUID, str | None]
"""What the services answered to whoever sent screenings: outcome by screening id, None for one not completed."""


def reckon(facts: Facts, answered: Expected | None = None) -> Reckoning:
    """Figures and faults. `answered`: what senders were promised, compared as well where it is known."""
    faults = [fault for check in CHECKS.values() for fault in check(facts)]
    if answered is not None:
        faults += _promises(facts, answered)
    concerning = [s for s in facts.screenings if _concerning(s.follows)]
    open_cases = [c for c in facts.cases if c.status == "accepted"]
    told = Counter(type(t.event).__name__ for t in facts.journal)
    return Reckoning(
        concerns=len(concerning),
        consultations=len(facts.cases),
        assigned=sum(c.assigned_to is not None for c in open_cases),
        waiting=sum(c.waits for c in open_cases),
        ended=len(facts.cases) - len(open_cases),
        messages=sum(letter.status == "sent" for letter in facts.letters),
        required=sum(len(required(t.event)) for t in facts.journal),
        handed_over=told["CaseHandedOver"],
        events=len(facts.journal),
        repeated=sum(len(ids) - len(set(ids)) for ids in (facts.topics or {}).values()),
        parked=sum(map(len, facts.parked.values())),
        by_outcome=dict(sorted(Counter(s.outcome or "not_completed" for s in facts.screenings).items())),
        by_event=dict(sorted(told.items())),
        faults=tuple(faults),
    )


def _concerning(follows: str | None) -> bool:
    return follows is not None and follows.startswith("consultation_")


# --- a concern, a consultation, a case --------------------------------------------------------------------------------


def _every_concern_has_one_consultation(facts: Facts) -> Iterator[Fault]:
    of = Counter(c.screening_id for c in facts.cases if c.screening_id is not None)
    for s in facts.screenings:
        if _concerning(s.follows) and not of[s.screening_id]:
            yield Fault("lost", f"screening {s.screening_id} ({s.outcome}) has no consultation")
    yield from (Fault("twice", f"screening {id_} has {n} consultations") for id_, n in of.items() if n > 1)
    concerning = {s.screening_id for s in facts.screenings if _concerning(s.follows)}
    yield from (
        Fault("wrong", f"a consultation for {id_}, which calls for none") for id_ in of if id_ not in concerning
    )


def _every_accepted_case_is_assigned_or_waits(facts: Facts) -> Iterator[Fault]:
    for c in facts.cases:
        if c.status == "accepted" and c.assigned_to is None and not c.waits:
            yield Fault("lost", f"case {c.consultation_id} is neither assigned nor on the waiting list")
        elif c.status == "accepted" and c.assigned_to is not None and c.waits:
            yield Fault("twice", f"case {c.consultation_id} is assigned and on the waiting list")
        if c.unsettled:
            yield Fault("wrong", f"case {c.consultation_id} has not been looked at by its pool")
    if facts.pools_due:
        yield Fault("wrong", f"{facts.pools_due} pools have not done what is due")


def _nobody_has_more_than_their_capacity(facts: Facts) -> Iterator[Fault]:
    held: Counter[UUID] = Counter()
    for c in facts.cases:
        if c.status == "accepted" and c.assigned_to is not None:
            held[c.assigned_to] += c.points
    left = {t.event.practitioner_id for t in facts.journal if isinstance(t.event, PractitionerLeft)}
    seats = {seat.practitioner_id: seat for seat in facts.seats}
    for id_ in seats.keys() | held.keys():
        seat = seats.get(id_)
        if seat is None:
            yield Fault("wrong", f"{id_} has cases and is in no pool")
        elif seat.used != held[id_]:
            yield Fault("wrong", f"{id_} has {held[id_]} points of cases, the pool says {seat.used}")
        elif seat.used > seat.capacity:
            yield Fault("wrong", f"{id_} has {seat.used} points of {seat.capacity}")
        if id_ in left and held[id_]:
            yield Fault("wrong", f"{id_} has left and still has cases")


def _events_tell_what_the_tables_hold(facts: Facts) -> Iterator[Fault]:
    replayed: dict[UUID, tuple[str, UUID | None]] = {}
    for t in facts.journal:
        after = _after(t.event)
        if after is not None:
            replayed[t.event.consultation_id] = after  # type: ignore[attr-defined]
    for c in facts.cases:
        if replayed.get(c.consultation_id, ("nothing", None)) != _standing(c):
            yield Fault("wrong", f"events and table tell different stories of case {c.consultation_id}")
    for id_ in sorted(replayed.keys() - {c.consultation_id for c in facts.cases}):
        yield Fault("lost", f"events tell of case {id_}, which is not there")
    told = Counter(t.event.screening_id for t in facts.journal if isinstance(t.event, _SCREENED))
    for s in facts.screenings:
        if told[s.screening_id] != 1:
            kind: Kind = "twice" if told[s.screening_id] else "lost"
            yield Fault(kind, f"screening {s.screening_id} was told {told[s.screening_id]} times")


_SCREENED = (ScreeningCompleted, ScreeningNotCompleted)


def _after(e: Event) -> tuple[str, UUID | None] | None:
    if isinstance(e, CaseAssigned):
        return "assigned", e.practitioner_id
    if isinstance(e, CaseHandedOver):
        return ("assigned", e.to_practitioner_id) if e.to_practitioner_id else ("waits", None)
    if isinstance(e, WaitingListJoined):
        return "waits", None
    if isinstance(e, CaseClosed | ConsultationWithdrawn):
        return "ended", None
    if isinstance(e, ConsultationTriaged):
        return {"declined": ("ended", None), "redirected": ("asked", None)}.get(e.decision)
    return ("asked", None) if isinstance(e, ConsultationRequested | ConsultationReopened) else None


def _standing(c: Case) -> tuple[str, UUID | None]:
    if c.status == "requested":
        return "asked", None
    if c.status != "accepted":
        return "ended", None
    return ("assigned", c.assigned_to) if c.assigned_to is not None else ("waits", None)


# --- events -----------------------------------------------------------------------------------------------------------


def _every_event_is_in_its_topic(facts: Facts) -> Iterator[Fault]:
    for service, waiting in facts.outbox.items():
        if waiting:
            yield Fault("wrong", f"{waiting} events of {service} wait in its outbox")
    if facts.topics is None:
        return
    for service, ids in facts.topics.items():
        there, known = set(ids), {t.event_id for t in facts.journal if t.service == service}
        yield from (Fault("lost", f"event {id_} of {service} is not in its topic") for id_ in sorted(known - there))
        yield from (
            Fault("wrong", f"event {id_} in the topic of {service} is not its own") for id_ in sorted(there - known)
        )
    if facts.unreadable:
        yield Fault("wrong", f"{facts.unreadable} records cannot be read")


def _events_of_a_key_are_in_order(facts: Facts) -> Iterator[Fault]:
    told = sorted(facts.journal, key=lambda t: (t.service, t.key, t.sequence))
    for (service, key), of_key in groupby(told, key=lambda t: (t.service, t.key)):
        sequences = [t.sequence for t in of_key]
        if sequences != list(range(1, len(sequences) + 1)):
            yield Fault("wrong", f"events of {service} about {key} are numbered {sequences}")
    for service, ids in (facts.topics or {}).items():
        place = {t.event_id: (t.key, t.sequence) for t in facts.journal if t.service == service}
        reached: dict[UUID, int] = {}
        for id_ in ids:
            key, sequence = place.get(id_, (id_, 1))
            if sequence > reached.get(key, 0) + 1:
                yield Fault("wrong", f"event {id_} of {service} overtook an earlier one of its key")
            reached[key] = max(reached.get(key, 0), sequence)


def _every_service_has_read_its_topics(facts: Facts) -> Iterator[Fault]:
    for group, left in (facts.unread or {}).items():
        if left:
            yield Fault("wrong", f"{left} records wait to be read by {group}")


def _nothing_is_parked(facts: Facts) -> Iterator[Fault]:
    yield from (Fault("wrong", f"{len(ids)} inputs are parked in {s}") for s, ids in facts.parked.items() if ids)


# --- messages ---------------------------------------------------------------------------------------------------------

ASKED_FOR = frozenset({"please_call", "booklet"})
"""What a person asks to be sent to a caregiver, or a date does: no event says that it must be."""


def _everybody_is_told_once(facts: Facts) -> Iterator[Fault]:
    due: Counter[tuple[str, UUID, UUID | str | None]] = Counter(d for t in facts.journal for d in required(t.event))
    to_staff = [m for m in facts.letters if m.kind not in ASKED_FOR]
    recorded = Counter((m.kind, m.about_id, m.duty or m.recipient_id) for m in to_staff)
    for (kind, about, whom), n in (due - recorded).items():
        yield Fault("lost", f"{n} message {kind} about {about} to {whom}")
    for (kind, about, whom), n in (recorded - due).items():
        yield Fault("twice", f"{n} message {kind} about {about} to {whom} more than was due")


def _nobody_waits_in_vain(facts: Facts) -> Iterator[Fault]:
    for m in facts.letters:
        if m.status != "sent":
            yield Fault("lost", f"message {m.message_id} ({m.kind}) is {m.status}")


def _every_message_left_once(facts: Facts) -> Iterator[Fault]:
    if facts.mails is None:
        return
    arrived = Counter(facts.mails)
    sent = {str(m.message_id) for m in facts.letters if m.channel == "email" and m.status == "sent"}
    yield from (Fault("lost", f"message {id_} is not in the sink") for id_ in sorted(sent) if not arrived[id_])
    yield from (Fault("twice", f"message {id_} is in the sink {n} times") for id_, n in arrived.items() if n > 1)
    yield from (Fault("wrong", f"mail {id_} is none of ours") for id_ in arrived if id_ not in sent)


def _promises(facts: Facts, answered: Expected) -> Iterable[Fault]:
    kept = {s.screening_id: s.outcome for s in facts.screenings}
    for id_, outcome in answered.items():
        if id_ not in kept:
            yield Fault("lost", f"screening {id_} was answered for and is not there")
        elif kept[id_] != outcome:
            yield Fault("wrong", f"screening {id_} must be {outcome} and is {kept[id_]}")
    yield from (Fault("wrong", f"screening {id_} was never sent") for id_ in kept.keys() - answered.keys())


Check = Callable[[Facts], Iterator[Fault]]

CHECKS: Mapping[str, Check] = {
    check.__name__.removeprefix("_"): check
    for check in (
        _every_concern_has_one_consultation,
        _every_accepted_case_is_assigned_or_waits,
        _nobody_has_more_than_their_capacity,
        _events_tell_what_the_tables_hold,
        _every_event_is_in_its_topic,
        _events_of_a_key_are_in_order,
        _every_service_has_read_its_topics,
        _nothing_is_parked,
        _everybody_is_told_once,
        _nobody_waits_in_vain,
        _every_message_left_once,
    )
}
"""Every invariant by its name; whoever expects some of them to be broken may leave them out."""
