"""The smallest service there can be: counters. The processor keeps its promises on it, without a rule of the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from attune_contracts.event import encode
from attune_contracts.screening import ScreeningNotCompleted
from chassis.arrivals import Input
from chassis.commands import Command
from chassis.decision import NOTHING, Cause, Decision, Due, Refused
from chassis.inputs import command, due, on
from chassis.parked import Record
from chassis.reading import read_record
from chassis.tables import Table

TABLES = """
CREATE TABLE counters (
    counter_id uuid PRIMARY KEY, version bigint NOT NULL, total bigint NOT NULL, history jsonb NOT NULL,
    rings_at timestamptz, rung bigint NOT NULL,
    CONSTRAINT a_total_is_never_666 CHECK (total <> 666)
);
CREATE TABLE notes (note_id uuid PRIMARY KEY, version bigint NOT NULL, text text NOT NULL);
CREATE UNIQUE INDEX a_motto_stands_once ON notes (text) WHERE text LIKE 'motto %';
"""


@dataclass(frozen=True, slots=True)
class Counter:
    counter_id: UUID
    total: int
    history: tuple[int, ...] = ()
    rings_at: datetime | None = None
    rung: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    note_id: UUID
    text: str


counters = Table(Counter, "counters", key="counter_id", due="rings_at")
notes = Table(Note, "notes", key="note_id")


class Add(Command):
    counter_id: UUID
    number: int


class WriteNote(Command):
    note_id: UUID
    text: str


class Open(Command):
    counter_id: UUID


class IsOpen(Refused):
    """Can be opened once."""


class TooMuch(Refused):
    """No more than a hundred at a time."""

    status = 422
    field = "number"


def add(counter: Counter | None, c: Add, cause: Cause) -> Decision:
    """Adds to a counter and tells it."""
    if c.number == 13:
        raise ArithmeticError("a bug")
    if c.number > 100 and c.number != 666:
        raise TooMuch
    before = counter or Counter(c.counter_id, 0)
    after = Counter(c.counter_id, before.total + c.number, (*before.history, c.number), None, before.rung)
    return Decision((after,), (told(c.counter_id, cause),), {"total": after.total})


def open_(counter: Counter | None, c: Open, cause: Cause) -> Decision:
    """Begins a counter, and refuses to do it again."""
    if counter is not None:
        raise IsOpen
    return Decision((Counter(c.counter_id, 0),), (), {"opened": True})


def hear(counter: Counter | None, e: ScreeningNotCompleted, cause: Cause) -> Decision:
    """Counts an event by its age in days."""
    if e.reason == "inpatient":
        raise ArithmeticError("a bug")
    before = counter or Counter(e.child_id, 0)
    return Decision((Counter(e.child_id, before.total + e.age_days, (*before.history, e.age_days), None, before.rung),))


def ring(counter: Counter | None, d: Due, cause: Cause) -> Decision:
    """Rings a counter whose time has come."""
    if counter is None or counter.rings_at is None or counter.rings_at > cause.at:
        return NOTHING
    if counter.total == 13:
        raise ArithmeticError("a bug")
    return Decision((Counter(d.key, counter.total, counter.history, None, counter.rung + 1),), (told(d.key, cause),))


def write_note(_: None, c: WriteNote, cause: Cause) -> Decision:
    """Writes a note without looking whether it is there."""
    return Decision((Note(c.note_id, c.text),))


def told(about: UUID, cause: Cause, *, reason: Any = "other", age_days: int = 1) -> ScreeningNotCompleted:
    return ScreeningNotCompleted(
        screening_id=cause.derive("screening"),
        child_id=about,
        pregnancy_id=about,
        team_id=about,
        reason=reason,
        instrument="toy",
        instrument_version=1,
        age_days=age_days,
        administered_by=about,
        attempted_at=cause.at,
    )


ADD = command("POST /counters", Add, decide=add, state=counters.by("counter_id"), may="count")
OPEN = command("POST /counters/opening", Open, decide=open_, state=counters.by("counter_id"), may="count")
NOTE = command("POST /notes", WriteNote, decide=write_note, may="note")
HEAR = on(ScreeningNotCompleted, decide=hear, state=counters.by("child_id"))
RING = due(counters, decide=ring)


def adding(counter_id: UUID, number: int, *, id_: UUID | None = None, fingerprint: bytes = b"same") -> Input:
    i = id_ or uuid7()
    return Input(ADD, i, Add(counter_id=counter_id, number=number), i, by="tester", fingerprint=fingerprint)


def opening(counter_id: UUID, *, id_: UUID | None = None) -> Input:
    i = id_ or uuid7()
    return Input(OPEN, i, Open(counter_id=counter_id), i, by="tester", fingerprint=b"same")


def noting(text: str, *, id_: UUID, note_id: UUID | None = None) -> Input:
    return Input(NOTE, id_, WriteNote(note_id=note_id or uuid7(), text=text), id_, by="tester", fingerprint=b"same")


def record(
    about: UUID, age_days: int, *, offset: int = 0, event_id: UUID | None = None, reason: str = "other"
) -> Record:
    """An event as it comes from Kafka."""
    cause = Cause(event_id or uuid7(), datetime.now(UTC))
    event = told(about, cause, reason=reason, age_days=age_days)
    headers: Sequence[tuple[str, str]] = (
        ("ce_specversion", "1.0"),
        ("ce_id", str(cause.id)),
        ("ce_type", event.type),
        ("ce_source", "/attune/screening"),
        ("ce_subject", str(about)),
        ("ce_time", cause.at.isoformat()),
        ("ce_dataschema", f"urn:attune:schema:{event.type}"),
        ("ce_correlationid", str(cause.id)),
        ("ce_causationid", str(cause.id)),
        ("ce_sequence", "1"),
        ("content-type", "application/json"),
    )
    raw = tuple((name, value.encode()) for name, value in headers)
    return Record("attune.screening", 0, offset, str(about).encode(), encode(event), raw, 1_790_000_000_000)


def heard(r: Record) -> Input:
    """The input that a record is for this service."""
    i = read_record(r, {HEAR.event.type: HEAR})
    assert i is not None
    return i
