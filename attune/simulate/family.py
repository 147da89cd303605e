"""The life of one family in the city, from the registration of the pregnancy to the end of the screening window."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from attune.simulate.acts import Act, instant, working
from attune.simulate.chance import chance_of, id_of, nhs_number_of
from attune.simulate.parameters import City
from attune.simulate.people import LANGUAGES, Staff

INSTRUMENT = {"instrument": "early-attachment-demonstration", "instrument_version": 1}
ENDED = frozenset({"unknown-child", "record-ended", "no-live-birth"})
"""What a screening is refused with when the family lost the child, or left, before its day."""
STOPPED = frozenset({"booklet-stopped"})
_REASONS = ("unsettled", "caregiver_absent", "interpreter_unavailable", "not_offered", "declined")
_OBSERVED: dict[str, tuple[tuple[int, int, int, int], str, str]] = {
    "no_concern": ((0, 1, 1, 1), "warm", "not_seen"),
    "monitor": ((1, 1, 2, 1), "changeable", "not_seen"),
    "concern": ((2, 2, 2, 2), "cool", "not_seen"),
    "urgent_concern": ((2, 3, 2, 1), "tense", "seen"),
}
_SCALES = ("turning_towards", "answering", "soothing", "playfulness")


@dataclass(frozen=True, slots=True)
class Family:
    """What is decided at its beginning; the rest of its life follows from the same generator."""

    number: int
    seed: int
    city: City
    staff: Staff
    born_on: date

    @property
    def name(self) -> str:
        return f"family {self.number}"

    @property
    def team(self) -> int:
        return self.number % self.city.teams

    @property
    def locality(self) -> int:
        return self.team % self.city.localities


def families(seed: int, city: City, staff: Staff) -> Iterator[Family]:
    """All families whose child is born in the year, some with twins; in all as many births as the city has."""
    born, number = 0, 0
    while born < city.births:
        chance = chance_of(seed, f"birthday {number}")
        family = Family(number, seed, city, staff, staff.begins + timedelta(days=chance.randrange(1, city.days)))
        born += 2 if _is_twins(family) else 1
        number += 1
        yield family


def _is_twins(family: Family) -> bool:
    return chance_of(family.seed, f"twins {family.number}").random() < family.city.twins


def life(family: Family) -> list[Act]:
    """Everything that happens to the family, whatever becomes of what it leads to."""
    return sorted(_Life(family).acts())


class _Life:
    def __init__(self, family: Family) -> None:
        self.family, self.city, self.staff = family, family.city, family.staff
        self.chance = chance_of(family.seed, family.name)
        born = instant(family.born_on, 3)
        self.pregnancy = id_of(family.seed, f"{family.name} pregnancy", born - timedelta(days=200))
        count = 2 if _is_twins(family) else 1
        expecting = born - timedelta(days=200)
        self.children = [id_of(family.seed, f"{family.name} child {n}", expecting) for n in range(count)]
        self.caregiver = id_of(family.seed, f"{family.name} caregiver", born - timedelta(days=200))
        self.mother = nhs_number_of(family.number * 4)
        visitors = self.staff.visitors_of(family.team)
        self.visitor = visitors[family.number // self.city.teams % len(visitors)]
        speaks = self.chance.random() < self.city.interpreter
        self.language = self.chance.choice(LANGUAGES[1:]) if speaks else "en"
        self.interpreter = speaks
        self.team_id = str(self.staff.localities[family.locality])

    def _likely(self, share: float) -> bool:
        return self.chance.random() < share

    def _act(  # noqa: PLR0917 - as an act reads
        self, at: Any, what: str, service: str, route: str, role: str, body: dict[str, Any], **more: Any
    ) -> Act:
        return Act(at, f"{what} {self.family.number}", service, route, role, body, about=self.family.name, **more)

    def acts(self) -> Iterator[Act]:
        family, city = self.family, self.city
        known = self._likely(city.known_before_birth)
        weeks = self.chance.randint(18, 30)
        registered = max(family.born_on - timedelta(weeks=weeks), self.staff.begins)
        if registered >= family.born_on:
            known = False
        if known:
            yield from self._registered(working(registered) if working(registered) < family.born_on else registered)
            if self._likely(city.loss):
                yield self._lost(registered)
                return
        elif self._likely(city.moved_in):
            yield from self._moved_in()
            return
        yield from self._born(known=known)

    def _registered(self, on: date) -> Iterator[Act]:
        body = {"pregnancy_id": str(self.pregnancy), "team_id": self.team_id, "expected_on": str(self.family.born_on),
                "expected_children": len(self.children), "child_ids": [str(c) for c in self.children],
                "mother_nhs_number": self.mother}  # fmt: skip
        yield self._act(instant(on, 10), "pregnancy", "screening", "POST /pregnancies", "records", body)
        yield from self._contact(on)

    def _contact(self, on: date) -> Iterator[Act]:
        """How the caregiver may be reached, where somebody has asked; some live with somebody dangerous."""
        if self._likely(self.city.no_contact_policy):
            return
        unsafe = self._likely(self.city.unsafe_contact)
        policy = {"channels": ["file"], "language": self.language, "do_not_contact": unsafe,
                  "review_on": str(on + timedelta(days=700))}  # fmt: skip
        who = {"caregivers": [str(self.caregiver)], "health_visitor_id": str(self.visitor.id)}
        at = instant(on, 10, 30)
        yield self._act(at, "caregiver", "notification", f"PUT /caregivers/{self.caregiver}", "health_visitor", policy)
        yield self._act(
            instant(on, 10, 45),
            "contact",
            "notification",
            f"PUT /families/{self.pregnancy}/contact",
            "health_visitor",
            who,
        )

    def _lost(self, registered: date) -> Act:
        day = registered + timedelta(days=max(1, (self.family.born_on - registered).days // 2))
        body = {"reason": "loss", "ended_at": instant(day, 6).isoformat()}
        return self._act(
            instant(day, 11), "loss", "screening", f"POST /pregnancies/{self.pregnancy}/ending", "records", body
        )

    def _moved_in(self) -> Iterator[Act]:
        arrived = self.family.born_on + timedelta(days=self.chance.randint(10, 40))
        for n, child in enumerate(self.children):
            body = {"child_id": str(child), "pregnancy_id": str(self.pregnancy), "team_id": self.team_id,
                    "born_on": str(self.family.born_on), "children_born": len(self.children),
                    "nhs_number": nhs_number_of(self.family.number * 4 + 1 + n),
                    "arrived_at": instant(arrived, 9).isoformat()}  # fmt: skip
            yield self._act(instant(arrived, 10), f"arrival {n}", "screening", "POST /arrivals", "records", body)
        yield from self._contact(arrived)
        yield from self._grows_up(arrived)

    def _born(self, *, known: bool) -> Iterator[Act]:
        family, city = self.family, self.city
        late = self.chance.randint(3, 24) if self._likely(city.recorded_late) else self.chance.randint(0, 1)
        recorded = family.born_on + timedelta(days=late)
        still = self._likely(city.still)
        wrong = not still and self._likely(city.corrected)
        for n, child in enumerate(self.children):
            day = family.born_on - timedelta(days=4) if wrong else family.born_on
            body = {"child_id": str(child), "born_on": str(day), "birth": "still" if still else "live",
                    "children_born": len(self.children), "pregnancy_id": str(self.pregnancy),
                    "team_id": self.team_id, "mother_nhs_number": self.mother,
                    "nhs_number": None if still else nhs_number_of(family.number * 4 + 1 + n)}  # fmt: skip
            yield self._act(instant(recorded, 9, n), f"birth {n}", "screening", "POST /births", "records", body)
            if wrong:
                right = {"born_on": str(family.born_on)}
                when = instant(recorded + timedelta(days=6), 9)
                route = f"POST /children/{child}/birth-correction"
                yield self._act(when, f"corrected {n}", "screening", route, "records", right)
        if still:
            return
        if not known:
            yield from self._contact(recorded)
        yield from self._grows_up(recorded)

    def _grows_up(self, since: date) -> Iterator[Act]:
        city, born = self.city, self.family.born_on
        if self._likely(city.given_at_new_birth_visit):
            yield self._booklet(max(working(born + timedelta(days=self.chance.randint(8, 11))), since))
        gone = born + timedelta(days=self.chance.randint(5, 65))
        if self._likely(city.death):
            yield from self._ends(gone, "death")
            return
        if self._likely(city.adopted):
            yield from self._ends(gone, "adoption")
            return
        if self._likely(city.moved_out):
            yield from self._ends(gone, "move")
            until: date | None = gone
        else:
            until = None
        for n, child in enumerate(self.children):
            yield from self._reviewed(n, child, since, until)

    def _booklet(self, day: date) -> Act:
        body = {"given_by": str(self.visitor.id), "how": "in_person", "language": self.language,
                "given_at": instant(day, 11).isoformat()}  # fmt: skip
        path = f"POST /families/{self.pregnancy}/booklet"
        return self._act(
            instant(day, 11, 30), "booklet", "notification", path, "health_visitor", body, may_be_refused=STOPPED
        )

    def _ends(self, day: date, how: str) -> Iterator[Act]:
        for n, child in enumerate(self.children):
            routes: dict[str, tuple[str, dict[str, Any]]] = {
                "death": (f"POST /children/{child}/death", {"died_on": str(day)}),
                "adoption": (f"POST /children/{child}/adoption", {}),
                "move": (
                    f"POST /children/{child}/moves",
                    {"to_team_id": None, "moved_at": instant(day, 8).isoformat()},
                ),
            }
            route, body = routes[how]
            yield self._act(instant(day, 9), f"{how} {n}", "screening", route, "records", body)

    def _reviewed(self, n: int, child: UUID, since: date, until: date | None) -> Iterator[Act]:
        """The review at six to eight weeks: in time, late or never; screened there, or tried again, or not at all."""
        city, born = self.city, self.family.born_on
        share = self.chance.random()
        if share < city.reviewed_by_56_days:
            age = self.chance.randint(40, 54)
        elif share < city.reviewed_by_56_days + city.reviewed_later:
            age = self.chance.randint(57, 66)
        else:
            return
        day = max(working(born + timedelta(days=age)), working(since))
        if until is not None and day >= until:
            return
        if not self._likely(city.screened_at_review):
            reason = self.chance.choice(_REASONS)
            yield self._not_completed(n, child, day, reason)
            again = working(day + timedelta(days=7))
            if reason == "declined" or (again - born).days > 70 or not self._likely(0.6):
                return
            day = again
        outcome = self._outcome()
        yield self._screened(f"screening {n}", child, day, outcome)
        if outcome == "monitor":
            follow_up = working(day + timedelta(days=28))
            yield self._screened(f"follow-up {n}", child, follow_up, self.chance.choice(("no_concern", "concern")))

    def _outcome(self) -> str:
        city = self.city
        weights = (city.urgent, city.concern, city.monitor)
        rest = max(0.0, 1 - sum(weights))
        return self.chance.choices(("urgent_concern", "concern", "monitor", "no_concern"), (*weights, rest))[0]

    def _not_completed(self, n: int, child: UUID, day: date, reason: str) -> Act:
        at = instant(day, 10, 30)
        body = {"screening_id": str(id_of(self.family.seed, f"{self.family.name} attempt {n}", at)),
                "child_id": str(child), "reason": reason, "administered_by": str(self.visitor.id),
                "attempted_at": at.isoformat(), **INSTRUMENT}  # fmt: skip
        route = "POST /screenings/not-completed"
        return self._act(
            instant(day, 12), f"attempt {n}", "screening", route, "health_visitor", body, may_be_refused=ENDED
        )

    def _screened(self, what: str, child: UUID, day: date, outcome: str) -> Act:
        at = instant(day, 10, 30)
        body = {"screening_id": str(id_of(self.family.seed, f"{self.family.name} {what}", at)), "child_id": str(child),
                **INSTRUMENT, "answers": {"first_weeks": "Drizzle, then a clear evening."},
                "observed": observed(outcome, self.chance), "seconds_observed": self.chance.randint(120, 240),
                "setting": self.chance.choice(("home", "home", "clinic")), "interpreter": self.interpreter,
                "language": self.language, "caregiver_id": str(self.caregiver),
                "administered_by": str(self.visitor.id), "role": "health_visitor",
                "screened_at": at.isoformat()}  # fmt: skip
        grave = outcome in ("concern", "urgent_concern")
        return self._act(instant(day, 12), what, "screening", "POST /screenings", "health_visitor", body,
                         by=str(self.visitor.id), alone=grave, may_be_refused=ENDED)  # fmt: skip


def observed(outcome: str, chance: random.Random) -> dict[str, int | str]:
    """Observations that the demonstration instrument turns into that outcome."""
    scales, mood, fear = _OBSERVED[outcome]
    given = list(scales)
    chance.shuffle(given)
    if outcome == "monitor" and given[2] == 3:
        mood = "changeable"
    return {**dict(zip(_SCALES, given, strict=True)), "mood_of_the_room": mood, "fear": fear}
