"""The files of `samples/`: what they may say, and that they fit together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attune.stack.layout import ROOT

SAMPLES = ROOT / "samples"
DEFINITIONS = ROOT / "services" / "screening" / "definitions"


class SampleBroken(RuntimeError):
    """A sample file does not say what it should; the message names the file and the place."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Certificate(_Part):
    """Days are relative to the day of the run."""

    competence: str
    from_days: int
    until_days: int


class Person(_Part):
    """A member of staff. With `token`, the one for whom the token of that role speaks."""

    key: str
    name: str
    role: str
    token: str | None = None
    languages: tuple[str, ...]
    capacity_points: int
    certificates: tuple[Certificate, ...]
    mail: str


class People(_Part):
    """One team, and who is told what in it."""

    team: str
    duties: dict[Literal["safeguarding_lead", "team_lead"], str]
    people: tuple[Person, ...]


class Child(_Part):
    """Without an age it is not born yet."""

    key: str
    age_days: int | None = None
    nhs_number: str | None = None


class Family(_Part):
    """Children of one pregnancy; without an expected date the family has moved in after the birth."""

    key: str
    expected_in_days: int | None
    mother_nhs_number: str
    children: tuple[Child, ...]


class Families(_Part):
    families: tuple[Family, ...]


class Screening(_Part):
    """A result as the clinic's own system would send it, with the outcome that the instrument must give."""

    at: str
    child: str
    by: str
    setting: str | None = None
    language: str | None = None
    interpreter: bool | None = None
    seconds_observed: int | None = None
    observed: dict[str, int | str] | None = None
    answers: dict[str, str] | None = None
    outcome: str | None = None
    not_completed: str | None = None


class Screenings(_Part):
    step: Literal["screenings"]
    title: str
    screenings: tuple[Screening, ...]


class Consultation(_Part):
    step: Literal["consultation"]
    title: str
    by: str
    kind: str
    child: str | None = None
    consent: str | None = None
    question: str


class Leaving(_Part):
    step: Literal["leaving"]
    title: str
    practitioner: str
    reason: str


class Closure(_Part):
    step: Literal["closure"]
    title: str
    child: str
    by: str
    reason: str


class Work(_Part):
    """What a specialist does with the open case about a child, up to now."""

    step: Literal["work"]
    title: str
    child: str
    by: str
    what: Literal["acknowledge", "triage", "hold", "report", "plan", "session"]
    says: dict[str, str | int | bool | list[str]] = {}


class Passing(_Part):
    """So many days pass at once, and every clock that comes due in them is heard."""

    step: Literal["passing"]
    title: str
    days: int


Step = Annotated[Screenings | Consultation | Leaving | Closure | Work | Passing, Field(discriminator="step")]


class Day(_Part):
    """What happens, in order; each step begins when everything of the one before has been told."""

    instrument: str
    instrument_version: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """All files together."""

    people: People
    families: tuple[Family, ...]
    day: Day

    @property
    def screenings(self) -> list[Screening]:
        return [s for step in self.day.steps if isinstance(step, Screenings) for s in step.screenings]


_Model = TypeVar("_Model", bound=_Part)


def load(directory: Path = SAMPLES) -> Sample:
    """Reads and checks the three files. Raises SampleBroken."""
    people = _read(directory / "people.json", People)
    families = _read(directory / "families.json", Families).families
    sample = Sample(people, families, _read(directory / "clinic_day.json", Day))
    _fits_together(sample)
    return sample


def definitions(kind: Literal["instruments", "pathways"], directory: Path = DEFINITIONS) -> list[tuple[str, int, str]]:
    """Name, version and JSON text of each shipped definition."""
    return [(p.parent.name, int(p.stem), p.read_text("utf-8")) for p in sorted((directory / kind).glob("*/*.json"))]


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate_json(path.read_text("utf-8"))
    except OSError:
        raise SampleBroken(f"{path} cannot be read") from None
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SampleBroken(f"{path}: {where}: {first['msg']}") from None


def _fits_together(sample: Sample) -> None:
    staff = {p.key for p in sample.people.people}
    children = {c.key for f in sample.families for c in f.children}
    used_staff = {s.by for s in sample.screenings} | set(sample.people.duties.values())
    used_children = {s.child for s in sample.screenings}
    for step in sample.day.steps:
        used_staff |= {getattr(step, name) for name in ("by", "practitioner") if hasattr(step, name)}
        used_children |= {step.child} if isinstance(step, Consultation | Closure) and step.child else set()
    for unknown in (used_staff - staff) | (used_children - children):
        raise SampleBroken(f"clinic_day.json or people.json speaks of {unknown}, whom nobody knows")
