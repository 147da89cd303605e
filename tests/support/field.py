"""A running system as people of the field use it: teams, practitioners, families and screenings, all by HTTP."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx
from uuid_utils.compat import uuid7

from attune.stack.stack import Stack
from attune.stack.tokens import Issuer
from services import screening as screening_service
from services.screening.domain.commands import DoubleRating
from services.screening.domain.rating import is_chosen

INSTRUMENT, PATHWAY = "early-attachment-demonstration", "early-attachment-pathway"
DEFINITIONS = Path(screening_service.__file__).parent / "definitions"
WITHIN = 30.0
"""Seconds in which everything that follows must have happened, on a machine with much else to do."""

_CALM = {
    "turning_towards": 0,
    "answering": 0,
    "soothing": 1,
    "playfulness": 0,
    "mood_of_the_room": "warm",
    "fear": "not_seen",
}
OBSERVED: dict[str, dict[str, Any]] = {
    "no_concern": _CALM,
    "monitor": _CALM | {"turning_towards": 2, "answering": 2},
    "concern": _CALM | {"turning_towards": 3, "answering": 3, "playfulness": 2},
    "urgent_concern": _CALM | {"fear": "seen"},
}  # fmt: skip
"""Observations that the demonstration instrument turns into this outcome."""


class Refused(AssertionError):
    """A service refused what a story takes for granted."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a token of their own."""

    id: UUID
    role: str
    token: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True)
class Team:
    """A team: who screens, who takes cases, who leads, who is told of danger."""

    id: UUID
    health_visitor: Person
    specialists: tuple[Person, ...]
    team_lead: Person
    safeguarding_lead: Person


@dataclass(frozen=True, slots=True)
class Baby:
    child_id: UUID
    pregnancy_id: UUID
    team: Team


@dataclass(frozen=True, slots=True)
class Screening:
    """A screening that was taken, and what was answered."""

    id: UUID
    baby: Baby
    answer: dict[str, Any]


async def eventually(find: Callable[[], Awaitable[Any]], what: str, within: float = WITHIN) -> Any:
    """What `find` gives as soon as it is something; fails with `what` when the time is over."""
    deadline = time.monotonic() + within
    while True:
        found = await find()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to it within {within:.0f} s: {what}")
        await asyncio.sleep(0.05)


ISSUED: set[str] = set()
"""Every NHS number that was made up here, for whoever looks whether one came out somewhere."""

ANSWERS = {"first_weeks": "Grey, with an hour of sun.", "who_helps": "My sister on Sundays."}


def nhs_number() -> str:
    """A valid number of the range that is never issued."""
    while True:
        nine = f"9{random.randrange(10**8):08d}"
        check = 11 - sum(int(d) * (10 - n) for n, d in enumerate(nine)) % 11
        if check != 10:
            ISSUED.add(nine + str(check % 11))
            return nine + str(check % 11)


def screening_id(*, rated_twice: bool = False) -> UUID:
    """A new id that the demonstration pathway does, or does not, choose for a second rating: one in ten by chance."""
    pathway = json.loads((DEFINITIONS / "pathways" / PATHWAY / "1.json").read_text())
    rating = DoubleRating.model_validate(pathway["definition"]["double_rating"])
    while is_chosen(id_ := uuid7(), rating) is not rated_twice:
        pass
    return id_


def mail_address(whose: UUID) -> str:
    return f"p{whose.hex}@harbour.invalid"


class Field:
    """The people of one running stack and what they do."""

    def __init__(self, stack: Stack, channels: Sequence[str] = ("email",)) -> None:
        self.stack, self.channels = stack, list(channels)
        self.patience = 0.0
        """Seconds for which a caller tries a request again, with its key, while a service is away."""
        self.ahead = timedelta(0)
        """How far the time of the services was set ahead of the machine's."""
        self._client = httpx.AsyncClient(timeout=20)
        self._admin = Person(uuid7(), "workforce_admin", stack.token("workforce_admin"))
        self.records = Person(uuid7(), "records", stack.token("records"))
        self.operator = Person(uuid7(), "operator", stack.token("operator"))

    async def __aenter__(self) -> Self:
        for kind, name in (("instruments", INSTRUMENT), ("pathways", PATHWAY)):
            body = json.loads((DEFINITIONS / kind / name / "1.json").read_text())
            await self.does(self.operator, f"PUT /{kind}/{name}/1", body)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def now(self) -> datetime:
        """The present instant as the services see it."""
        return datetime.now(UTC) + self.ahead

    async def time_passes(self, time: timedelta) -> datetime:
        """Lets so much time pass for all services at once; the instant that it is then."""
        to = self.now() + time
        for service in ("screening", "referral", "notification", "workforce"):
            await self.does(self.operator, "PUT /operator/clock", {"now": to.isoformat()}, at=service)
        self.ahead += time
        return to

    # --- asking -------------------------------------------------------------------------------------------------------

    async def asks(self, who: Person | None, route: str, body: Any = None, **more: Any) -> httpx.Response:
        """The answer to a request such as `POST /births`; a command has a key, unless `key` says another or None."""
        method, _, path = route.partition(" ")
        headers = {"authorization": f"Bearer {who.token}"} if who is not None else {}
        key = more.pop("key", str(uuid7()) if method != "GET" else None)
        if key is not None:
            headers["idempotency-key"] = key
        headers |= more.pop("headers", {})
        content = more.pop("content", None if body is None else json.dumps(body, default=str).encode())
        if content is not None:
            headers = {"content-type": "application/json"} | headers
        url = self.stack.url(more.pop("at", None) or service_of(path)) + path
        deadline = time.monotonic() + self.patience
        while True:
            try:
                answer = await self._client.request(method, url, headers=headers, content=content, **more)
                if answer.status_code != 503 or time.monotonic() > deadline:
                    return answer
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)

    async def does(self, who: Person, route: str, body: Any = None, **more: Any) -> Any:
        """The JSON of an answer that must be a success."""
        answer = await self.asks(who, route, body, **more)
        if not answer.is_success:
            raise Refused(f"{route}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    # --- people -------------------------------------------------------------------------------------------------------

    def stack_issuer(self) -> Issuer:
        """Who signs the tokens of this stack."""
        return Issuer(self.stack.layout.keys)

    def somebody(self, role: str, id_: UUID | None = None) -> Person:
        """A person with a token and nothing else."""
        who = id_ or uuid7()
        return Person(who, role, self.stack.token(role, subject=who), mail_address(who))

    async def team(self, *points: int, languages: Sequence[Sequence[str]] = (), told: bool = True) -> Team:
        """A team whose specialists have so many points each; waits until everybody has heard of them."""
        id_ = uuid7()
        specialists = [self.somebody("specialist") for _ in points]
        spoken = [*languages, *[["en"]] * (len(points) - len(languages))]
        hv, lead, safeguarding = map(self.somebody, ("health_visitor", "team_lead", "safeguarding_lead"))
        made = Team(id_, hv, tuple(specialists), lead, safeguarding)
        await asyncio.gather(
            self.employ(made.health_visitor, id_, certificate="eao_administration"),
            *(
                self.employ(who, id_, capacity=n, languages=said, certificate="infant_mental_health")
                for who, n, said in zip(specialists, points, spoken, strict=True)
            ),
        )
        people = [made.health_visitor, *specialists, made.team_lead, made.safeguarding_lead] if told else []
        await asyncio.gather(*(self.can_be_told(who) for who in people))
        for lead in (made.team_lead, made.safeguarding_lead) if told else ():
            body = {"recipient_id": lead.id, "team_id": id_}
            await self.does(self._admin, f"PUT /duties/{lead.role}", body)
        await self.pool_has(made, *specialists)
        await self.certificate_known(hv)
        return made

    async def employ(
        self,
        who: Person,
        team_id: UUID,
        *,
        capacity: int = 0,
        languages: Sequence[str] = ("en",),
        certificate: str = "",
    ) -> None:
        """A practitioner of a team, certified for years where a certificate is named."""
        particulars = {"role": who.role, "capacity_points": capacity, "languages": list(languages)}
        await self.does(
            self._admin, "POST /practitioners", {"practitioner_id": who.id, "team_id": team_id} | particulars
        )
        if certificate:
            await self.certify(who, certificate)

    async def certify(self, who: Person, competence: str, *, from_days: float = -400, until_days: float = 400) -> None:
        now = self.now()
        body = {
            "competence": competence,
            "valid_from": (now + timedelta(days=from_days)).isoformat(),
            "valid_until": (now + timedelta(days=until_days)).isoformat(),
        }
        await self.does(self._admin, f"POST /practitioners/{who.id}/competences", body)

    async def can_be_told(self, who: Person, **policy: Any) -> None:
        """An address and a contact policy for somebody."""
        kind = who.role if who.role in ("team_lead", "safeguarding_lead") else "practitioner"
        body = {"kind": kind, "channels": self.channels, "address": who.address, "language": "en", "any_hour": True}
        await self.does(self._admin, f"PUT /recipients/{who.id}", body | policy)

    async def pool_has(self, team: Team, *who: Person) -> None:
        """Waits until the team's pool knows these practitioners with their certificates."""

        async def known() -> bool:
            answer = await self.asks(self.operator, f"GET /pools/{team.id}")
            members = answer.json()["members"] if answer.is_success else []
            return {str(p.id) for p in who} <= {m["practitioner_id"] for m in members if m["competences"]}

        if who:
            await eventually(known, f"the pool of {team.id} knows its practitioners")

    async def certificate_known(self, who: Person) -> None:
        """Waits until the screening service has heard of a certificate."""

        async def known() -> bool:
            return bool(await self.rows("screening", "SELECT FROM certificates WHERE practitioner_id = $1", who.id))

        await eventually(known, f"screening knows the certificate of {who.id}")

    async def rows(self, service: str, query: str, *arguments: Any) -> list[Any]:
        """What a service's database holds; for what no read shows."""
        connection = await asyncpg.connect(self.stack.dsn(service))
        try:
            found: list[Any] = await connection.fetch(query, *arguments)
            return found
        finally:
            await connection.close()

    async def records(self, route: str, body: Any = None) -> Any:
        """What the register of births and deaths tells, such as `POST /children/{id}/death`."""
        return await self.does(self._records, route, body)

    async def workforce(self, route: str, body: Any = None) -> Any:
        """What the workforce's administration does, such as `POST /practitioners/{id}/leaving`."""
        return await self.does(self._admin, route, body)

    # --- families -----------------------------------------------------------------------------------------------------

    async def babies(self, team: Team, count: int = 1, *, age_days: int = 45) -> list[Baby]:
        """Children of one pregnancy that were born so many days ago."""
        born = (self.now() - timedelta(days=age_days)).date()
        ids = [uuid7() for _ in range(count)]
        pregnancy_id = uuid7()
        pregnancy = {"pregnancy_id": pregnancy_id, "team_id": team.id, "expected_on": str(self.now().date())}
        pregnancy |= {"expected_children": count, "child_ids": ids, "mother_nhs_number": nhs_number()}
        await self.does(self.records, "POST /pregnancies", pregnancy)
        for child_id in ids:
            birth = {"child_id": child_id, "born_on": str(born), "children_born": count, "nhs_number": nhs_number()}
            await self.does(self.records, "POST /births", birth)
        return [Baby(child_id, pregnancy_id, team) for child_id in ids]

    async def baby(self, team: Team, *, age_days: int = 45) -> Baby:
        (made,) = await self.babies(team, age_days=age_days)
        return made

    async def caregiver(self, baby: Baby, *, language: str = "en", **policy: Any) -> Person:
        """Somebody who cares for the child and may be written to by e-mail, as the health visitor has set it."""
        visitor = baby.team.health_visitor
        who = self.somebody("caregiver")
        given = {"channels": ["email"], "address": who.address, "language": language}
        review = str((self.now() + timedelta(days=200)).date())
        await self.does(visitor, f"PUT /caregivers/{who.id}", given | {"review_on": review} | policy)
        contact = {"caregivers": [who.id], "health_visitor_id": visitor.id}
        await self.does(visitor, f"PUT /families/{baby.pregnancy_id}/contact", contact)
        await eventually(lambda: self._children_known(baby), "notification has heard of the child")
        return who

    async def _children_known(self, baby: Baby) -> bool:
        family = await self.does(baby.team.health_visitor, f"GET /families/{baby.pregnancy_id}")
        return any(child["born_at"] for child in family["children"])

    async def at_hour(self, weekday: int, hour: int) -> datetime:
        """Lets time pass until the next such day (0 is Monday) and hour in England."""
        now = self.now().astimezone(ZoneInfo("Europe/London"))
        then = (now + timedelta(days=(weekday - now.weekday()) % 7)).replace(hour=hour, minute=0, second=0)
        then = then if then > now else then + timedelta(days=7)
        return await self.time_passes(then - now)

    # --- screenings and consultations ---------------------------------------------------------------------------------

    def result(self, baby: Baby, outcome: str, *, by: Person, **other: Any) -> dict[str, Any]:
        """What a health visitor sends after a screening with this outcome."""
        return {
            "screening_id": screening_id(),
            "child_id": baby.child_id,
            "instrument": INSTRUMENT,
            "instrument_version": 1,
            "answers": ANSWERS,
            "observed": OBSERVED[outcome],
            "seconds_observed": 150,
            "setting": "home",
            "interpreter": False,
            "language": "en",
            "administered_by": by.id,
            "role": by.role,
            "screened_at": (self.now() - timedelta(minutes=20)).isoformat(),
        } | other

    async def screens(self, baby: Baby, outcome: str, *, by: Person | None = None, **other: Any) -> Screening:
        """Somebody, by default the team's health visitor, records a screening; it must have this outcome."""
        who = by or baby.team.health_visitor
        body = self.result(baby, outcome, by=who, **other)
        answer = await self.does(who, "POST /screenings", body)
        assert answer["outcome"] == outcome, answer
        return Screening(body["screening_id"], baby, answer)

    async def consultations(self, baby: Baby) -> list[dict[str, Any]]:
        """All consultations about a child, as a specialist sees them."""
        lead = baby.team.team_lead
        found: list[dict[str, Any]] = await self.does(lead, f"GET /children/{baby.child_id}/consultations")
        return found

    async def consultation(self, lead: Person, consultation_id: Any) -> dict[str, Any]:
        found: dict[str, Any] = await self.does(lead, f"GET /consultations/{consultation_id}")
        return found

    async def placed(self, baby: Baby) -> dict[str, Any]:
        """The one case about a child, once its pool has looked at it: assigned or on the list."""

        async def found() -> dict[str, Any] | None:
            cases = [c for c in await self.consultations(baby) if c["status"] == "accepted"]
            assert len(cases) <= 1, cases
            return cases[0] if cases and (cases[0]["assigned_to"] or await self.listed(cases[0])) else None

        case: dict[str, Any] = await eventually(found, f"a case of {baby.child_id} has its place")
        return case

    async def listed(self, case: dict[str, Any]) -> bool:
        """The waiting list's letter to whoever asked exists, so the pool has looked at the case."""
        return any(
            m["kind"] in ("case_waiting", "case_handed_over") for m in await self.messages(case["consultation_id"])
        )

    async def assigned(self, baby: Baby, *to: Person) -> dict[str, Any]:
        """The case once somebody has it: one of these practitioners, if any are named."""
        wanted = {str(p.id) for p in to}

        async def found() -> dict[str, Any] | None:
            cases = [c for c in await self.consultations(baby) if c["status"] == "accepted"]
            has = [c for c in cases if c["assigned_to"] and (not wanted or c["assigned_to"] in wanted)]
            return has[0] if has else None

        case: dict[str, Any] = await eventually(found, f"somebody of {wanted or 'the pool'} has the case")
        return case

    async def messages(self, about: Any) -> list[dict[str, Any]]:
        """All messages about a consultation or a screening."""
        found: list[dict[str, Any]] = await self.does(self.operator, f"GET /messages?about_id={about}")
        return found

    async def message(
        self, kind: str, about: Any, *, to: Person | None, status: str = "sent", within: float = WITHIN
    ) -> dict[str, Any]:
        """The one message of a kind to somebody, once it has come to this end."""

        async def found() -> dict[str, Any] | None:
            of_kind = [m for m in await self.messages(about) if m["kind"] == kind]
            mine = [m for m in of_kind if to is None or m["recipient_id"] == str(to.id)]
            assert len(mine) <= 1, mine
            return mine[0] if mine and mine[0]["status"] == status else None

        letter: dict[str, Any] = await eventually(found, f"{kind} about {about} is {status}", within)
        return letter


def service_of(path: str) -> str:
    """Which service answers at a path."""
    first = path.split("/")[1].partition("?")[0]
    return {
        "practitioners": "workforce",
        "courses": "workforce",
        "cohorts": "workforce",
        "supervision-norms": "workforce",
        "consultations": "referral",
        "cases": "referral",
        "pools": "referral",
        "interventions": "referral",
        "measures": "referral",
        "tasks": "referral",
        "worklists": "referral",
        "consultation-rules": "referral",
        "recipients": "notification",
        "duties": "notification",
        "caregivers": "notification",
        "families": "notification",
        "receipts": "notification",
        "messages": "notification",
    }.get(first, "referral" if path.endswith("/consultations") else "screening")
