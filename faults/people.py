"""Who is there before the load begins: definitions, teams with their certificates, addresses and duties."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from attune.clinic.sample import definitions
from faults.asking import Asking, Person

LASTS = timedelta(days=3000)
"""Certificates outlast every clock that is moved."""
POINTS = 14
WIDE_POINTS = 100_000


class NotPrepared(RuntimeError):
    """A service refused what every campaign takes for granted."""


@dataclass(slots=True)
class Team:
    """A team; `specialists` grows and shrinks while the campaign runs."""

    id: UUID
    health_visitors: list[Person]
    midwife: Person
    specialists: list[Person]
    team_lead: Person
    safeguarding_lead: Person


class People:
    """Sets everybody up, at the start and for cases in which somebody new comes."""

    def __init__(self, asking: Asking, chance: random.Random) -> None:
        self.asking, self._chance = asking, chance
        self.admin = asking.person("workforce_admin")
        self.records = asking.person("records")
        self.operator = asking.person("operator")
        self.teams: list[Team] = []

    async def prepare(self, teams: int) -> None:
        """Raises NotPrepared."""
        for kind, many in (("instruments", "instrument"), ("pathways", "pathway")):
            for name, version, text in definitions(kind):  # type: ignore[arg-type]
                route = f"PUT /{kind}/{{{many}}}/{{{many}_version}}"
                names: dict[str, Any] = {many: name, f"{many}_version": version}
                await self._must(self.asking.ask(self.operator, route, json.loads(text), **names))
        self.teams = list(await asyncio.gather(*(self._team(wide=n == 0) for n in range(teams))))

    async def _team(self, *, wide: bool) -> Team:
        """A wide team has room for everybody; in the others a waiting list forms."""
        a = self.asking
        hv = [a.person("health_visitor"), a.person("health_visitor")]
        made = Team(
            uuid7(), hv, a.person("midwife"), [a.person("specialist") for _ in range(3)],
            a.person("team_lead"), a.person("safeguarding_lead"),
        )  # fmt: skip
        points = WIDE_POINTS if wide else POINTS
        await asyncio.gather(
            *(self.employ(who, made, 0, "eao_administration") for who in hv),
            *(self.employ(who, made, points, "infant_mental_health") for who in made.specialists),
            *(self.can_be_told(who) for who in (made.midwife, made.team_lead, made.safeguarding_lead)),
        )
        for lead in (made.team_lead, made.safeguarding_lead):
            body = {"recipient_id": lead.id, "team_id": made.id}
            await self._must(a.ask(self.admin, "PUT /duties/{duty}", body, duty=lead.role))
        return made

    async def employ(
        self, who: Person, team: Team, points: int, competence: str, *, valid_for: timedelta = LASTS, case: int = -1
    ) -> None:
        """A practitioner with a certificate and an address."""
        body: dict[str, Any] = {"practitioner_id": who.id, "team_id": team.id, "role": who.role}
        body |= {"capacity_points": points, "languages": ["en"]}
        await self._must(self.asking.ask(self.admin, "POST /practitioners", body, case=case))
        await self.certify(who, competence, valid_for, case=case)
        await self.can_be_told(who, case=case)

    async def certify(self, who: Person, competence: str, valid_for: timedelta, *, case: int = -1) -> None:
        now = self.asking.now()
        body = {"competence": competence, "valid_from": (now - timedelta(days=400)).isoformat()}
        body["valid_until"] = (now + valid_for).isoformat()
        route = "POST /practitioners/{practitioner_id}/competences"
        await self._must(self.asking.ask(self.admin, route, body, case=case, practitioner_id=who.id))

    async def can_be_told(self, who: Person, *, case: int = -1) -> None:
        """Half by e-mail, half by the file channel, which honours a key."""
        channel = self._chance.choice(["email", "file"])
        kind = who.role if who.role in ("team_lead", "safeguarding_lead") else "practitioner"
        address = f"p{who.id.hex}@harbour.invalid"
        self.asking.ledger.canaries.add(address)
        body = {"kind": kind, "channels": [channel], "address": address, "language": "en"}
        await self._must(
            self.asking.ask(self.admin, "PUT /recipients/{recipient_id}", body, case=case, recipient_id=who.id)
        )

    async def _must(self, asked: Awaitable[Any]) -> None:
        answer = await asked
        if answer.status is None or answer.status >= 300:
            raise NotPrepared(f"{answer.route}: {answer.status} {json.dumps(answer.got)[:300]}")
