"""Can a subscriber that was built on the released contracts still read everything that was told?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from attune.stack.layout import ROOT
from attune_contracts.catalogue import SERVICES, topic
from attune_contracts.envelope import Unreadable, read_envelope
from chassis.broker import Broker
from chassis.parked import Record
from faults.world import Finding, World

RELEASED = ROOT / "contracts" / "released"
OF_EACH_TYPE = 400
"""Records of one type that are looked at; the writer makes them all alike."""
_LOOSE = ("enum", "const", "additionalProperties", "unevaluatedProperties", "maxItems")


def loosened(schema: Any) -> Any:
    """As a reader takes it: what it does not know, a further field or another word, does not disturb it."""
    if isinstance(schema, list):
        return [loosened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: part for name, part in schema.items() if name not in _LOOSE}
    if "properties" in kept:
        kept["properties"] = {name: loosened(part) for name, part in kept["properties"].items()}
    return {name: part if name == "properties" else loosened(part) for name, part in kept.items()}


def readers(folder: Path = RELEASED) -> dict[str, Draft202012Validator]:
    """One for each released type of event."""
    return {p.stem: Draft202012Validator(loosened(json.loads(p.read_text()))) for p in sorted(folder.glob("*.json"))}


async def check(world: World) -> Mapping[str, Finding]:
    """The topics as a subscriber of the released contracts finds them."""
    records = await Broker((world.bootstrap,)).history([topic(s) for s in SERVICES])
    bad = {(b.topic, b.partition, b.offset) for b in world.bad_messages if not b.gone}
    finding = judge([r for r in records if (r.topic, r.partition, r.offset) not in bad], readers())
    return {finding.name: finding}


def judge(records: Sequence[Record], by_type: Mapping[str, Draft202012Validator]) -> Finding:
    """Every type that was released once can be read by its readers of then."""
    seen: Counter[str] = Counter()
    broken = list(_broken(records, by_type, seen))
    return Finding(
        "readers_of_the_released_contracts_understand_all", not broken, seen.total(), tuple(broken[:50]), "wrong",
        len(broken),
    )  # fmt: skip


def _broken(
    records: Sequence[Record], by_type: Mapping[str, Draft202012Validator], seen: Counter[str]
) -> Iterator[str]:
    for r in records:
        try:
            received = read_envelope(r.key, r.value, r.headers)
        except Unreadable as why:
            yield f"record {r.offset} of {r.topic}/{r.partition}: {why.reason}"
            continue
        kind = received.envelope.type
        validator = by_type.get(kind)
        if validator is None or seen[kind] >= OF_EACH_TYPE:
            continue
        seen[kind] += 1
        wrong = next(iter(validator.iter_errors(json.loads(received.data))), None)
        if wrong is not None:
            yield f"{kind} {received.envelope.id}: {'/'.join(map(str, wrong.absolute_path))} breaks {wrong.validator}"
