"""What `attune watch` makes of a record: a line for people, a JSON for machines, never a crash."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from attune import sighting
from attune.sighting import Chain, Sighting, Wanted, as_json, line, seen
from attune.wording import lasting, said, short
from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import Envelope, to_kafka, to_kafka_structured
from attune_contracts.event import Event, encode
from attune_contracts.samples import sample
from chassis.parked import Record
from tests.support.given import NOON, some_id


def recorded(event: Event, *, at: datetime = NOON, correlation: UUID | None = None, structured: bool = False) -> Record:
    envelope = Envelope.of(
        event,
        id=some_id(f"{event.type}{at}"),
        time=at,
        correlationid=correlation or some_id("correlation"),
        causationid=some_id("cause"),
        sequence=1,
    )
    key, value, headers = (to_kafka_structured if structured else to_kafka)(envelope, encode(event))
    return Record(f"attune.{event.service}", 3, 7, key, value, tuple(headers), int(at.timestamp() * 1000))


def told(name: str) -> Event:
    return sample(next(e for e in CATALOGUE.values() if e.__name__ == name))


def test_every_event_of_the_catalogue_has_words_of_its_own() -> None:
    for event in CATALOGUE.values():
        made = sample(event)
        text = said(made)
        assert text, event.type
        assert len(text) <= 90, text
        assert "_" not in text, text


@pytest.mark.parametrize("event", CATALOGUE.values(), ids=lambda e: e.__name__)
def test_every_event_becomes_one_line(event: type[Event]) -> None:
    text = line(seen(recorded(sample(event)))).plain
    assert "\n" not in text
    assert event.type.split(".")[2] in text
    assert event.service in text


def test_a_line_shows_time_service_type_child_outcome_and_how_long_it_took() -> None:
    screened, assigned = told("ScreeningCompleted"), told("CaseAssigned")
    later = NOON + timedelta(milliseconds=42)
    first, second = Chain().linked([seen(recorded(assigned, at=later)), seen(recorded(screened))])
    assert first.waited is None
    plain = line(first).plain
    assert f"{NOON.astimezone():%H:%M:%S}.000" in plain
    assert "screening    screening-completed" in plain
    assert "concern: 48 days old" in plain.partition(short(screened.subject))[2]
    assert " +42 ms  assigned to " in line(second).plain


def test_the_time_is_counted_for_the_child_and_else_for_the_first_cause() -> None:
    left, handed = told("PractitionerLeft"), told("CaseHandedOver")
    cause = some_id("leaving")
    sightings = [
        seen(recorded(left, correlation=cause)),
        seen(recorded(handed, at=NOON + timedelta(seconds=2), correlation=cause)),
        seen(recorded(told("MessageSent"), at=NOON + timedelta(seconds=5), correlation=some_id("other"))),
    ]
    assert [s.waited for s in Chain().linked(sightings)] == [None, timedelta(seconds=2), timedelta(seconds=3)]


def test_a_clock_that_went_back_shows_no_negative_time() -> None:
    chain = Chain()
    chain.linked([seen(recorded(told("ScreeningCompleted"), at=NOON + timedelta(seconds=1)))])
    (again,) = chain.linked([seen(recorded(told("CaseAssigned")))])
    assert again.waited == timedelta(0)


@pytest.mark.parametrize(
    "damage",
    [
        {"value": None},
        {"value": b"\xff\xfe garbage"},
        {"value": b"{}"},
        {"headers": ()},
        {"headers": (("ce_type", None),)},
        {"key": None, "value": b"", "headers": (("content-type", b"application/cloudevents+json"),)},
        {"timestamp_ms": -1, "value": None},
    ],
)
def test_an_unreadable_record_is_shown_as_such(damage: dict[str, object]) -> None:
    s = seen(replace(recorded(told("ScreeningCompleted")), **damage))  # type: ignore[arg-type]
    assert s.envelope is None
    assert "unreadable" in line(s).plain
    assert "partition 3, offset 7" in line(s).plain
    written = json.loads(as_json(s))
    assert written["unreadable"]
    assert (written["topic"], written["partition"], written["offset"]) == ("attune.screening", 3, 7)


def test_a_newer_version_is_shown_as_unreadable() -> None:
    r = recorded(told("CaseAssigned"))
    newer = tuple((n, v.replace(b".v1", b".v9") if v and n == "ce_type" else v) for n, v in r.headers)
    assert "newer_version" in line(seen(replace(r, headers=newer))).plain


@pytest.mark.parametrize("structured", [False, True])
def test_json_is_one_cloud_event_per_line(structured: bool) -> None:
    assigned = told("CaseAssigned")
    text = as_json(seen(recorded(assigned, structured=structured)))
    assert "\n" not in text
    document = json.loads(text)
    assert document["specversion"] == "1.0"
    assert document["type"] == assigned.type
    assert document["subject"] == str(assigned.subject)
    assert document["data"] == json.loads(encode(assigned))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("case-*", ["case-assigned"]),
        ("CASE-*", ["case-assigned"]),
        ("referral/*", ["case-assigned"]),
        ("*screening*", ["screening-completed"]),
        ("attune.referral.case-assigned.v1", ["case-assigned"]),
        ("caseassigned", ["case-assigned"]),
        ("booklet-*", []),
    ],
)
def test_the_type_is_matched_in_every_form_in_which_people_write_it(pattern: str, found: list[str]) -> None:
    both = [seen(recorded(told(name))) for name in ("ScreeningCompleted", "CaseAssigned")]
    wanted = Wanted(type=pattern)
    assert [s.envelope.type.split(".")[2] for s in both if wanted(s) and s.envelope] == found


def test_a_child_is_found_by_the_end_of_its_id_and_a_case_by_its_own() -> None:
    assigned = told("CaseAssigned")
    s = seen(recorded(assigned))
    assert Wanted(child=short(assigned.subject).upper())(s)
    assert Wanted(child=str(assigned.subject))(s)
    assert Wanted(child=assigned.consultation_id.hex[-6:])(s)  # type: ignore[attr-defined]
    assert not Wanted(child="00000000")(s)


def test_an_unreadable_record_of_the_child_is_found_by_its_key() -> None:
    r = recorded(told("CaseAssigned"))
    s = seen(replace(r, value=None))
    assert Wanted(child=short(told("CaseAssigned").subject))(s)
    assert not Wanted(child="00000000")(s)
    assert not Wanted(type="case-*")(s)


def test_narrow_terminals_get_a_shorter_line() -> None:
    s = seen(recorded(told("MessageSent")))
    assert len(line(s, wide=False).plain) + sighting.SERVICE_WIDTH + 1 + len(".000") == len(line(s).plain)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0124, "12 ms"),
        (1.04, "1.0 s"),
        (61, "1 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (90_000, "1 d 1 h"),
        (40 * 86400, "40 d"),
    ],
)
def test_spans_of_time_are_short(seconds: float, text: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == text


def test_sightings_of_one_decision_keep_their_sequence() -> None:
    r = recorded(told("CaseAssigned"))
    second = tuple((n, b"2" if n == "ce_sequence" else v) for n, v in r.headers)
    one, two = seen(r), seen(replace(r, headers=second))
    ordered: list[Sighting] = Chain().linked([two, one])
    assert [s.envelope.sequence for s in ordered if s.envelope] == [1, 2]
    assert ordered[0].at == datetime(2026, 3, 2, 12, tzinfo=UTC)
