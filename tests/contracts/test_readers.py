"""Every reader's real rule with the released sample of every event that it reads: it decides, it does not raise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from attune_contracts.catalogue import CATALOGUE
from chassis.arrivals import Input
from chassis.decision import Cause, Decision
from chassis.inputs import EventIntake
from chassis.parked import Record
from chassis.reading import read_record
from chassis.rows import Rows
from chassis.service import Service
from chassis.tables import Table
from services.notification import main as notification
from services.referral import main as referral
from services.screening import main as screening
from services.workforce import main as workforce

SAMPLES = Path(__file__).parents[2] / "contracts" / "samples"
SERVICES = (screening.SERVICE, referral.SERVICE, workforce.SERVICE, notification.SERVICE)
AT = datetime(2026, 3, 2, 10, 15, 1, tzinfo=UTC)


class Reader(NamedTuple):
    """An event and the service that acts on it."""

    service: Service
    intake: EventIntake

    @property
    def label(self) -> str:
        return f"{self.intake.event.__name__}-{self.service.name}"


READERS = [Reader(service, intake) for service in SERVICES for intake in service.events.values()]
every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda r: r.label)


def sample(kind: str, *, value: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Record:
    """The released sample as it lies in the topic."""
    kept = json.loads((SAMPLES / f"{kind}.kafka.json").read_text())
    pairs = tuple((name, text.encode()) for name, text in (kept["headers"] | (headers or {})).items())
    content = json.dumps(kept["value"] | (value or {})).encode()
    return Record(kept["topic"], 0, 0, kept["key"].encode(), content, pairs, 0)


def received(reader: Reader, record: Record) -> Input:
    """What the service makes of a record."""
    i = read_record(record, reader.service.events)
    assert i is not None
    assert i.unreadable is None, i.unreadable
    return i


def decided(i: Input, rows: Rows) -> Decision:
    """What the rule decides about these rows; they are changed as it says."""
    assert isinstance(i.intake, EventIntake)
    state = i.intake.state.give(rows, i.data) if i.intake.state is not None else None
    decision = i.intake.decide(state, i.data, Cause(i.id, AT, "", i.correlation_id))
    for row in decision.rows:
        assert type(row) in Table.of
        rows.put(row)
    return decision


def test_who_reads_what_is_as_the_catalogue_says() -> None:
    read = {(intake.event.type, service.name) for service, intake in READERS}
    assert read == {(kind, reader) for kind, event in CATALOGUE.items() for reader in event.readers}


@every_reader
def test_the_sample_is_decided_where_nothing_is_known_yet(reader: Reader) -> None:
    decision = decided(received(reader, sample(reader.intake.event.type)), Rows())
    assert isinstance(decision, Decision)


@every_reader
def test_the_sample_is_decided_in_the_middle_of_the_story(reader: Reader) -> None:
    """After every other sample that this service reads, and once more after itself."""
    rows = Rows()
    for kind in reader.service.events:
        decided(received(reader, sample(kind)), rows)
    for _ in range(2):
        decided(received(reader, sample(reader.intake.event.type)), rows)


@every_reader
def test_the_same_event_under_its_own_id_tells_nothing_twice(reader: Reader) -> None:
    """By the state alone, without the inbox."""
    rows = Rows()
    i = received(reader, sample(reader.intake.event.type))
    decided(i, rows)
    again = decided(i, rows)
    assert again.events == ()


@every_reader
def test_a_newer_writer_is_understood(reader: Reader) -> None:
    """Fields that this reader does not know, and a word that its list does not have where that is not decisive."""
    newer = {"a_field_of_tomorrow": {"nested": [1, "x"]}, "another": None}
    open_words = {"setting": "by_post", "role": "paediatrician", "kind": "sabbatical"}
    known = json.loads((SAMPLES / f"{reader.intake.event.type}.json").read_text())
    words = {name: word for name, word in open_words.items() if name in known}
    decided(received(reader, sample(reader.intake.event.type, value=newer | words)), Rows())


@every_reader
def test_an_event_about_somebody_else_changes_nobody_else(reader: Reader) -> None:
    """Rows that come of it carry the ids of the event, or the reader's own."""
    i = received(reader, sample(reader.intake.event.type))
    told = {str(value) for value in i.data.model_dump().values() if isinstance(value, UUID)}
    for row in decided(i, Rows()).rows:
        assert any(str(value) in told for value in (getattr(row, name) for name in row.__slots__))


def test_an_unknown_word_for_what_must_follow_is_a_riddle_only_where_the_outcome_is_none() -> None:
    """A concern is never dropped because its pathway uses a word of tomorrow."""
    reader = next(r for r in READERS if r.label == "ScreeningCompleted-referral")
    kind = reader.intake.event.type
    concern = received(reader, sample(kind, value={"follows": "video_consultation", "outcome": "urgent_concern"}))
    assert decided(concern, Rows()).events != ()
    with pytest.raises(Exception, match="video_consultation"):
        decided(received(reader, sample(kind, value={"follows": "video_consultation", "outcome": "unclear"})), Rows())


@pytest.mark.parametrize("kind", CATALOGUE)
def test_an_event_that_a_service_does_not_read_is_passed_over(kind: str) -> None:
    for service in SERVICES:
        if kind not in service.events:
            assert read_record(sample(kind, headers={"ce_id": str(uuid7())}), service.events) is None
