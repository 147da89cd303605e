"""The published language of Attune: its events, their envelope and the catalogue of both."""

from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import Envelope, Received, Unreadable, parse, read, read_envelope, to_kafka
from attune_contracts.event import MAX_BYTES, Event, EventTooLarge, encode

__all__ = [
    "CATALOGUE",
    "MAX_BYTES",
    "Envelope",
    "Event",
    "EventTooLarge",
    "Received",
    "Unreadable",
    "encode",
    "parse",
    "read",
    "read_envelope",
    "to_kafka",
]
