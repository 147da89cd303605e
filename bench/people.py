"""Whom and what the cases need, set up over HTTP: practitioners, recipients, definitions."""

from __future__ import annotations

import asyncio
import datetime
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from attune.stack.layout import ROOT
from attune.stack.tokens import Issuer
from bench.cases import INSTRUMENT, Callers, uuid7

TEAMS, SPECIALISTS, SCREENERS = 20, 10, 20
CAPACITY_POINTS = 1_000_000
PATHWAY = "early-attachment-pathway"
_DEFINITIONS = ROOT / "services" / "screening" / "definitions"
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class People:
    """Teams, their specialists in the same order, and those who screen."""

    teams: tuple[UUID, ...]
    specialists: tuple[tuple[UUID, ...], ...]
    screeners: tuple[UUID, ...]

    @classmethod
    def seeded(cls, seed: int) -> People:
        chance = random.Random(seed)
        teams = tuple(uuid7(chance) for _ in range(TEAMS))
        specialists = tuple(tuple(uuid7(chance) for _ in range(SPECIALISTS)) for _ in teams)
        return cls(teams, specialists, tuple(uuid7(chance) for _ in range(SCREENERS)))

    def callers(self, issuer: Issuer) -> Callers:
        """Each screener with a token of their own."""
        return Callers(self.screeners, tuple(issuer.token("health_visitor", subject=s) for s in self.screeners))


async def introduce(people: People, urls: dict[str, str], issuer: Issuer) -> None:
    """Raises httpx.HTTPStatusError when a service refuses."""
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=_TOGETHER)) as client:
        send = _Sender(client, urls, issuer)
        await send.all(_definitions())
        await send.all(_registrations(people))
        await send.all(_certificates(people))
        await send.all(_recipients(people))


@dataclass(frozen=True, slots=True)
class _Call:
    service: str
    role: str
    method: str
    path: str
    body: dict[str, Any]


class _Sender:
    def __init__(self, client: httpx.AsyncClient, urls: dict[str, str], issuer: Issuer) -> None:
        self._client, self._urls = client, urls
        self._tokens = {role: issuer.token(role) for role in ("operator", "workforce_admin")}

    async def all(self, calls: Iterable[_Call]) -> None:
        await asyncio.gather(*map(self._one, calls))

    async def _one(self, call: _Call) -> None:
        answer = await self._client.request(
            call.method, self._urls[call.service] + call.path, json=call.body,
            headers={"Authorization": f"Bearer {self._tokens[call.role]}"},
        )  # fmt: skip
        if answer.is_error:
            raise RuntimeError(f"{call.method} {call.path}: {answer.status_code} {answer.text}")


def _definitions() -> list[_Call]:
    def content(path: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    instrument = content(_DEFINITIONS / "instruments" / INSTRUMENT / "1.json")
    pathway = content(_DEFINITIONS / "pathways" / PATHWAY / "1.json")
    return [
        _Call("screening", "operator", "PUT", f"/instruments/{INSTRUMENT}/1", instrument),
        _Call("screening", "operator", "PUT", f"/pathways/{PATHWAY}/1", pathway),
    ]


def _registrations(people: People) -> Iterable[_Call]:
    def register(who: UUID, team: UUID, role: str, points: int) -> _Call:
        body = {"practitioner_id": str(who), "team_id": str(team), "role": role, "capacity_points": points}
        return _Call("workforce", "workforce_admin", "POST", "/practitioners", body | {"languages": ["en"]})

    for team, specialists in zip(people.teams, people.specialists, strict=True):
        for who in specialists:
            yield register(who, team, "specialist", CAPACITY_POINTS)
    for n, who in enumerate(people.screeners):
        yield register(who, people.teams[n % TEAMS], "health_visitor", 0)


def _certificates(people: People) -> Iterable[_Call]:
    today = datetime.datetime.now(datetime.UTC)
    period = {
        "valid_from": (today - datetime.timedelta(days=700)).isoformat(),
        "valid_until": (today + datetime.timedelta(days=700)).isoformat(),
    }

    def award(who: UUID, competence: str) -> _Call:
        path = f"/practitioners/{who}/competences"
        return _Call("workforce", "workforce_admin", "POST", path, {"competence": competence} | period)

    for specialists in people.specialists:
        for who in specialists:
            yield award(who, "infant_mental_health")
    for who in people.screeners:
        yield award(who, "eao_administration")


def _recipients(people: People) -> Iterable[_Call]:
    for who in (*people.screeners, *(who for team in people.specialists for who in team)):
        body = {"kind": "practitioner", "channels": ["file"], "language": "en"}
        yield _Call("notification", "workforce_admin", "PUT", f"/recipients/{who}", body)
