"""A small world that exists, so that hostile requests hit rows too: values that mean something, by field."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.stack.stack import Stack
from tests.support.field import ANSWERS, INSTRUMENT, OBSERVED, PATHWAY, Field, nhs_number

_SAME = {
    "practitioner_id": ("administered_by", "second_rater", "to_practitioner_id", "requested_by", "rater_id"),
    "team_id": ("to_team_id",),
    "consultation_id": ("about_id", "case_id"),
    "child_id": ("into_child_id",),
}
"""Other names under which the same ids are asked for."""


@dataclass(slots=True)
class Known:
    """Values that mean something to the services, by field."""

    by_field: dict[str, list[Any]] = field(default_factory=dict)

    def note(self, name: str, value: Any) -> None:
        for called in (name, *_SAME.get(name, ())):
            plain = value if isinstance(value, int | dict) else str(value)
            self.by_field.setdefault(called, []).append(plain)

    def mixed_in(self, content: Any, rng: random.Random, name: str = "") -> Any:
        """The same content with known values wherever a field of that name stands, most of the time."""
        if name in self.by_field and rng.random() < 0.85:
            return rng.choice(self.by_field[name])
        if isinstance(content, Mapping):
            return {key: self.mixed_in(value, rng, key) for key, value in content.items()}
        if isinstance(content, list):
            singular = name.removesuffix("s")
            return [self.mixed_in(value, rng, singular) for value in content]
        return content


def _plausible(known: Known) -> None:
    """What a careful caller would send now."""
    now = datetime.now(UTC).replace(microsecond=0)
    for name, value in {
        "instrument": INSTRUMENT,
        "instrument_version": 1,
        "pathway": PATHWAY,
        "pathway_version": 1,
        "seconds_observed": 150,
        "observed": OBSERVED["monitor"],
        "answers": ANSWERS,
        "children_born": 1,
        "expected_children": 1,
        "born_on": (now - timedelta(days=45)).date(),
        "expected_on": now.date(),
        "screened_at": (now - timedelta(minutes=20)).isoformat(),
        "attempted_at": (now - timedelta(minutes=20)).isoformat(),
        "valid_from": (now - timedelta(days=400)).isoformat(),
        "valid_until": (now + timedelta(days=400)).isoformat(),
        "starts_at": (now + timedelta(days=1)).isoformat(),
        "until": (now + timedelta(days=9)).isoformat(),
        "competence": "eao_administration",
    }.items():
        known.note(name, value)
    for _ in range(20):
        known.note("nhs_number", nhs_number())
        known.note("mother_nhs_number", nhs_number())


async def settle(stack: Stack) -> Known:
    """Makes a team, families, screenings of every outcome and what follows from them."""
    known = Known()
    _plausible(known)
    async with Field(stack, channels=["file"]) as people:
        team = await people.team(6, 2)
        known.note("team_id", team.id)
        everybody = (team.health_visitor, *team.specialists, team.team_lead, team.safeguarding_lead)
        for who in everybody:
            known.note("recipient_id", who.id)
        for who in everybody[:3]:
            known.note("practitioner_id", who.id)
        for outcome in ("no_concern", "monitor", "concern", "concern", "urgent_concern"):
            baby = await people.baby(team)
            screening = await people.screens(baby, outcome)
            known.note("child_id", baby.child_id)
            known.note("pregnancy_id", baby.pregnancy_id)
            known.note("screening_id", screening.id)
            if "concern" in outcome and outcome != "no_concern":
                case = await people.placed(baby)
                known.note("consultation_id", case["consultation_id"])
                for message in await people.messages(case["consultation_id"]):
                    known.note("message_id", message["message_id"])
        known.note("child_id", (await people.baby(team)).child_id)
    return known
