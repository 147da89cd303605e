"""The year judged from outside, by what the services have told and what has left: nobody forgotten, nothing silent.

Pure: knows none of the services' rules but those that a family may rely on, and reckons them by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from attune.simulate.acts import LONDON
from chassis.working_days import ENGLAND, Calendar

CLOSES_DAY, DUE_DAY, OPENS_DAY = 70, 56, 29
_WORKING_DAYS = {"acknowledged": 2, "held": 10}
"""Clocks that are reckoned anew here, from the request on."""
_MET_BY = {
    "acknowledged": {"consultation-acknowledged", "consultation-triaged", "consultation-held"},
    "held": {"consultation-held"},
}
_ENDED = {"case-closed", "consultation-withdrawn"}
_GONE = {"child-died", "child-adopted", "records-merged", "pregnancy-ended"}


@dataclass(frozen=True, slots=True)
class Told:
    """One event, as the journal of its service keeps it."""

    kind: str
    """The last word of its type, such as `case-assigned`."""
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    recipient_id: UUID
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Caregiver:
    """What was set about one caregiver, and the pregnancy that they belong to."""

    recipient_id: UUID
    pregnancy_id: UUID | None
    may_be_written_to: bool


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that the judge is shown."""

    ends_at: datetime
    born: Mapping[UUID, date]
    """Birthday of every child that was born alive, as it stands at the end."""
    told: Sequence[Told]
    letters: Sequence[Letter]
    caregivers: Mapping[UUID, Caregiver]
    staff: frozenset[UUID]


@dataclass(slots=True)
class Verdict:
    """Figures by name; each of the first five must be 0. Some ids of each fault, to look at."""

    figures: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, name: str, faults: Iterable[object]) -> None:
        found = [str(f) for f in faults]
        self.figures[name] = len(found)
        if found:
            self.examples[name] = sorted(found)[:10]

    @property
    def holds(self) -> bool:
        return not any(self.figures.values())


def judge(known: Known, calendar: Calendar = ENGLAND) -> Verdict:
    """What must be true at the end of a year, each as the number of those for whom it is not."""
    verdict = Verdict()
    verdict.note("unexplained_unscreened", _unscreened(known))
    verdict.note("concerns_without_consultation", _concerns(known))
    verdict.note("consultations_without_end", _without_end(known))
    verdict.note("silent_breaches", _silent(known, calendar))
    verdict.note("messages_against_policy", _against_policy(known))
    return verdict


def _moved_away(t: Told) -> bool:
    return t.kind == "child-moved" and t.data.get("to_team_id") is None


def _unscreened(known: Known) -> list[UUID]:
    """Children past the window of whom nobody has said anything: no result, no failsafe, no reason."""
    explained = {
        UUID(t.data["child_id"])
        for t in known.told
        if t.kind in {"screening-completed", "screening-missed"} | _GONE or _moved_away(t)
    }
    last = known.ends_at.astimezone(LONDON).date() - timedelta(days=CLOSES_DAY + 1)
    return [child for child, day in known.born.items() if day <= last and child not in explained]


def _concerns(known: Known) -> list[str]:
    asked = Counter(t.data["screening_id"] for t in known.told if t.kind == "consultation-requested")
    grave = [t for t in known.told if t.kind == "screening-completed" and "concern" in t.data["outcome"].split("_")
             and t.data["outcome"] != "no_concern"]  # fmt: skip
    return [t.data["screening_id"] for t in grave if asked[t.data["screening_id"]] != 1]


def _by_case(known: Known) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = defaultdict(list)
    for t in sorted(known.told, key=lambda t: t.at):
        if (case := t.data.get("consultation_id")) is not None:
            found[case].append(t)
    return found


def _ends(t: Told) -> bool:
    return t.kind in _ENDED or (t.kind == "consultation-triaged" and t.data["decision"] == "declined")


def _without_end(known: Known) -> list[str]:
    """Consultations that are neither reported nor ended with a reason, and do not wait in a list either."""
    found = []
    for case, course in _by_case(known).items():
        kinds = [t.kind for t in course]
        if "consultation-requested" not in kinds or "consultation-reported" in kinds or any(map(_ends, course)):
            continue
        places = [t for t in course if t.kind in ("case-assigned", "waiting-list-joined", "case-handed-over")]
        last = places[-1] if places else None
        waits = last is not None and (
            last.kind == "waiting-list-joined"
            or (last.kind == "case-handed-over" and last.data["to_practitioner_id"] is None)
        )
        if not waits:
            found.append(case)
    return found


def _gone_at(known: Known) -> dict[str, datetime]:
    """When a child was gone: from then on no clock of its consultations runs, whenever they were asked for."""
    found: dict[str, datetime] = {}
    for t in known.told:
        if t.kind in _GONE - {"records-merged"} or _moved_away(t):
            child = t.data.get("child_id")
            if child is not None:
                found[child] = min(t.at, found.get(child, t.at))
    return found


def _silent(known: Known, calendar: Calendar) -> list[str]:
    """Targets that were missed, reckoned from the request by England's working days, without an event that says so."""
    found = []
    gone = _gone_at(known)
    for case, course in _by_case(known).items():
        request = next((t for t in course if t.kind == "consultation-requested"), None)
        if request is None:
            continue
        asked, left = request.at, gone.get(request.data["child_id"], known.ends_at)
        told = {t.data["clock"] for t in course if t.kind == "clock-breached"}
        for clock, days in _WORKING_DAYS.items():
            due = calendar.end_of_working_day(asked, days)
            met = [t.at for t in course if t.kind in _MET_BY[clock] or _ends(t)]
            if min([*met, left]) > due + timedelta(hours=1) and clock not in told:
                found.append(f"{clock} of {case}")
    return found


def _against_policy(known: Known) -> list[UUID]:
    """Letters to caregivers who may not be written to, of whom nothing is known, or after a loss."""
    lost: dict[UUID, datetime] = {}
    for t in known.told:
        still = t.kind == "birth-recorded" and t.data["birth"] == "still"
        if still or t.kind in _GONE:
            pregnancy = UUID(t.data["pregnancy_id"])
            lost[pregnancy] = min(t.at, lost.get(pregnancy, t.at))
    found = []
    for letter in known.letters:
        if letter.recipient_id in known.staff:
            continue
        caregiver = known.caregivers.get(letter.recipient_id)
        allowed = caregiver is not None and caregiver.may_be_written_to
        loss = lost.get(caregiver.pregnancy_id) if caregiver is not None and caregiver.pregnancy_id else None
        if not allowed or (loss is not None and letter.written_at > loss + timedelta(minutes=1)):
            found.append(letter.recipient_id)
    return found


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of the children of a team who reached 56 days: screened from day 29 to 70, and by day 56."""

    reached_56_days: int
    screened_in_window: int
    screened_by_56_days: int


def coverage(known: Known, team_of: Mapping[UUID, int]) -> dict[int, Coverage]:
    """By the health visiting team of the child."""
    ages = {
        UUID(t.data["child_id"]): t.data["age_days"] for t in reversed(known.told) if t.kind == "screening-completed"
    }
    last = known.ends_at.astimezone(LONDON).date() - timedelta(days=DUE_DAY)
    counted: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for child, day in known.born.items():
        if day > last or child not in team_of:
            continue
        row, age = counted[team_of[child]], ages.get(child)
        row[0] += 1
        row[1] += age is not None and OPENS_DAY <= age <= CLOSES_DAY
        row[2] += age is not None and OPENS_DAY <= age <= DUE_DAY
    return {team: Coverage(*row) for team, row in sorted(counted.items())}


def waits(known: Known) -> dict[UUID, list[float]]:
    """Days from the request to the first assignment, by team."""
    found: dict[UUID, list[float]] = defaultdict(list)
    seen: set[str] = set()
    for t in sorted(known.told, key=lambda t: t.at):
        if t.kind == "case-assigned" and t.data["consultation_id"] not in seen:
            seen.add(t.data["consultation_id"])
            found[UUID(t.data["team_id"])].append(t.data["waited_seconds"] / 86_400)
    return {team: sorted(days) for team, days in found.items()}
