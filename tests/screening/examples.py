"""Children, commands and definitions to begin a sentence with."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from chassis.commands import parse
from services.screening.domain.certificate import Certificates, Period
from services.screening.domain.child import Child
from services.screening.domain.commands import (
    LoadInstrument,
    LoadPathway,
    RecordScreening,
)
from services.screening.domain.definitions import CurrentPathway, InstrumentRow
from services.screening.domain.screening import AtScreening, Screening
from tests.support.given import NOON, some_id

DEFINITIONS = Path(__file__).parents[2] / "services" / "screening" / "definitions"
INSTRUMENT, PATHWAY = "early-attachment-demonstration", "early-attachment-pathway"
HEALTH_VISITOR = some_id("health visitor")
TEAM = some_id("team")
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def load_instrument(**changes: Any) -> LoadInstrument:
    """The command that loads the demonstration instrument, with some parts of the definition replaced."""
    body = json.loads((DEFINITIONS / "instruments" / INSTRUMENT / "1.json").read_text())
    body["definition"] |= changes
    return parse(LoadInstrument, json.dumps(body).encode(), {"instrument": INSTRUMENT, "instrument_version": "1"})


def load_pathway(version: int = 1, **changes: Any) -> LoadPathway:
    """The command that loads the demonstration pathway, with some outcomes replaced."""
    body = json.loads((DEFINITIONS / "pathways" / PATHWAY / "1.json").read_text())
    body["definition"]["outcomes"] |= changes
    return parse(LoadPathway, json.dumps(body).encode(), {"pathway": PATHWAY, "pathway_version": str(version)})


def instrument(**changes: Any) -> InstrumentRow:
    return InstrumentRow(f"{INSTRUMENT}/1", load_instrument(**changes).definition, LONG_AGO, "operator")


def pathway(**changes: Any) -> CurrentPathway:
    return CurrentPathway(INSTRUMENT, PATHWAY, 1, load_pathway(**changes).definition)


def child(name: str = "child", *, age_days: int | None = 45, **changes: Any) -> Child:
    """A child born alive so many days before NOON, or an unborn one without an age."""
    facts: dict[str, Any] = {
        "child_id": some_id(name),
        "pregnancy_id": some_id("pregnancy"),
        "team_id": TEAM,
        "expected_on": date(2026, 1, 20),
        "born_on": None if age_days is None else NOON.date() - timedelta(days=age_days),
        "birth": None if age_days is None else "live",
        "children_born": None if age_days is None else 1,
        "nhs_number": None,
        "mother_nhs_number": None,
        "registered_at": LONG_AGO,
    }
    return Child(**(facts | changes))


def certified(valid_until: datetime = datetime(2027, 1, 1, tzinfo=UTC)) -> Certificates:
    period = Period("eao_administration", LONG_AGO, valid_until, LONG_AGO)
    return Certificates(HEALTH_VISITOR, (period,))


CALM: dict[str, Any] = {
    "turning_towards": 0,
    "answering": 0,
    "soothing": 0,
    "playfulness": 0,
    "mood_of_the_room": "warm",
    "fear": "not_seen",
}


def observed(**values: Any) -> dict[str, Any]:
    """A calm observation, with some values replaced."""
    return CALM | values


def screening(**changes: Any) -> RecordScreening:
    """A screening of `child()` at NOON by a health visitor, as it comes over HTTP."""
    body: dict[str, Any] = {
        "child_id": str(some_id("child")),
        "instrument": INSTRUMENT,
        "instrument_version": 1,
        "answers": {"first_weeks": "Drizzle, and now and then the sun."},
        "observed": observed(),
        "seconds_observed": 130,
        "setting": "home",
        "interpreter": False,
        "language": "en",
        "administered_by": str(HEALTH_VISITOR),
        "role": "health_visitor",
        "screened_at": NOON.isoformat(),
    }
    return parse(RecordScreening, json.dumps(body | changes, default=str).encode())


def at_screening(
    child: Child | None,
    *,
    certificates: Certificates | None = None,
    existing: Screening | None = None,
    **parts: Any,
) -> AtScreening:
    """A child, a screener, the demonstration instrument and pathway; `instrument` and `pathway` may be replaced."""
    return AtScreening(
        child=child,
        certificates=certificates,
        instrument=parts.get("instrument", instrument()),
        pathway=parts.get("pathway", pathway()),
        existing=existing,
    )
