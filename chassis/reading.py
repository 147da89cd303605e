"""From a Kafka record to an input: read, not wanted, or unreadable with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from attune_contracts.catalogue import CATALOGUE, SERVICES, source, topic
from attune_contracts.envelope import Envelope, Unreadable, read
from chassis.arrivals import Input
from chassis.inputs import EventIntake
from chassis.parked import Record

_OWNED = frozenset(topic(service) for service in SERVICES)
_TOPIC_OF = {event_type.encode(): topic(event.service) for event_type, event in CATALOGUE.items()}


def read_record(record: Record, wanted: Mapping[str, EventIntake]) -> Input | None:
    """The input that a record is; None for an event that this service has no use for."""
    if _is_of_no_use(record, wanted):
        return None
    try:
        received = read(record.key, record.value, record.headers, wanted)
        _check_origin(record, received.envelope)
    except Unreadable as unreadable:
        id_ = record.id
        problem = (unreadable.reason, f"{unreadable.field or ''} {unreadable.rule or ''}".strip())
        return Input(None, id_, None, id_, key=_key_text(record.key), record=record, unreadable=problem)
    envelope = received.envelope
    if received.event is None:
        return None
    return Input(
        wanted[envelope.type],
        envelope.id,
        received.event,
        envelope.correlationid,
        key=str(envelope.subject),
        traceparent=envelope.traceparent,
        record=record,
    )


def _is_of_no_use(record: Record, wanted: Mapping[str, EventIntake]) -> bool:
    """Whether its one type header says so already: most records are somebody else's, and not worth taking apart."""
    types = [value for name, value in record.headers if name == "ce_type"]
    if len(types) != 1 or types[0] is None or _TOPIC_OF.get(types[0]) != record.topic:
        return False
    return types[0].decode() not in wanted


def _check_origin(record: Record, envelope: Envelope) -> None:
    """Each service alone tells its events, on its own topic: anything else is no event of ours. Raises Unreadable."""
    service = envelope.type.split(".")[1]
    if envelope.source != source(service):
        raise Unreadable("bad_header", "ce_source", field="ce_source", rule="owner_of_type")
    if record.topic in _OWNED and record.topic != topic(service):
        raise Unreadable("bad_header", "topic", field="topic", rule="owner_of_type")


def _key_text(key: bytes | None) -> str | None:
    if key is None:
        return None
    try:
        return str(UUID(key.decode("ascii")))
    except ValueError:
        return f"raw:{key[:64].hex()}"
