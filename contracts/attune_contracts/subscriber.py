"""From a message of any Kafka client to an event, for those who only listen."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from attune_contracts.envelope import Received, parse, read_envelope
from attune_contracts.event import Event

E = TypeVar("E", bound=Event)

__all__ = ["open_message", "receive"]


def open_message(message: Any) -> Received:
    """Envelope and raw data of a message that has `key`, `value` and `headers`, as attributes or as methods.

    So have the messages of confluent-kafka, aiokafka and kafka-python. Raises `Unreadable` and nothing else.
    """
    key, value, headers = (part() if callable(part) else part for part in (message.key, message.value, message.headers))
    return read_envelope(key, value, headers)


def receive(message: Any, *wanted: type[E]) -> E | None:
    """The event in the message if it is one of `wanted`; None for any other, also one that is newer than this package.

    Raises `Unreadable` if the message is damaged. Events may arrive twice and do not arrive in order across keys.
    """
    envelope, data, _ = open_message(message)
    for event in wanted:
        if event.type == envelope.type:
            return cast("E", parse(envelope.type, data))
    return None
