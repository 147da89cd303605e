"""Those who were never told of our code: another Kafka client, any CloudEvents library, the example as it stands."""

from __future__ import annotations

import json
import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_kafka_event,
    to_binary_event,
    to_structured_event,
)

import attune_contracts
from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import Envelope, Reason, Unreadable, read, to_kafka, to_kafka_structured
from attune_contracts.event import Event, encode
from attune_contracts.referral import CaseAssigned, WaitingListJoined
from attune_contracts.samples import record, sample
from attune_contracts.subscriber import open_message, receive

CONTRACTS = Path(attune_contracts.__file__).parents[1]
EVENTS = pytest.mark.parametrize("event", CATALOGUE.values(), ids=list(CATALOGUE))


@dataclass
class AttributeMessage:
    """As aiokafka and kafka-python give it."""

    key: bytes | None
    value: bytes | None
    headers: Any


@dataclass
class MethodMessage:
    """As confluent-kafka gives it."""

    message: AttributeMessage

    def key(self) -> bytes | None:
        return self.message.key

    def value(self) -> bytes | None:
        return self.message.value

    def headers(self) -> Any:
        return self.message.headers

    def error(self) -> None:
        return None


def message(event: type[Event], **changes: Any) -> AttributeMessage:
    made = record(event)
    headers = [(name, text.encode()) for name, text in (made["headers"] | changes).items()]
    return AttributeMessage(made["key"].encode(), json.dumps(made["value"]).encode(), headers)


def sealed(event: type[Event]) -> tuple[Envelope, bytes]:
    received = open_message(message(event))
    return received.envelope, encode(sample(event))


def test_a_subscriber_gets_what_it_named_and_nothing_else() -> None:
    for sent in (message(CaseAssigned), MethodMessage(message(CaseAssigned))):
        case = receive(sent, WaitingListJoined, CaseAssigned)
        assert isinstance(case, CaseAssigned)
        assert receive(sent, WaitingListJoined) is None
    assert receive(message(CaseAssigned, ce_type="attune.referral.case-assigned.v2"), CaseAssigned) is None
    assert receive(message(CaseAssigned, ce_type="attune.referral.case-painted.v1"), CaseAssigned) is None


def test_a_subscriber_hears_of_damage() -> None:
    with pytest.raises(Unreadable, match="null_value"):
        receive(AttributeMessage(b"k", None, None), CaseAssigned)
    with pytest.raises(Unreadable, match="bad_header: ce_id"):
        receive(message(CaseAssigned, ce_id="1"), CaseAssigned)


@EVENTS
def test_a_cloudevents_library_reads_both_our_modes(event: type[Event]) -> None:
    envelope, data = sealed(event)
    for write in (to_kafka, to_kafka_structured):
        key, value, headers = write(envelope, data)
        seen = from_kafka_event(KafkaMessage(headers=dict(headers), key=key, value=value))
        assert seen.get_id() == str(envelope.id)
        assert seen.get_type() == event.type
        assert seen.get_source() == f"/attune/{event.service}"
        assert seen.get_subject() == str(envelope.subject)
        assert seen.get_time() == envelope.time
        assert seen.get_dataschema() == f"urn:attune:schema:{event.type}"
        assert seen.get_datacontenttype() == "application/json"
        assert seen.get_extension("correlationid") == str(envelope.correlationid)
        assert seen.get_extension("causationid") == str(envelope.causationid)
        assert str(seen.get_extension("sequence")) == str(envelope.sequence)
        assert seen.get_data() == json.loads(data)


@EVENTS
def test_we_read_both_modes_of_a_cloudevents_library(event: type[Event]) -> None:
    envelope, data = sealed(event)
    key, value, headers = to_kafka(envelope, data)
    theirs = from_kafka_event(KafkaMessage(headers=dict(headers), key=key, value=value))
    for write in (to_binary_event, to_structured_event):
        sent = write(theirs)
        raw_key = sent.key.encode() if isinstance(sent.key, str) else sent.key
        received = read(raw_key, sent.value, sent.headers)
        assert received.envelope == envelope._replace(traceparent=None)
        assert isinstance(received.event, event)


class _Enough(Exception):
    """Ends the endless loop of the example."""


def _confluent(given: list[MethodMessage]) -> ModuleType:
    class Consumer:
        def __init__(self, settings: dict[str, str]) -> None:
            assert settings["bootstrap.servers"] == "broker:9092"

        def subscribe(self, topics: list[str]) -> None:
            assert topics == ["attune.referral"]

        def poll(self, _: float) -> MethodMessage | None:
            if not given:
                raise _Enough
            return given.pop(0)

    module = ModuleType("confluent_kafka")
    vars(module)["Consumer"] = Consumer
    return module


def test_the_example_runs_as_it_stands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sent = [MethodMessage(message(CaseAssigned)), MethodMessage(message(WaitingListJoined))]
    monkeypatch.setitem(sys.modules, "confluent_kafka", _confluent(sent))
    monkeypatch.setattr(sys, "argv", ["subscriber.py", "broker:9092"])
    with pytest.raises(_Enough):
        runpy.run_path(str(CONTRACTS / "examples" / "subscriber.py"))
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1
    assert str(getattr(sample(CaseAssigned), "practitioner_id")) in printed[0]  # noqa: B009


def test_the_readme_shows_the_example_and_it_has_ten_lines() -> None:
    code = (CONTRACTS / "examples" / "subscriber.py").read_text("utf-8").split('"""')[2].strip()
    assert code in (CONTRACTS / "README.md").read_text("utf-8")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


def test_the_readme_tells_every_reason() -> None:
    readme = (CONTRACTS / "README.md").read_text("utf-8")
    assert all(f"`{reason}`" in readme for reason in Reason.__args__)  # type: ignore[attr-defined]
    assert not re.findall(r"https?://attune", readme)


def test_the_distribution_needs_pydantic_only() -> None:
    declared = (CONTRACTS / "pyproject.toml").read_text("utf-8")
    assert re.findall(r'dependencies = \["(\w+)[^"]*"\]', declared) == ["pydantic"]
    for path in (CONTRACTS / "attune_contracts").glob("*.py"):
        roots = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text("utf-8"), re.MULTILINE))
        assert roots - sys.stdlib_module_names <= {"pydantic", "attune_contracts"}, path.name
