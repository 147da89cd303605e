"""One realistic sample of every event: the story of one child, with the same id wherever the same thing is meant."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from attune_contracts.envelope import Envelope, to_kafka
from attune_contracts.event import Event, encode
from attune_contracts.schema import schema

_MORNING: Final = datetime(2026, 3, 2, 10, 15, tzinfo=UTC)

_VALUES: Final[dict[str, Any]] = {
    "age_days": 48,
    "attempt": 1,
    "because": "lightest_share",
    "candidates": 5,
    "capacity_points": 12,
    "children_born": 1,
    "clock": "held",
    "competence": "infant_mental_health",
    "consent": "agreed",
    "expected_in_days": 171,
    "follows": "consultation_routine",
    "course": "observing_together",
    "course_version": 1,
    "how": "in_person",
    "instrument": "attune_demonstration",
    "instrument_version": 1,
    "languages": ["en", "pl"],
    "norm": "clinical_supervision",
    "norm_version": 1,
    "outcome": "concern",
    "pathway": "attune_pathway",
    "pathway_version": 1,
    "planned_sessions": 8,
    "points": 2,
    "practitioner_id": "specialist",
    "priority": "routine",
    "rule": "allocation",
    "sessions_attended": 4,
    "setting": "clinic",
    "valid_from": "2025-09-01T00:00:00Z",
    "valid_until": "2027-09-01T00:00:00Z",
    "waited_seconds": 3,
}
"""What a field holds in every sample; for an id, whose id it is."""

_PEOPLE: Final = {
    "administered_by": "health_visitor",
    "requested_by": "health_visitor",
    "withdrawn_by": "health_visitor",
    "given_by": "health_visitor",
    "health_visitor_id": "health_visitor",
    "acknowledged_by": "specialist",
    "triaged_by": "specialist",
    "reported_by": "specialist",
    "recorded_by": "specialist",
    "raised_by": "specialist",
    "reopened_by": "specialist",
    "owner_id": "health_visitor",
    "from_owner_id": "health_visitor",
    "to_owner_id": "team_lead",
    "done_by": "health_visitor",
    "to_team_id": "other_team",
    "practitioner_id": "specialist",
    "from_practitioner_id": "specialist",
    "to_practitioner_id": "colleague",
    "recipient_id": "specialist",
    "about_id": "consultation_id",
}

_OTHERWISE: Final[dict[str, dict[str, Any]]] = {
    "BirthRecorded": {"age_days": 1},
    "CompetenceExpired": {"valid_until": "2026-03-01T00:00:00Z", "expired_at": "2026-03-01T00:00:00Z"},
    "CompetenceSuspended": {"reason": "under_review"},
    "CapacityChanged": {"capacity_points": 8},
    "BookletMissed": {"due_by": "2026-03-01T00:00:00Z"},
    "RecertificationDue": {"valid_until": "2026-04-27T00:00:00Z"},
    "SupervisionOverdue": {"last_at": "2025-12-01T10:15:00Z", "due_by": "2026-03-01T10:15:00Z"},
    "AbsenceStarted": {"until": "2026-03-16T00:00:00Z"},
    "MessageFailed": {"reason": "mailbox_unavailable", "attempt": 5},
    "MessageDoubtful": {"reason": "connection_lost_after_data"},
    "MessageSuppressed": {"attempt": 0},
    "PractitionerRegistered": {"role": "specialist"},
    "ConsultationTriaged": {"decision": "redirected", "reason": "other_team_closer"},
    "ConsultationHeld": {"outcome": "direct_work"},
    "CaseOpened": {"outcome": "direct_work"},
    "DirectWorkStarted": {"intervention": "video_interaction_guidance", "points": 4},
    "MeasureRecorded": {"instrument": "goal_based_outcomes"},
    "AgeLimitNear": {"age_days": 640},
}


def _id(whose: str) -> UUID:
    """A UUIDv7 of the sample's morning that is the same in every run."""
    chance = int.from_bytes(blake2b(whose.encode(), digest_size=10).digest(), "big")
    number = int(_MORNING.timestamp() * 1000) << 80 | chance
    number = number & ~(0xF << 76) | 7 << 76
    return UUID(int=number & ~(0x3 << 62) | 2 << 62)


def sample(event: type[Event]) -> Event:
    """A valid event of this type, the same in every run. A field that is not in the story gets a plain valid value."""
    shape = schema(event)
    chosen = _VALUES | _OTHERWISE.get(event.__name__, {})
    data = {name: _value(name, part, chosen, shape) for name, part in shape["properties"].items()}
    return event.model_validate_json(json.dumps(data))


def record(event: type[Event]) -> dict[str, Any]:
    """The sample as it stands on Kafka in binary mode: topic, key, headers and value, as text."""
    made = sample(event)
    name = f"{event.type}#sample"
    envelope = Envelope.of(
        made,
        id=_id(name),
        time=_MORNING + timedelta(milliseconds=12),
        correlationid=_id("correlation"),
        causationid=_id("causation"),
        sequence=1,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    key, value, headers = to_kafka(envelope, encode(made))
    texts = {name: text.decode() for name, text in headers}
    return {"topic": f"attune.{event.service}", "key": key.decode(), "headers": texts, "value": json.loads(value)}


def _value(name: str, part: dict[str, Any], chosen: dict[str, Any], shape: dict[str, Any]) -> Any:
    if "anyOf" in part:
        part = next(p for p in part["anyOf"] if p.get("type") != "null")
    if "$ref" in part:
        part = shape["$defs"][part["$ref"].rpartition("/")[2]]
    if part.get("format") == "uuid":
        return str(_id(_PEOPLE.get(name, name)))
    if name in chosen and ("enum" not in part or chosen[name] in part["enum"]):
        return chosen[name]
    return _plain(name, part, chosen, shape)


def _plain(name: str, part: dict[str, Any], chosen: dict[str, Any], shape: dict[str, Any]) -> Any:
    match part:
        case {"const": word} | {"enum": [word, *_]}:
            value = word
        case {"type": "boolean"}:
            value = False
        case {"type": "integer"}:
            value = max(1, part.get("minimum", 1))
        case {"type": "array"}:
            value = [_value(name, part["items"], {}, shape)]
        case {"type": "object"}:
            value = {n: _value(n, inner, chosen, shape) for n, inner in part.get("properties", {}).items()}
        case {"format": "date-time"}:
            value = _MORNING.isoformat()
        case _:
            value = "en" if "A-Z" in part.get("pattern", "") else name
    return value
