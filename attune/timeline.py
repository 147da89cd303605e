"""One child's events of all services in causal order, and what they leave open. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from attune.wording import Names, kind_of, lasting, said, short, words
from attune_contracts import notification, referral, screening
from attune_contracts.attributes import Unreadable
from attune_contracts.envelope import parse
from attune_contracts.event import Event


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as a service's journal has it."""

    service: str
    at: datetime
    event_id: UUID
    sequence: int
    type: str
    causation_id: UUID
    correlation_id: UUID
    data: Mapping[str, Any]
    event: Event | None
    """None for a type that this version does not know."""

    @classmethod
    def of(cls, service: str, row: Mapping[str, Any]) -> Entry:
        """From one row of a service's `GET /timeline/{child_id}`."""
        try:
            event = parse(row["type"], to_json(row["data"]))
        except Unreadable:
            event = None
        return cls(
            service=service,
            at=datetime.fromisoformat(row["recorded_at"]),
            event_id=UUID(row["event_id"]),
            sequence=int(row["sequence"]),
            type=row["type"],
            causation_id=UUID(row["causation_id"]),
            correlation_id=UUID(row["correlation_id"]),
            data=row["data"],
            event=event,
        )

    def said(self, names: Names = short) -> str:
        return said(self.event, names) if self.event is not None else "of a newer version than this command knows"

    def as_dict(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "at": self.at.isoformat(),
            "type": self.type,
            "event_id": str(self.event_id),
            "sequence": self.sequence,
            "causation_id": str(self.causation_id),
            "correlation_id": str(self.correlation_id),
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True)
class Open:
    """Something that the events leave open: since when, and whether it must not be so."""

    what: str
    since: datetime
    wrong: bool = False

    def said(self, now: datetime) -> str:
        return f"{self.what} for {lasting(now - self.since)}"


SOON = timedelta(seconds=30)
"""What follows by itself follows within this time, or something stands still (ours)."""
ACKNOWLEDGED_WITHIN = timedelta(days=2)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Causes before effects and each service's own order kept, whatever the clocks say; else by time."""
    known = {e.event_id: e for e in entries}
    after: dict[UUID, list[Entry]] = {}
    waits_for: dict[UUID, int] = {}
    previous: dict[str, UUID] = {}
    for e in sorted(known.values(), key=lambda e: (e.service, e.sequence)):
        before = {id_ for id_ in (e.causation_id, previous.get(e.service)) if id_ in known and id_ != e.event_id}
        waits_for[e.event_id] = len(before)
        for id_ in before:
            after.setdefault(id_, []).append(e)
        previous[e.service] = e.event_id
    ready = [_place(e) for e in known.values() if not waits_for[e.event_id]]
    heapq.heapify(ready)
    ordered: dict[UUID, Entry] = {}
    while ready:
        e = known[heapq.heappop(ready)[3]]
        ordered[e.event_id] = e
        for follower in after.get(e.event_id, ()):
            waits_for[follower.event_id] -= 1
            if not waits_for[follower.event_id]:
                heapq.heappush(ready, _place(follower))
    # Left over is only what contradicts itself: shown nevertheless.
    return [*ordered.values(), *sorted((e for id_, e in known.items() if id_ not in ordered), key=_place)]


def _place(e: Entry) -> tuple[datetime, str, int, UUID]:
    return e.at, e.service, e.sequence, e.event_id


def left_open(entries: Sequence[Entry], now: datetime, names: Names = short) -> list[Open]:
    """What waits, and what should have followed and did not."""
    story = [(e.at, e.event) for e in entries if e.event is not None]
    opens = [o for at, e in story for o in _after_screening(at, e, story, now)]
    opens += [o for id_ in _consultations(story) for o in _of_consultation(id_, story, now, names)]
    return opens + _undelivered(story) + _tasks(story, now, names)


Story = Sequence[tuple[datetime, Event]]


def _after_screening(at: datetime, e: Event, story: Story, now: datetime) -> list[Open]:
    last = next((f for _, f in reversed(story) if isinstance(f, _ABOUT_SCREENING)), None)
    if isinstance(e, screening.ScreeningNotCompleted) and e is last:
        return [Open(f"to be screened ({words(e.reason)})", at)]
    if not isinstance(e, screening.ScreeningCompleted):
        return []
    if e.follows == "follow_up" and e is last:
        return [Open("follow-up screening to come", at)]
    if not e.follows.startswith("consultation_"):
        return []
    asked = any(isinstance(f, referral.ConsultationRequested) and f.screening_id == e.screening_id for _, f in story)
    return [] if asked else [Open(f"nothing followed the {words(e.outcome)}", at, now - at > SOON)]


_ABOUT_SCREENING = (screening.ScreeningCompleted, screening.ScreeningNotCompleted)


def _consultations(story: Story) -> list[UUID]:
    return [e.consultation_id for _, e in story if isinstance(e, referral.ConsultationRequested)]


_ENDS_CASE = (referral.CaseClosed, referral.ConsultationWithdrawn)
_STANDS = (
    referral.ConsultationRequested,
    referral.ConsultationTriaged,
    referral.ConsultationReopened,
    referral.WaitingListJoined,
    referral.CaseAssigned,
    referral.CaseHandedOver,
    *_ENDS_CASE,
)
"""What says where a case stands; whatever else happens leaves it there."""


def _says_where(e: Event) -> bool:
    return isinstance(e, _STANDS) and getattr(e, "decision", None) != "accepted"


def _of_consultation(id_: UUID, story: Story, now: datetime, names: Names) -> list[Open]:
    mine = [(at, e) for at, e in story if getattr(e, "consultation_id", None) == id_]
    at, last = next((at, e) for at, e in reversed(mine) if _says_where(e))
    case = f"case {short(id_)}"
    if isinstance(last, _ENDS_CASE) or getattr(last, "decision", None) == "declined":
        return []
    if isinstance(last, referral.ConsultationRequested) and last.accepted_by_rule is None:
        triaged = any(isinstance(e, referral.ConsultationTriaged) for _, e in mine)
        return [] if triaged else [Open(f"{case} waits for a person's triage", at)]
    if isinstance(last, referral.WaitingListJoined):
        return [Open(f"{case} is on the waiting list ({last.priority})", at)]
    if isinstance(last, referral.CaseHandedOver) and last.to_practitioner_id is None:
        return [Open(f"{case} is on the waiting list again", at)]
    if not isinstance(last, referral.CaseAssigned | referral.CaseHandedOver):
        return [Open(f"{case} is neither assigned nor on the waiting list", at, now - at > SOON)]
    opens = []
    owner = getattr(last, "practitioner_id", None) or getattr(last, "to_practitioner_id", None)
    if not _told(owner, id_, story):
        opens.append(Open(f"{names(owner)} has not been told of {case}", at, now - at > SOON))
    if not any(isinstance(e, referral.ConsultationAcknowledged) for _, e in mine):
        opens.append(Open(f"{case} is with {names(owner)}, not acknowledged", at, now - at > ACKNOWLEDGED_WITHIN))
    return opens


def _told(owner: UUID | None, about: UUID, story: Story) -> bool:
    return any(isinstance(e, _ENDS) and e.about_id == about and e.recipient_id == owner for _, e in story)


def _tasks(story: Story, now: datetime, names: Names) -> list[Open]:
    """What a person still has to do; late, it must not be so."""
    raised: dict[UUID, tuple[datetime, referral.TaskRaised]] = {}
    owners: dict[UUID, UUID | None] = {}
    for at, e in story:
        if isinstance(e, referral.TaskRaised):
            raised[e.task_id], owners[e.task_id] = (at, e), e.owner_id
        elif isinstance(e, referral.TaskHandedOver):
            owners[e.task_id] = e.to_owner_id
        elif isinstance(e, referral.TaskDone):
            raised.pop(e.task_id, None)
    return [
        Open(f"task of {names(owner) if (owner := owners[id_]) else 'the leads'}: {words(e.kind)}", at, e.due_at < now)
        for id_, (at, e) in raised.items()
    ]


_UNDELIVERED = (notification.MessageFailed, notification.MessageDoubtful, notification.MessageSuppressed)
_ENDS = (notification.MessageSent, notification.MessageDelivered, *_UNDELIVERED)


def _undelivered(story: Story) -> list[Open]:
    last = {e.message_id: (at, e) for at, e in story if isinstance(e, _ENDS)}
    found = [(at, e) for at, e in last.values() if isinstance(e, _UNDELIVERED)]
    return [
        Open(
            f"message {short(e.message_id)} {kind_of(e.type).partition('-')[2]} ({words(e.reason)})",
            at,
            wrong=not isinstance(e, notification.MessageSuppressed) or e.reason == "unknown_recipient",
        )
        for at, e in found
    ]
