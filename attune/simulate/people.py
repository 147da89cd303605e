"""Who works in the city: health visitors with and without a certificate, specialists, leads; what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from uuid import UUID

from attune.simulate.acts import Act, instant
from attune.simulate.chance import chance_of, id_of
from attune.simulate.parameters import City

TOOL, THERAPY = "eao_administration", "infant_mental_health"
LANGUAGES = ("en", "pl", "ur", "ro")
_YEARS = 730


@dataclass(frozen=True, slots=True)
class Practitioner:
    id: UUID
    role: str
    locality: int
    team: int
    """Health visiting team; for a specialist that of the locality."""
    languages: tuple[str, ...]
    certified_from: int
    """Day of the year from which on the certificate counts; negative: since before it."""


@dataclass(frozen=True)
class Staff:
    """Everybody who works in the city, the same for the same seed."""

    seed: int
    city: City
    begins: date

    def _id(self, name: str) -> UUID:
        return id_of(self.seed, name, instant(self.begins, 0))

    @cached_property
    def localities(self) -> tuple[UUID, ...]:
        return tuple(self._id(f"locality {n}") for n in range(self.city.localities))

    @cached_property
    def health_visitors(self) -> tuple[Practitioner, ...]:
        made = []
        for n in range(self.city.health_visitors):
            chance = chance_of(self.seed, f"health visitor {n}")
            team = n % self.city.teams
            since = -chance.randint(30, 300) if chance.random() < self.city.certified else 150
            made.append(
                Practitioner(
                    self._id(f"health visitor {n}"), "health_visitor", team % self.city.localities, team, ("en",), since
                )
            )
        return tuple(made)

    @cached_property
    def specialists(self) -> tuple[Practitioner, ...]:
        made = []
        for n in range(self.city.specialists):
            locality = n % self.city.localities
            languages = ("en", LANGUAGES[1 + n % 3]) if n % 2 else ("en",)
            made.append(Practitioner(self._id(f"specialist {n}"), "specialist", locality, locality, languages, -200))
        return tuple(made)

    @cached_property
    def leads(self) -> tuple[Practitioner, ...]:
        return tuple(
            Practitioner(self._id(f"lead {n}"), "team_lead", n, n, ("en",), -200) for n in range(self.city.localities)
        )

    @cached_property
    def everybody(self) -> dict[UUID, Practitioner]:
        return {p.id: p for p in (*self.health_visitors, *self.specialists, *self.leads)}

    def visitors_of(self, team: int) -> list[Practitioner]:
        return [p for p in self.health_visitors if p.team == team]

    def acts(self) -> list[Act]:
        """Who joins, is certified, falls ill, takes leave and reduces hours, in the order in which it happens."""
        acts = [act for p in self.everybody.values() for act in self._joins(p)]
        acts += [self._duty(n, lead, duty) for n, lead in enumerate(self.leads) for duty in _DUTIES]
        acts += [act for n, p in enumerate(self.specialists) for act in self._away(n, p)]
        return sorted(acts)

    def _joins(self, p: Practitioner) -> list[Act]:
        at, me = instant(self.begins, 8), str(p.id)
        points = self.city.specialist_points if p.role == "specialist" else 0
        body = {"practitioner_id": me, "team_id": str(self.localities[p.locality]), "role": p.role,
                "capacity_points": points, "languages": list(p.languages)}  # fmt: skip
        mail = {"kind": "team_lead" if p.role == "team_lead" else "practitioner", "channels": ["file"],
                "language": "en"}  # fmt: skip
        certificate = self.begins + timedelta(days=p.certified_from)
        competence = THERAPY if p.role == "specialist" else TOOL
        awarded = at + timedelta(hours=1) if p.certified_from < 0 else instant(certificate, 9)
        period = {"competence": competence, "valid_from": instant(certificate, 0).isoformat(),
                  "valid_until": instant(certificate + timedelta(days=_YEARS), 0).isoformat()}  # fmt: skip
        return [
            Act(at, f"joins {me}", "workforce", "POST /practitioners", "workforce_admin", body, me),
            Act(at, f"mail {me}", "notification", f"PUT /recipients/{me}", "workforce_admin", mail, me),
            Act(
                awarded,
                f"certificate {me}",
                "workforce",
                f"POST /practitioners/{me}/competences",
                "workforce_admin",
                period,
                me,
            ),
        ]

    def _duty(self, locality: int, lead: Practitioner, duty: str) -> Act:
        body = {"recipient_id": str(lead.id), "team_id": str(self.localities[locality])}
        at = instant(self.begins, 9, 30)
        return Act(
            at, f"{duty} {locality}", "notification", f"PUT /duties/{duty}", "workforce_admin", body, str(lead.id)
        )

    def _away(self, number: int, p: Practitioner) -> list[Act]:
        """Two weeks of leave for everybody, at different times; and one long sickness, with cases handed over."""
        acts = []
        spells = [(20 + 41 * number % 300, 14, "leave", False)]
        if number == 0:
            spells.append((100, self.city.sickness_days, "sickness", True))
        for first, days, kind, hand_over in spells:
            starts, ends = self.begins + timedelta(days=first), self.begins + timedelta(days=first + days)
            body = {"kind": kind, "starts_at": instant(starts, 8).isoformat(), "until": instant(ends, 8).isoformat(),
                    "hand_over": hand_over, "absence_id": str(self._id(f"absence {number} {first}"))}  # fmt: skip
            path = f"POST /practitioners/{p.id}/absences"
            acts.append(
                Act(
                    instant(starts, 8),
                    f"away {number} {first}",
                    "workforce",
                    path,
                    "workforce_admin",
                    body,
                    str(p.id),
                    alone=True,
                )
            )
        return acts


_DUTIES = ("team_lead", "safeguarding_lead")
