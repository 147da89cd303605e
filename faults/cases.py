"""The load: cases of all kinds by HTTP. What a case is, is a pure function of the seed and its number."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from attune.simulate.chance import nhs_number_of
from faults import refused
from faults.asking import Person
from faults.people import People, Team

INSTRUMENT = "early-attachment-demonstration"
_CALM = {"turning_towards": 0, "answering": 0, "soothing": 1, "playfulness": 0}
_QUIET_ROOM = {"mood_of_the_room": "warm", "fear": "not_seen"}
OBSERVED: dict[str, dict[str, Any]] = {
    "no_concern": _CALM | _QUIET_ROOM,
    "monitor": _CALM | _QUIET_ROOM | {"turning_towards": 2, "answering": 2},
    "concern": _CALM | _QUIET_ROOM | {"turning_towards": 3, "answering": 3, "playfulness": 2},
    "urgent_concern": _CALM | _QUIET_ROOM | {"fear": "seen"},
}
"""Observations that the demonstration instrument turns into this outcome."""
_REASONS = ("declined", "unsettled", "not_offered", "interpreter_unavailable", "other")
SHARES = {
    "concern": 34,
    "urgent_concern": 6,
    "monitor": 7,
    "no_concern": 6,
    "not_completed": 6,
    "twins": 6,
    "asked_again": 4,
    "direct_anonymous": 8,
    "direct_identified": 7,
    "practitioner": 8,
    "refused": 8,
}
"""Of a hundred cases, so many of each kind."""
MARK = "Marigold Quillfeather"
"""Stands in every free text."""
MOST_NUMBERS = 32
"""NHS numbers of one case at most."""
TWICE = 0.12
"""Share of requests sent a second time at the same moment under the same key."""


def kind_of(seed: int, number: int) -> str:
    """What kind of case this is."""
    return random.Random(f"{seed}/kind/{number}").choices(list(SHARES), list(SHARES.values()))[0]


class Cases:
    """Plays cases. `concerned` are the children of whom more is to come: bad messages are made about some of them."""

    def __init__(self, seed: int, people: People) -> None:
        self.seed, self.people, self.asking = seed, people, people.asking
        self.played: Counter[str] = Counter()
        self.failed: list[str] = []
        self.concerned: list[UUID] = []

    async def play(self, number: int) -> None:
        """One case to its end; whatever goes wrong with it is kept, not raised."""
        chance = random.Random(f"{self.seed}/case/{number}")
        kind = kind_of(self.seed, number)
        kinds: dict[str, Callable[[_Case], Awaitable[None]]] = {
            "twins": _twins,
            "asked_again": _asked_again,
            "not_completed": _not_completed,
            "direct_anonymous": _direct_anonymous,
            "direct_identified": _direct_identified,
            "practitioner": _practitioner,
            "refused": refused.play,
        }
        case = _Case(self, number, kind, chance)
        try:
            await kinds.get(kind, _screened)(case)
        except Exception as error:
            self.failed.append(f"case {number} ({kind}): {type(error).__name__} {error}")
        self.played[kind] += 1


class _Case:
    """One case: its number, its team and its own chance."""

    def __init__(self, cases: Cases, number: int, kind: str, chance: random.Random) -> None:
        self.cases, self.number, self.kind, self.chance = cases, number, kind, chance
        self.people, self.asking = cases.people, cases.asking
        self.numbers = 0
        self.team: Team = chance.choice(cases.people.teams)
        self.health_visitor = chance.choice(self.team.health_visitors)

    async def ask(self, who: Person, route: str, body: Any, **names: Any) -> Any:
        twice = names.pop("twice", self.chance.random() < TWICE)
        return await self.asking.ask(who, route, body, case=self.number, twice=twice, **names)

    def nhs_number(self) -> str:
        """A valid number of the range that is never issued, and of nobody else: two cases must not meet in one."""
        self.numbers += 1
        number = nhs_number_of(self.number * MOST_NUMBERS + self.numbers)
        self.asking.ledger.canaries.add(number)
        return number

    def text(self) -> str:
        """Something that a person wrote, with words that must come out nowhere."""
        return f"{MARK} {self.number:05d}-{self.chance.randrange(10**6):06d} said so."

    async def babies(self, count: int = 1) -> list[UUID]:
        """Children of one pregnancy, born 45 days ago."""
        today = self.asking.now().date()
        children, pregnancy = [uuid7() for _ in range(count)], uuid7()
        body: dict[str, Any] = {"pregnancy_id": pregnancy, "team_id": self.team.id, "expected_on": str(today)}
        body |= {"expected_children": count, "child_ids": children, "mother_nhs_number": self.nhs_number()}
        await self.ask(self.people.records, "POST /pregnancies", body)
        for child in children:
            birth: dict[str, Any] = {"child_id": child, "born_on": str(today - timedelta(days=45))}
            birth |= {"children_born": count, "nhs_number": self.nhs_number()}
            await self.ask(self.people.records, "POST /births", birth)
        return children

    async def screen(self, child: UUID, outcome: str) -> Any:
        """A health visitor records a result."""
        who = self.health_visitor
        body = {
            "screening_id": uuid7(),
            "child_id": child,
            "instrument": INSTRUMENT,
            "instrument_version": 1,
            "answers": {"first_weeks": self.text(), "who_helps": self.text()},
            "observed": OBSERVED[outcome],
            "seconds_observed": self.chance.randint(120, 240),
            "setting": self.chance.choice(["home", "clinic", "video"]),
            "interpreter": self.chance.random() < 0.1,
            "language": "en",
            "administered_by": who.id,
            "role": who.role,
            "screened_at": (self.asking.now() - timedelta(minutes=20)).isoformat(),
        }
        return await self.ask(who, "POST /screenings", body)

    async def consultation_of(self, child: UUID) -> Any:
        """The open consultation about a child, once there is one; None when none appears."""
        for pause in (0.3, 0.5, 1, 2, 3, 5, 5, 10, 10, 10):
            await asyncio.sleep(pause)
            found = await self.asking.get(self.team.team_lead, "referral", f"/children/{child}/consultations")
            for consultation in found or ():
                if consultation["status"] == "accepted":
                    return consultation
        return None

    async def goes_on(self, consultation_id: Any) -> None:
        """What people do with a consultation: some nothing, some one thing, some several."""
        lead, a = self.team.team_lead, self.chance.random
        names = {"consultation_id": consultation_id}
        if a() < 0.5:
            who = self.chance.choice(self.team.specialists)
            await self.ask(who, "POST /consultations/{consultation_id}/acknowledgement", {}, **names)
        if a() < 0.2:
            to = self.chance.choice([None, self.chance.choice(self.team.specialists).id])
            body = {"team_id": self.team.id, "to_practitioner_id": to}
            await self.ask(lead, "POST /cases/{consultation_id}/hand-over", body, **names)
        if a() < 0.15:
            await self.ask(self.health_visitor, "POST /consultations/{consultation_id}/withdrawal", {}, **names)
        elif a() < 0.35:
            reason = self.chance.choice(["completed", "declined_by_family", "moved_away", "other"])
            await self.ask(lead, "POST /cases/{consultation_id}/closure", {"reason": reason}, **names)


async def _screened(case: _Case) -> None:
    (child,) = await case.babies()
    await case.screen(child, case.kind)
    if case.kind in ("concern", "urgent_concern"):
        case.cases.concerned.append(child)
        if case.chance.random() < 0.7 and (found := await case.consultation_of(child)) is not None:
            await case.goes_on(found["consultation_id"])


async def _twins(case: _Case) -> None:
    children = await case.babies(2)
    await asyncio.gather(*(case.screen(child, "concern") for child in children))
    case.cases.concerned += children


async def _asked_again(case: _Case) -> None:
    """A second screening of the same child: one consultation for each."""
    (child,) = await case.babies()
    await case.screen(child, "monitor")
    await case.screen(child, "concern")
    await case.screen(child, "concern")


async def _not_completed(case: _Case) -> None:
    (child,) = await case.babies()
    body: dict[str, Any] = {"screening_id": uuid7(), "child_id": child, "instrument": INSTRUMENT}
    body |= {"instrument_version": 1, "reason": case.chance.choice(_REASONS)}
    body |= {"administered_by": case.health_visitor.id}
    body["attempted_at"] = (case.asking.now() - timedelta(minutes=5)).isoformat()
    await case.ask(case.health_visitor, "POST /screenings/not-completed", body)


async def _direct_anonymous(case: _Case) -> None:
    id_ = uuid7()
    body = {"consultation_id": id_, "team_id": case.team.id, "kind": "reflective_discussion", "question": case.text()}
    body["priority"] = case.chance.choice(["routine", "routine", "urgent"])
    await case.ask(case.team.midwife, "POST /consultations", body)
    await case.goes_on(id_)


async def _direct_identified(case: _Case) -> None:
    (child,) = await case.babies()
    id_ = uuid7()
    body = {"consultation_id": id_, "team_id": case.team.id, "kind": "case_consultation", "child_id": child}
    consent = case.chance.choice(["agreed", "agreed", "not_sought", "overridden", "refused"])
    body |= {"consent": consent, "question": case.text()}
    if consent in ("not_sought", "overridden"):
        body["consent_reason"] = case.text()
    await case.ask(case.team.midwife, "POST /consultations", body)
    await case.goes_on(id_)


async def _practitioner(case: _Case) -> None:
    """Somebody new takes cases, and then leaves, is absent, is suspended, has less time, or lapses."""
    who, team, chance = case.asking.person("specialist"), case.team, case.chance
    then = chance.choice(["leaves", "is_absent", "is_suspended", "has_less_time", "lapses"])
    valid_for = timedelta(seconds=chance.randint(3, 15)) if then == "lapses" else timedelta(days=3000)
    points = chance.randint(2, 12)
    await case.people.employ(who, team, points, "infant_mental_health", valid_for=valid_for, case=case.number)
    await asyncio.sleep(chance.uniform(1, 8))
    admin, names = case.people.admin, {"practitioner_id": who.id}
    if then == "leaves":
        await case.ask(admin, "POST /practitioners/{practitioner_id}/leaving", {"reason": "retired"}, **names)
    elif then == "is_suspended":
        route = "POST /practitioners/{practitioner_id}/competences/{competence}/suspension"
        names |= {"competence": "infant_mental_health"}  # type: ignore[dict-item]
        await case.ask(admin, route, {"reason": "supervision_missing"}, **names)
    elif then == "has_less_time":
        body = {"capacity_points": points // 2}
        await case.ask(admin, "PUT /practitioners/{practitioner_id}/capacity", body, **names)
    elif then == "is_absent":
        await _is_absent(case, admin, names)


async def _is_absent(case: _Case, admin: Person, names: dict[str, Any]) -> None:
    absence = uuid7()
    starts = case.asking.now() + timedelta(seconds=case.chance.randint(-3600, 3))
    body = {"absence_id": absence, "kind": case.chance.choice(["leave", "sickness"]), "starts_at": starts.isoformat()}
    body["hand_over"] = case.chance.random() < 0.6
    await case.ask(admin, "POST /practitioners/{practitioner_id}/absences", body, **names)
    await asyncio.sleep(case.chance.uniform(1, 6))
    if case.chance.random() < 0.6:
        route = "POST /practitioners/{practitioner_id}/absences/{absence_id}/end"
        await case.ask(admin, route, {}, **names, absence_id=absence)
