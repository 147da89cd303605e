"""A record becomes an input only as what its own service told on its own topic."""

from __future__ import annotations

from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from attune_contracts.event import Event
from chassis.parked import Record
from chassis.reading import read_record
from chassis.value import replace
from tests.chassis import toy

WANTED = {toy.HEAR.event.type: toy.HEAR}


def _with(record: Record, name: str, value: bytes) -> Record:
    return replace(record, headers=tuple((n, value if n == name else v) for n, v in record.headers))


@pytest.fixture
def good() -> Record:
    return replace(toy.record(uuid7(), 1), topic="attune.screening")


def test_what_is_wanted_is_an_input_under_the_id_of_its_envelope(good: Record) -> None:
    i = read_record(good, WANTED)
    assert i is not None
    assert i.unreadable is None
    assert isinstance(i.data, Event)
    assert i.key == (good.key or b"").decode()


def test_what_nobody_wants_is_passed_over(good: Record) -> None:
    assert read_record(good, {}) is None


def test_what_nobody_wants_is_not_even_taken_apart(good: Record) -> None:
    assert read_record(replace(good, value=b"no json"), {}) is None
    unknown = read_record(_with(good, "ce_type", b"attune.screening.of-tomorrow.v1"), {})
    assert unknown is not None
    assert unknown.unreadable is not None
    twice = replace(good, headers=(*good.headers, ("ce_type", b"attune.screening.birth-recorded.v1")))
    doubtful = read_record(twice, {})
    assert doubtful is not None
    assert doubtful.unreadable is not None


@pytest.mark.parametrize("topic", ["attune.referral", "attune.notification", "attune.workforce"])
def test_an_event_on_the_topic_of_another_service_is_not_believed(good: Record, topic: str) -> None:
    i = read_record(replace(good, topic=topic), WANTED)
    assert i is not None
    assert i.unreadable == ("bad_header", "topic owner_of_type")


def test_an_event_in_the_name_of_another_service_is_not_believed(good: Record) -> None:
    i = read_record(_with(good, "ce_source", b"/attune/referral"), WANTED)
    assert i is not None
    assert i.unreadable == ("bad_header", "ce_source owner_of_type")


def test_what_cannot_be_read_keeps_the_order_of_its_key_and_has_the_same_id_each_time(good: Record) -> None:
    bad = replace(good, value=b"no json")
    one, again = read_record(bad, WANTED), read_record(bad, WANTED)
    assert one is not None
    assert again is not None
    assert (one.id, one.key) == (again.id, (good.key or b"").decode())
    elsewhere = read_record(replace(bad, offset=bad.offset + 1), WANTED)
    assert elsewhere is not None
    assert elsewhere.id != one.id


def test_a_key_that_is_no_id_is_still_a_key(good: Record) -> None:
    i = read_record(replace(good, key=str(uuid4()).encode() + b"x"), WANTED)
    assert i is not None
    assert i.key is not None
    assert i.key.startswith("raw:")
