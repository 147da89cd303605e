"""What can become of a child in the cohort, a consultation and direct work: found by trying out the rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from attune.clinic.sample import definitions
from attune.pathway.exploring import Memory, Step, Trial, applied, explore, intake_of
from attune_contracts import screening as told
from attune_contracts import workforce
from chassis.decision import Due
from services.referral import course_store, store, work_store
from services.referral.domain import commands as ask
from services.referral.domain import work_commands
from services.referral.domain.catalogue import Intervention
from services.referral.domain.consultation import concern_id
from services.referral.domain.pool import COMPETENCE
from services.referral.main import INPUTS as REFERRAL
from services.screening import store as screening_store
from services.screening.domain import commands as record
from services.screening.main import INPUTS as SCREENING

_ROOT = UUID("018f0000-0000-7000-8000-000000000001")
CHILD, PREGNANCY, TEAM, OTHER_TEAM, STAFF, SCREENED = (
    uuid5(_ROOT, name) for name in ("child", "pregnancy", "team", "other team", "staff", "screening")
)
BORN = date(2026, 9, 7)
INSTRUMENT = {"instrument": "early-attachment-demonstration", "instrument_version": 1}
_OBSERVED = {"turning_towards": 0, "answering": 1, "soothing": 1, "playfulness": 1, "mood_of_the_room": "warm",
             "fear": "not_seen"}  # fmt: skip


def _made(kind: type[Any], **values: Any) -> Any:
    return kind(**values)


def _day(age: int) -> datetime:
    return datetime(BORN.year, BORN.month, BORN.day, 11, tzinfo=UTC) + timedelta(days=age)


def child_steps() -> list[Step]:
    """A child from the registration of the pregnancy on."""
    attempt = {
        **INSTRUMENT,
        "child_id": CHILD,
        "administered_by": STAFF,
        "attempted_at": _day(45),
        "reason": "unsettled",
    }
    seen = {**INSTRUMENT, "child_id": CHILD, "administered_by": STAFF, "screened_at": _day(45),
            "role": "health_visitor", "observed": _OBSERVED, "seconds_observed": 130, "setting": "home",
            "interpreter": False,
            "language": "en"}  # fmt: skip
    pregnancy = {"pregnancy_id": PREGNANCY, "team_id": TEAM, "expected_on": BORN, "child_ids": (CHILD,)}
    birth = {"child_id": CHILD, "pregnancy_id": PREGNANCY, "team_id": TEAM, "born_on": BORN}
    away = {"child_id": CHILD, "to_team_id": None, "moved_at": _day(45)}
    arrival = {"child_id": CHILD, "team_id": TEAM, "born_on": BORN, "arrived_at": _day(46)}
    trials = [
        _said("pregnancy registered", _made(record.RegisterPregnancy, **pregnancy), _day(-60)),
        _said(
            "pregnancy ended",
            _made(record.EndPregnancy, pregnancy_id=PREGNANCY, reason="loss", ended_at=_day(-9)),
            _day(-8),
        ),
        _said("live birth", _made(record.RecordBirth, **birth), _day(1)),
        _said("stillbirth", _made(record.RecordBirth, **birth | {"birth": "still"}), _day(1)),
        Trial("day 29", intake_of(SCREENING, screening_store.children), Due(CHILD), _day(30), STAFF),
        _said("not completed", _made(record.RecordNotCompleted, **attempt), _day(45)),
        _said("screened", _made(record.RecordScreening, **seen), _day(45)),
        Trial("day 71", intake_of(SCREENING, screening_store.children), Due(CHILD), _day(72), STAFF),
        _said("died", _made(record.RecordDeath, child_id=CHILD, died_on=BORN + timedelta(days=45)), _day(45)),
        _said("adopted", _made(record.RecordAdoption, child_id=CHILD), _day(45)),
        _said("moved out of the area", _made(record.MoveChild, **away), _day(45)),
        _said("moved in", _made(record.RecordArrival, **arrival), _day(46)),
    ]
    return explore(_defined(), trials, _child)


def _said(name: str, command: Any, at: datetime) -> Trial:
    return Trial(name, intake_of(SCREENING, type(command)), command, at, STAFF)


def _defined() -> Memory:
    """A service with its definitions loaded."""
    memory: Memory = {}
    for kind, model in (("instruments", record.LoadInstrument), ("pathways", record.LoadPathway)):
        for name, version, text in definitions(kind):  # type: ignore[arg-type]
            named = {kind[:-1]: name, f"{kind[:-1]}_version": version}
            command = model.model_validate_json(_with(text, named))
            memory = applied(memory, _said("loaded", command, _day(-90))) or memory
    return memory


def _with(text: str, named: dict[str, Any]) -> str:
    import json

    return json.dumps(json.loads(text) | named)


def _child(memory: Memory) -> str:
    child = memory.get(screening_store.children, {}).get(CHILD)
    if child is None:
        return "[*]"
    if child.ended is not None:
        return str(child.ended) + (" before birth" if child.ended == "moved_out" and child.born_on is None else "")
    if child.birth == "still":
        return "stillborn"
    if child.born_on is None:
        return "expected"
    if child.last_outcome is not None:
        return "screened"
    return {"before": "born", "open": "window open", "missed": "missed", None: "born"}.get(child.window_state, "born")


CASE = concern_id(SCREENED)
_LINE = {
    "asked": lambda case: case.unsettled and case.place is not None,
    "waiting": lambda case: not case.unsettled and case.place is not None,
    "ended": lambda case: case.unsettled and case.place is None,
}


def consultation_steps() -> list[Step]:
    """A consultation that a concern asks for, to its end and back."""
    return explore(_staffed(), _consultation_trials(), _consultation, beside=_unsettled)


def _staffed() -> Memory:
    """A pool with one practitioner who has points to spare."""
    since = {"practitioner_id": STAFF, "team_id": TEAM}
    joined = _made(
        workforce.PractitionerRegistered,
        **since,
        role="specialist",
        capacity_points=12,
        languages=("en",),
        registered_at=_day(-90),
    )
    certified = _made(
        workforce.CompetenceAwarded,
        **since,
        competence=COMPETENCE,
        valid_from=_day(-90),
        valid_until=_day(900),
        awarded_at=_day(-90),
    )
    memory: Memory = {}
    for event in (joined, certified):
        trial = Trial("joined", intake_of(REFERRAL, type(event)), event, _day(-90), STAFF)
        memory = applied(memory, trial) or memory
    return memory


def work_steps() -> list[Step]:
    """Direct work within an assigned case."""
    memory: Memory = _staffed() | {work_store.interventions: {"video/1": _intervention()}}
    for trial in _consultation_trials():
        if trial.name in ("concern", "a practitioner is free"):
            memory = applied(memory, trial) or memory
    held = _made(ask.HoldConsultation, consultation_id=CASE, outcome="direct_work")
    memory = applied(memory, _asked("held", held, _day(47))) or memory
    plan = _made(
        work_commands.PlanDirectWork,
        consultation_id=CASE,
        intervention="video",
        intervention_version=1,
        family_agrees=True,
        goals=["Rest."],
    )
    session = {"consultation_id": CASE, "session_at": _day(52), "setting": "home"}
    end = _made(work_commands.EndDirectWork, consultation_id=CASE, team_id=TEAM, reason="ended_by_family", goals=[])
    trials = [
        _asked("planned", plan, _day(50)),
        Trial("its practitioner has the points", intake_of(REFERRAL, store.pools), Due(TEAM), _day(50), STAFF, _LINE),
        _asked("session attended", _made(work_commands.RecordSession, attendance="attended", **session), _day(52)),
        _asked("ended", end, _day(55)),
        Trial("its clock looks", intake_of(REFERRAL, work_store.direct_works), Due(CASE), _day(51), STAFF),
        *(t for t in _consultation_trials() if t.name == "closed"),
    ]
    return explore(memory, trials, _work, beside=_unsettled)


def _intervention() -> Intervention:
    command = _made(
        work_commands.LoadIntervention,
        intervention="video",
        definition=_made(
            work_commands.InterventionDefinition,
            name="Video",
            owner="Attune",
            points=3,
            planned_sessions=6,
            review_after_missed=2,
            measures=[],
        ),
        intervention_version=1,
    )
    made = applied({}, _asked("loaded", command, _day(1)))
    assert made is not None  # noqa: S101 - nothing is loaded yet
    found: Intervention = next(iter(made[work_store.interventions].values()))
    return found


def _asked(name: str, command: Any, at: datetime) -> Trial:
    return Trial(name, intake_of(REFERRAL, type(command)), command, at, STAFF)


def _consultation_trials() -> list[Trial]:
    case = {"consultation_id": CASE}
    no = {"team_id": TEAM, "note": "Another service works with the family."}
    concern = _made(
        told.ScreeningCompleted, screening_id=SCREENED, child_id=CHILD, pregnancy_id=PREGNANCY, team_id=TEAM,
        outcome="concern", follows="consultation_routine", instrument="demonstration", instrument_version=1,
        pathway="default",
        pathway_version=1, age_days=45, setting="home", interpreter=False, language="en", administered_by=STAFF,
        role="health_visitor", certificate="valid", overridden=False, screened_at=_day(45),
    )  # fmt: skip
    died = _made(
        told.ChildDied, child_id=CHILD, pregnancy_id=PREGNANCY, team_id=TEAM, age_days=50, recorded_at=_day(50)
    )
    return [
        Trial("concern", intake_of(REFERRAL, told.ScreeningCompleted), concern, _day(45), STAFF),
        Trial("a practitioner is free", intake_of(REFERRAL, store.pools), Due(TEAM), _day(45), STAFF, _LINE),
        _asked(
            "declined",
            _made(ask.TriageConsultation, **case, **no, decision="declined", reason="outside_remit"),
            _day(46),
        ),
        _asked("held", _made(ask.HoldConsultation, **case, outcome="advice"), _day(47)),
        _asked("to be held again", _made(ask.HoldConsultation, **case, outcome="repeat"), _day(47)),
        _asked("reported", _made(ask.ReportConsultation, **case, plan="We agreed on the next steps."), _day(48)),
        _asked("closed", _made(ask.CloseCase, **case, reason="completed"), _day(49)),
        _asked("withdrawn", _made(ask.WithdrawConsultation, **case), _day(46)),
        _asked("reopened", _made(ask.ReopenConsultation, **case, reason="It came up again."), _day(60)),
        Trial("child died", intake_of(REFERRAL, told.ChildDied), died, _day(50), STAFF),
    ]


def _consultation(memory: Memory) -> str:
    case = memory.get(store.consultations, {}).get(CASE)
    if case is None:
        return "[*]"
    if case.status != "accepted":
        return str(case.status)
    course = memory.get(course_store.progress, {}).get(CASE)
    if course is not None and course.unreported is not None:
        return "held"
    if course is not None and course.held_now and course.held_now[-1].outcome != "repeat":
        return "reported"
    return "waiting" if case.assigned_to is None else "assigned"


def _unsettled(memory: Memory) -> object:
    """What the pool has yet to take notice of, and whether the points for direct work are there."""
    case = memory.get(store.consultations, {}).get(CASE)
    return case is not None and (case.unsettled, case.points, case.place, case.status)


def _work(memory: Memory) -> str:
    work = memory.get(work_store.direct_works, {}).get(CASE)
    return "[*]" if work is None else str(work.status)
