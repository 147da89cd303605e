"""A reader of the released contracts: takes what it does not know, and misses what it needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from attune_contracts.catalogue import CATALOGUE, topic
from attune_contracts.envelope import Envelope, to_kafka
from attune_contracts.event import encode
from attune_contracts.samples import sample
from chassis.parked import Record
from faults.poison import good
from faults.released import judge, readers

READERS = readers()
KIND = "attune.screening.screening-completed.v1"


def record(kind: str, **changes: Any) -> Record:
    event = sample(CATALOGUE[kind])
    data = json.loads(encode(event))
    for name, value in changes.items():
        data.pop(name, None) if value is None else data.update({name: value})
    id_ = uuid7()
    envelope = Envelope.of(event, id=id_, time=datetime.now(UTC), correlationid=id_, causationid=id_, sequence=1)
    key, content, headers = to_kafka(envelope, json.dumps(data).encode())
    return Record(topic(CATALOGUE[kind].service), 0, 0, key, content, tuple(headers), 0)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_told_today_is_understood(kind: str) -> None:
    assert judge([record(kind)], READERS).holds


def test_a_field_or_a_word_that_came_later_does_not_disturb() -> None:
    assert judge([record(KIND, moon="full", outcome="enchanted")], READERS).holds


@pytest.mark.parametrize("changes", [{"screening_id": None}, {"age_days": "forty"}])
def test_a_field_that_is_missing_or_of_another_kind_is_found(changes: dict[str, Any]) -> None:
    found = judge([record(KIND, **changes)], READERS)
    assert not found.holds
    assert found.looked_at == 1


def test_a_bad_record_that_nobody_injected_is_found() -> None:
    key, value, _ = good("attune.screening.screening-completed.v1", uuid7(), b"{}")
    assert not judge([Record("attune.screening", 0, 7, key, value, (), 0)], READERS).holds
