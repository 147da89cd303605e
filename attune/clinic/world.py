"""Brings a sample's people and families into a running system and sends what happens there, all by HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from attune.addresses import NotReachable
from attune.asking import Asking, Refusal
from attune.clinic.sample import (
    Child,
    Closure,
    Consultation,
    Family,
    Leaving,
    Passing,
    Person,
    Sample,
    Screening,
    Work,
    definitions,
)
from attune.clock import let_pass, time_of
from attune.wording import short

AT_ONCE = 12
"""Requests under way at the same time."""
TRY_AGAIN_S = 0.3
LONDON = ZoneInfo("Europe/London")
_DUTIES = ("safeguarding_lead", "team_lead")
_POINTS_ARE_ON_THEIR_WAY, _TRIES = "no-direct-work", 40
"""Direct work is under way once the pool has given its points, which is a moment after it was planned."""
_WORK = {
    "acknowledge": "consultations/{case}/acknowledgement",
    "triage": "consultations/{case}/triage",
    "hold": "consultations/{case}/holding",
    "report": "consultations/{case}/report",
    "plan": "cases/{case}/direct-work",
    "session": "cases/{case}/sessions",
}

T = TypeVar("T")


class World:
    """The sample's people and children under their ids in one system. Its clinic was held yesterday."""

    def __init__(self, sample: Sample, asking: Asking) -> None:
        self.sample, self.asking = sample, asking
        self.team_id = uuid7()
        self.people = {p.key: self._person_id(p) for p in sample.people.people}
        self.children = {c.key: uuid7() for f in sample.families for c in f.children}
        self.answered: dict[UUID, str | None] = {}
        """What every screening sent must have come to, by its id."""
        self._today = datetime.now(LONDON).date()
        self._day = self._today - timedelta(days=1)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self.patience_s = 0.0
        """How long a request is sent again, with its key, while a service is away."""
        self._named: dict[UUID | None, str] = {self.people[p.key]: p.name for p in sample.people.people}

    def name(self, id_: UUID | None) -> str:
        """A person of the sample by name, anybody else by the end of the id."""
        return self._named.get(id_) or short(id_)

    # --- before the day -----------------------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Definitions, staff, their certificates and addresses, families and births; all that can goes side by side."""
        sample = self.sample
        await self._all(
            [
                *(self._define("instruments", *d) for d in definitions("instruments")),
                *(self._employ(p) for p in sample.people.people),
                *(self._family(f) for f in sample.families),
            ]
        )
        await self._all(
            [
                *(self._define("pathways", *d) for d in definitions("pathways")),
                *(self._duty(duty, holder) for duty, holder in sample.people.duties.items()),
            ]
        )

    async def _define(self, kind: str, name: str, version: int, text: str) -> None:
        await self._send(f"PUT /{kind}/{name}/{version}", "screening", json.loads(text), "operator")

    async def _employ(self, p: Person) -> None:
        id_ = str(self.people[p.key])
        if p.role != "safeguarding_lead":
            body: dict[str, Any] = {"practitioner_id": id_, "team_id": str(self.team_id), "role": p.role}
            body |= {"languages": p.languages, "capacity_points": p.capacity_points}
            await self._send("POST /practitioners", "workforce", body, "workforce_admin")
        kind = p.role if p.role in _DUTIES else "practitioner"
        policy = {"kind": kind, "channels": ["email"], "address": p.mail, "any_hour": True}
        await self._send(f"PUT /recipients/{id_}", "notification", policy | {"language": "en"}, "workforce_admin")
        for c in p.certificates:
            valid = {"valid_from": self._instant(c.from_days), "valid_until": self._instant(c.until_days)}
            path = f"POST /practitioners/{id_}/competences"
            await self._send(path, "workforce", {"competence": c.competence} | valid, "workforce_admin")

    async def _duty(self, duty: str, holder: str) -> None:
        body = {"recipient_id": str(self.people[holder]), "team_id": str(self.team_id)}
        await self._send(f"PUT /duties/{duty}", "notification", body, "workforce_admin")

    async def _family(self, f: Family) -> None:
        pregnancy = str(uuid7())
        common = {"pregnancy_id": pregnancy, "mother_nhs_number": f.mother_nhs_number, "team_id": str(self.team_id)}
        if f.expected_in_days is not None:
            expected = {"expected_on": str(self._today + timedelta(days=f.expected_in_days))}
            ids = {"child_ids": [str(self.children[c.key]) for c in f.children], "expected_children": len(f.children)}
            await self._send("POST /pregnancies", "screening", common | expected | ids, "records")
        for c in f.children:
            if c.age_days is not None:
                await self._send("POST /births", "screening", common | self._birth(f, c, c.age_days), "records")

    def _birth(self, f: Family, c: Child, age_days: int) -> dict[str, Any]:
        return {
            "child_id": str(self.children[c.key]),
            "born_on": str(self._day - timedelta(days=age_days)),
            "children_born": len(f.children),
            "nhs_number": c.nhs_number,
        }

    # --- the day ------------------------------------------------------------------------------------------------------

    async def screen(self, screenings: Iterable[Screening]) -> None:
        """Sends results, several at a time."""
        await self._all([self._screen(s) for s in screenings])

    async def _screen(self, s: Screening) -> None:
        id_ = uuid7()
        body: dict[str, Any] = {
            "screening_id": str(id_),
            "child_id": str(self.children[s.child]),
            "instrument": self.sample.day.instrument,
            "instrument_version": self.sample.day.instrument_version,
            "administered_by": str(self.people[s.by]),
        }
        at = datetime.combine(self._day, datetime.strptime(s.at, "%H:%M").time(), LONDON).isoformat()  # noqa: DTZ007
        if s.not_completed is not None:
            body |= {"reason": s.not_completed, "attempted_at": at}
            await self._send("POST /screenings/not-completed", "screening", body, "health_visitor")
        else:
            names = ("setting", "language", "interpreter", "seconds_observed", "observed")
            body |= {name: getattr(s, name) for name in names}
            body |= {"answers": s.answers or {}, "role": "health_visitor", "screened_at": at}
            await self._send("POST /screenings", "screening", body, "health_visitor")
        self.answered[id_] = s.outcome

    async def request(self, c: Consultation) -> None:
        """A professional asks the specialists directly."""
        body: dict[str, Any] = {"team_id": str(self.team_id), "kind": c.kind, "question": c.question}
        if c.child is not None:
            body |= {"child_id": str(self.children[c.child]), "consent": c.consent or "agreed"}
        await self._send("POST /consultations", "referral", body, self._role(c.by))

    async def leave(self, step: Leaving) -> None:
        """A practitioner leaves."""
        path = f"POST /practitioners/{self.people[step.practitioner]}/leaving"
        await self._send(path, "workforce", {"reason": step.reason}, "workforce_admin")

    async def close(self, step: Closure) -> None:
        """The open case about the child ends."""
        case = await self._open_case(step.child, self._role(step.by))
        path = f"POST /cases/{case['consultation_id']}/closure"
        await self._send(path, "referral", {"reason": step.reason}, self._role(step.by))

    async def work(self, step: Work) -> None:
        """A specialist goes on with the open case about a child."""
        role = self._role(step.by)
        case = await self._open_case(step.child, role)
        body: dict[str, Any] = dict(step.says)
        if step.what == "triage":
            body["team_id"] = case["team_id"]
        if step.what == "session":
            body["session_at"] = (await time_of(self.asking, "referral")).isoformat()
        path = f"POST /{_WORK[step.what]}".format(case=case["consultation_id"])
        for attempt in range(_TRIES):
            try:
                await self._send(path, "referral", body, role)
            except Refusal as refusal:
                if refusal.rule != _POINTS_ARE_ON_THEIR_WAY or attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(0.25)
            else:
                return

    async def let_pass(self, step: Passing) -> None:
        """Time goes on for every service."""
        await let_pass(self.asking, timedelta(days=step.days))

    async def _open_case(self, child: str, role: str) -> dict[str, Any]:
        cases = await self.asking.get("referral", f"/children/{self.children[child]}/consultations", role=role)
        return next(c for c in cases if c["status"] == "accepted")

    # --- sending ------------------------------------------------------------------------------------------------------

    async def _send(self, route: str, service: str, body: dict[str, Any], role: str) -> Any:
        headers = {"idempotency-key": str(uuid7())}
        async with self._turn:
            until = time.monotonic() + self.patience_s
            while True:
                try:
                    return await self.asking.send(route, service, body, role=role, headers=headers)
                except (Refusal, NotReachable) as error:
                    if (isinstance(error, Refusal) and error.status != 503) or time.monotonic() > until:
                        raise
                await asyncio.sleep(TRY_AGAIN_S)

    async def _all(self, work: list[Awaitable[T]]) -> list[T]:
        """Side by side; the first refusal is raised when all have ended."""
        results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if not isinstance(result, BaseException)]

    def _person_id(self, p: Person) -> UUID:
        return self.asking.addresses.subject(p.token) if p.token is not None else uuid7()

    def _role(self, key: str) -> str:
        person = next(p for p in self.sample.people.people if p.key == key)
        return person.token or person.role

    def _instant(self, days: int) -> str:
        at = datetime.combine(self._today + timedelta(days=days), datetime.min.time(), UTC)
        return at.isoformat()
