"""Sessions are numbered whatever became of them; measures are taken by their definition, once at each point."""

from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.referral import MeasureRecorded, SessionRecorded
from chassis.working_days import ENGLAND
from services.referral.domain import catalogue, measuring, sessions
from services.referral.domain.catalogue import Measure, shown
from services.referral.domain.clocks import running
from services.referral.domain.direct_work import Taken
from services.referral.domain.measuring import AtMeasuring, Measurement, changes, owed
from services.referral.domain.refusals import (
    AnswersDoNotFit,
    CaseHasNoPractitioner,
    ConsultationNotOpen,
    DefinitionInconsistent,
    InterventionVersionChanged,
    MeasuredInTheFuture,
    MeasureTakenBefore,
    MeasureVersionChanged,
    NoDirectWork,
    SessionBeforeTheRequest,
    SessionNotYet,
    TotalDoesNotFit,
    UnknownConsultation,
    UnknownMeasure,
)
from services.referral.domain.sessions import AtSession
from services.referral.domain.tasks import Task
from services.referral.domain.work_commands import (
    LoadIntervention,
    LoadMeasure,
    MeasureDefinition,
    RecordMeasure,
    RecordSession,
)
from tests.referral.builders import LONG_AGO, TEAM, case, ended, held, held_for_direct_work, intervention, work
from tests.referral.courses import course, held_once
from tests.support.given import NOON, Then, given, replace, some_id

CASE = held("a", "ann", points=4)
UNDER_WAY = work("a")
SECOND = timedelta(seconds=1)


def session(
    attendance: str = "attended", *, found: Any = CASE, of: Any = UNDER_WAY, since: Any = None, **said: Any
) -> Then:
    fields = {
        "consultation_id": some_id("case a"),
        "attendance": attendance,
        "session_at": NOON,
        "setting": "home",
        "note": "They laughed.",
    }
    command = RecordSession(**{**fields, **said})
    return given(AtSession(found, of, since)).by(some_id("ann")).when(sessions.record, command)


def test_the_first_session_attended_is_the_first_contact() -> None:
    then = session()
    then.then(
        SessionRecorded(
            consultation_id=some_id("case a"),
            child_id=some_id("child a"),
            team_id=TEAM,
            practitioner_id=some_id("ann"),
            number=1,
            attendance="attended",
            first_contact=True,
            session_at=NOON,
            recorded_at=NOON,
        ),
        reply={"consultation_id": some_id("case a"), "number": 1, "missed_in_a_row": 0, "review": False},
    )
    after, kept = then.then_decided().rows
    assert (after.sessions, after.attended, after.first_contact_at) == (1, 1, NOON)
    assert (kept.number, kept.work, kept.note, kept.setting) == (1, 1, "They laughed.", "home")
    (event,) = session(of=after).events
    assert (event.number, event.first_contact) == (2, False)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "before", [UNDER_WAY, work("a", first_contact_at=NOON - 9 * SECOND)], ids=["never met", "met before the reopening"]
)
def test_a_session_before_the_reopening_that_is_entered_late_is_not_the_first_contact_of_what_goes_on(
    before: Any,
) -> None:
    reopened = replace(held_for_direct_work("a"), started_at=NOON)
    asked_before = replace(CASE, requested_at=NOON - timedelta(days=9))
    late = session(found=asked_before, of=before, since=reopened, session_at=NOON - SECOND)
    (event,) = late.events
    after, kept = late.then_decided().rows
    assert (event.first_contact, after.attended, kept.number) == (False, 1, 1)  # type: ignore[attr-defined]
    then = session(found=asked_before, of=after, since=reopened)
    (event,) = then.events
    met = then.then_decided().rows[0]
    assert (event.first_contact, met.first_contact_at, met.attended) == (True, NOON, 2)  # type: ignore[attr-defined]
    goes_on = course(asked_before, started_at=NOON, holdings=(held_once("direct_work"),))
    assert "first_contact" in {c.term.clock for c in running(replace(goes_on, work=after), ENGLAND)}
    assert {"first_contact", "contact"}.isdisjoint(c.term.clock for c in running(replace(goes_on, work=met), ENGLAND))


def test_a_missed_session_counts_and_so_many_in_a_row_call_for_a_look_at_the_plan() -> None:
    of = UNDER_WAY
    seen = []
    for attendance in ("missed", "cancelled_by_family", "missed", "attended", "missed"):
        then = session(attendance, of=of)
        of = then.then_decided().rows[0]
        reply = then.then_decided().reply
        seen.append((reply["number"], reply["missed_in_a_row"], reply["review"]))
        tasks = [r for r in then.then_decided().rows if isinstance(r, Task)]
        assert [(t.kind, t.owner_id) for t in tasks] == [("missed_sessions", some_id("ann"))] * (reply["number"] == 3)
    assert seen == [(1, 1, False), (2, 1, False), (3, 2, True), (4, 0, False), (5, 1, False)]
    assert (of.sessions, of.attended) == (5, 1)


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"found": None}, UnknownConsultation),
        ({"found": ended(CASE)}, ConsultationNotOpen),
        ({"found": case("a")}, CaseHasNoPractitioner),
        ({"of": None}, NoDirectWork),
        ({"of": work("a", status="waits", started_at=None)}, NoDirectWork),
        ({"of": work("a", status="ended")}, NoDirectWork),
        ({"session_at": NOON + SECOND}, SessionNotYet),
        ({"attendance": "missed", "session_at": NOON + SECOND}, SessionNotYet),
        ({"session_at": NOON - SECOND}, SessionBeforeTheRequest),
    ],
)
def test_a_session_that_cannot_have_been(said: dict[str, Any], rule: Any) -> None:
    session(**said).then_refused(rule)


@pytest.mark.parametrize("by", ["cancelled_by_family", "cancelled_by_practitioner", "cancelled_by_service"])
def test_a_session_that_lies_ahead_can_be_cancelled(by: str) -> None:
    (event,) = session(by, session_at=NOON + timedelta(days=3)).events
    assert event.attendance == by  # type: ignore[attr-defined]


def definition(**said: Any) -> MeasureDefinition:
    items = [{"item": n, "text": f"Words of {n}", "lowest": 0, "highest": 3} for n in ("enjoying", "soothing")]
    fields: dict[str, Any] = {
        "name": "Closeness",
        "owner": "Attune",
        "licence": "open",
        "about": "dyad",
        "higher_is": "better",
        "lowest": 0,
        "highest": 6,
        "items": items,
    }
    return MeasureDefinition.model_validate({**fields, **said})


CLOSENESS = Measure("closeness/1", definition(), LONG_AGO, "attune")
TOTAL_ONLY = Measure("closeness/1", definition(items=[], lowest=1, highest=27), LONG_AGO, "attune")
ANSWERS = {"enjoying": 3, "soothing": 0}


def measured(*, by: Measure | None = CLOSENESS, of: Any = UNDER_WAY, found: Any = CASE, **said: Any) -> Then:
    fields: dict[str, Any] = {
        "consultation_id": some_id("case a"),
        "measure": "closeness",
        "measure_version": 1,
        "point": "start",
        "measured_at": NOON,
        "answers": ANSWERS,
    }
    return (
        given(AtMeasuring(found, of, by)).by(some_id("ann")).when(measuring.record, RecordMeasure(**{**fields, **said}))
    )


def test_answers_are_added_up_and_the_event_says_only_that_it_was_measured() -> None:
    then = measured()
    then.then(
        MeasureRecorded(
            consultation_id=some_id("case a"),
            child_id=some_id("child a"),
            team_id=TEAM,
            recorded_by=some_id("ann"),
            instrument="closeness",
            instrument_version=1,
            point="start",
            measured_at=NOON,
        )
    )
    after, kept = then.then_decided().rows
    assert (kept.total, kept.answers, kept.point) == (3, ANSWERS, "start")
    measured(of=after).then_refused(MeasureTakenBefore, field="point")
    measured(of=after, point="middle").then_decided()


@pytest.mark.parametrize("answers", [{"enjoying": 0, "soothing": 0}, {"enjoying": 3, "soothing": 3}])
def test_the_ends_of_each_range_are_in_it(answers: dict[str, int]) -> None:
    measured(answers=answers).then_decided()


@pytest.mark.parametrize("total", [1, 27])
def test_a_measure_without_items_takes_a_total_within_its_range(total: int) -> None:
    assert measured(by=TOTAL_ONLY, answers={}, total=total).then_decided().rows[1].total == total


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"found": None}, UnknownConsultation),
        ({"of": None}, NoDirectWork),
        ({"of": work("a", status="waits"), "point": "middle"}, NoDirectWork),
        ({"by": None}, UnknownMeasure),
        ({"measured_at": NOON + SECOND}, MeasuredInTheFuture),
        ({"answers": {"enjoying": 3}}, AnswersDoNotFit),
        ({"answers": {"enjoying": 4, "soothing": 0}}, AnswersDoNotFit),
        ({"answers": ANSWERS | {"playing": 1}}, AnswersDoNotFit),
        ({"total": 3}, TotalDoesNotFit),
        ({"by": TOTAL_ONLY, "total": 3}, AnswersDoNotFit),
        ({"by": TOTAL_ONLY, "answers": {}}, TotalDoesNotFit),
        ({"by": TOTAL_ONLY, "answers": {}, "total": 0}, TotalDoesNotFit),
        ({"by": TOTAL_ONLY, "answers": {}, "total": 28}, TotalDoesNotFit),
    ],
)
def test_what_does_not_fit_the_definition_is_refused(said: dict[str, Any], rule: Any) -> None:
    measured(**said).then_refused(rule)


@pytest.mark.parametrize("status", ["waits", "under_way", "ended"])
def test_the_start_may_be_measured_before_it_begins_and_the_end_after_it_ended(status: str) -> None:
    point = {"waits": "start", "under_way": "middle", "ended": "end"}[status]
    measured(of=work("a", status=status), point=point).then_decided()


@pytest.mark.parametrize(
    ("attended", "status", "points"),
    [
        (0, "under_way", ()),
        (1, "under_way", ("start",)),
        (2, "under_way", ("start",)),
        (3, "under_way", ("start", "middle")),
        (5, "under_way", ("start", "middle")),
        (6, "under_way", ("start", "middle", "end")),
        (0, "ended", ("start", "end")),
    ],
)
def test_measures_are_missing_from_the_first_session_half_way_and_at_the_end(
    attended: int, status: str, points: tuple[str, ...]
) -> None:
    of = work("a", attended=attended, status=status)
    assert tuple(t.point for t in owed(of)) == points
    assert not owed(replace(of, taken=tuple(Taken("closeness/1", p) for p in points)))


def taken(point: str, total: int) -> Measurement:
    id_ = some_id(point)
    return Measurement(id_, id_, 1, "closeness/1", point, total, {}, NOON, id_, NOON)  # type: ignore[arg-type]


@pytest.mark.parametrize(("higher_is", "better_by"), [("better", 2), ("worse", -2)])
def test_a_change_is_from_the_start_to_the_end_in_the_direction_of_the_measure(higher_is: str, better_by: int) -> None:
    by = {"closeness/1": definition(higher_is=higher_is)}
    (change,) = changes([taken("start", 1), taken("middle", 6), taken("end", 3)], by)
    assert (change.start, change.end, change.better_by) == (1, 3, better_by)
    assert changes([taken("start", 1)], by) == ()


def test_words_that_are_not_free_are_never_shown_again() -> None:
    licensed = replace(CLOSENESS, definition=definition(licence="permission_required"))
    assert [i.text for i in shown(licensed).items] == [None, None]
    assert shown(CLOSENESS) == CLOSENESS.definition


def test_a_version_never_changes_once_it_is_loaded() -> None:
    load = LoadMeasure(measure="closeness", measure_version=1, definition=definition())
    row = given(None).by(some_id("op")).when(catalogue.load_measure, load).row
    assert (row.reference, row.definition) == ("closeness/1", definition())
    given(row).when(catalogue.load_measure, load).then_nothing()
    other = load.model_copy(update={"definition": definition(name="Other")})
    given(row).when(catalogue.load_measure, other).then_refused(MeasureVersionChanged)
    entry = intervention()
    command = LoadIntervention(intervention="watching_together", intervention_version=1, definition=entry.definition)
    assert given(None).when(catalogue.load_intervention, command).row.definition == entry.definition
    given(entry).when(catalogue.load_intervention, command).then_nothing()
    heavier = command.model_copy(update={"definition": intervention(points=5).definition})
    given(entry).when(catalogue.load_intervention, heavier).then_refused(InterventionVersionChanged)


@pytest.mark.parametrize(
    "said",
    [
        {"highest": 5},
        {"lowest": 6},
        {"items": [{"item": "a", "lowest": 3, "highest": 3}], "lowest": 3, "highest": 4},
        {"items": [{"item": "a", "lowest": 0, "highest": 3}] * 2},
    ],
)
def test_a_measure_that_contradicts_itself_is_not_loaded(said: dict[str, Any]) -> None:
    load = LoadMeasure(measure="closeness", measure_version=1, definition=definition(**said))
    given(None).when(catalogue.load_measure, load).then_refused(DefinitionInconsistent)
