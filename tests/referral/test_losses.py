"""What happens to a child: clocks stop at once, what only waits ends, and people are told by a task."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from attune_contracts.event import Event
from attune_contracts.notification import MessageDoubtful
from attune_contracts.referral import CaseClosed, TaskDone, TaskRaised
from attune_contracts.screening import (
    BirthCorrected,
    BirthRecorded,
    ChildAdopted,
    ChildDied,
    ChildMoved,
    PregnancyEnded,
    RecordsMerged,
)
from chassis.decision import Cause
from chassis.working_days import start_of
from services.referral.domain import failsafes, losses, tasks
from services.referral.domain.children import Child
from services.referral.domain.clocks import Born, Course
from services.referral.domain.consultation import Consultation
from services.referral.domain.failsafes import AboutMessage
from services.referral.domain.losses import AboutChild, AboutTwo
from services.referral.domain.progress import Progress, begun
from tests.referral.builders import TEAM, case, held, waiting
from tests.referral.courses import ANN, ASKER, child, looked
from tests.support.given import NOON, Then, given, some_id

OTHER_TEAM = some_id("team elsewhere")
WHO = {"child_id": some_id("child a"), "pregnancy_id": some_id("family a")}
HERE = WHO | {"team_id": TEAM}

ENDED = PregnancyEnded(**HERE, reason="loss", ended_at=NOON)
STILL = BirthRecorded(**HERE, birth="still", children_born=1, age_days=0, recorded_at=NOON)
BORN = BirthRecorded(**HERE, birth="live", children_born=1, age_days=3, recorded_at=NOON)
DIED = ChildDied(**HERE, age_days=40, recorded_at=NOON)
ADOPTED = ChildAdopted(**HERE, recorded_at=NOON)
AWAY = ChildMoved(**HERE, to_team_id=None, moved_at=NOON)
MOVED = ChildMoved(**HERE, to_team_id=OTHER_TEAM, moved_at=NOON)
MERGED = RecordsMerged(**HERE, into_child_id=some_id("the other record"), merged_at=NOON)

RULES: dict[type[Event], Any] = {
    PregnancyEnded: losses.pregnancy_ended,
    BirthRecorded: losses.birth_recorded,
    BirthCorrected: losses.birth_corrected,
    ChildDied: losses.child_died,
    ChildAdopted: losses.child_adopted,
    ChildMoved: losses.child_moved,
}
LOSSES = pytest.mark.parametrize(
    ("event", "gone", "kind"),
    [
        (ENDED, "pregnancy_ended", "loss"),
        (STILL, "stillborn", "loss"),
        (DIED, "child_died", "loss"),
        (ADOPTED, "record_sealed", "loss"),
        (AWAY, "moved_away", "moved_family"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)


BACK = ChildMoved(**WHO, team_id=None, to_team_id=OTHER_TEAM, moved_at=NOON)


def about(
    *cases: Consultation, known: Child | None = None, courses: Any = (), to_do: Any = (), looked_for: Any = ()
) -> AboutChild:
    return AboutChild(known, cases, tuple(courses), tuple(to_do), tuple(looked_for))


def to_do(kind: Any, name: str = "x", about_id: str = "m") -> tasks.Task:
    cause = Cause(some_id(name), NOON)
    return tasks.raised(kind, some_id(about_id), cause, team_id=TEAM, child_id=some_id("child a")).task


def heard(state: AboutChild, event: Event, number: int = 1) -> Then:
    return given(state).when(RULES[type(event)], event, cause_id=some_id(f"event {number}"))


def rows(then: Then, kind: type) -> list[Any]:
    return [r for r in then.then_decided().rows if isinstance(r, kind)]


@LOSSES
def test_who_has_the_case_decides_how_it_ends_and_its_clocks_stop_at_once(event: Event, gone: str, kind: str) -> None:
    mine = held("a", by="ann")
    then = heard(about(mine), event)
    (raised,) = then.events
    assert isinstance(raised, TaskRaised)
    assert (raised.kind, raised.owner_id, raised.about_id) == (kind, ANN, mine.consultation_id)
    assert rows(then, Consultation) == []
    (progress,) = rows(then, Progress)
    assert (progress.stopped, progress.next_due_at) == (gone, None)
    assert rows(then, Child)[0].gone == gone
    later = looked(Course(mine, progress, None, None), NOON + timedelta(days=400))
    assert later.events == ()


@LOSSES
def test_what_only_waits_ends_and_whoever_asked_has_the_task(event: Event, gone: str, kind: str) -> None:
    requested = case(
        "b", child_id=some_id("child a"), status="requested", unsettled=False, waiting_since=None, place=None
    )
    then = heard(about(waiting("a"), requested), event)
    assert [e.kind for e in then.events if isinstance(e, TaskRaised)] == [kind, kind]
    assert {e.owner_id for e in then.events if isinstance(e, TaskRaised)} == {ASKER}
    assert [e.reason for e in then.events if isinstance(e, CaseClosed)] == [losses.END[gone]] * 2  # type: ignore[index]
    for over in rows(then, Consultation):
        assert (over.status, over.ended_by, over.place, over.unsettled) == ("closed", None, None, True)
    assert then.then_decided().due == (TEAM, TEAM)


@LOSSES
def test_told_again_it_changes_nothing(event: Event, gone: Any, kind: str) -> None:
    heard(about(held("a", by="ann"), known=child(gone=gone)), event, 2).then_nothing()


@pytest.mark.parametrize("gone", ["pregnancy_ended", "stillborn", "child_died", "record_sealed", "merged"])
def test_who_is_lost_does_not_come_back_by_moving(gone: Any) -> None:
    """The family goes on living somewhere, and that may be told later."""
    known = child(gone=gone)
    heard(about(held("a", by="ann"), known=known), AWAY).then_nothing()
    back = heard(about(held("a", by="ann"), known=known), MOVED, 2)
    assert [c.gone for c in rows(back, Child)] == [gone]


@pytest.mark.parametrize(("kind", "settled"), [("overdue_clock", True), ("tell_practitioner", False), ("other", False)])
@pytest.mark.parametrize("event", [DIED, AWAY])
def test_what_people_have_to_tell_each_other_is_still_to_be_done(kind: Any, settled: bool, event: Event) -> None:
    to_do = tasks.raised(kind, some_id("m"), Cause(some_id("x"), NOON), team_id=TEAM, child_id=some_id("child a")).task
    then = heard(about(to_do=(to_do,)), event)
    assert [e.task_id for e in then.events if isinstance(e, TaskDone)] == [to_do.task_id] * settled


def test_what_ended_before_is_left_alone_and_other_tasks_about_the_child_are_settled() -> None:
    over = held("a", by="ann", status="closed", end_reason="completed", ended_at=NOON)
    to_reach = tasks.raised(
        "contact_caregiver", some_id("m"), Cause(some_id("x"), NOON), team_id=TEAM, child_id=some_id("child a")
    ).task
    guard = tasks.raised(
        "safeguarding", some_id("n"), Cause(some_id("y"), NOON), team_id=TEAM, child_id=some_id("child a")
    ).task
    then = heard(about(over, to_do=(to_reach, guard)), DIED)
    (done,) = then.events
    assert isinstance(done, TaskDone)
    assert (done.kind, done.outcome, done.done_by) == ("contact_caregiver", "no_longer_needed", None)
    assert rows(then, Progress) == []


@pytest.mark.parametrize(("event", "settled"), [("away", False), ("died", True)])
def test_a_concern_that_nobody_took_up_is_still_to_be_passed_on_when_the_family_moves(
    event: str, settled: bool
) -> None:
    cause = Cause(some_id("x"), NOON)
    concern = tasks.raised(
        "concern_without_consultation", some_id("s"), cause, team_id=TEAM, child_id=some_id("child a")
    ).task
    then = heard(about(to_do=(concern,)), {"away": AWAY, "died": DIED}[event])
    assert [e.task_id for e in then.events if isinstance(e, TaskDone)] == [concern.task_id] * settled


def test_a_live_birth_gives_the_age_and_a_correction_another_one() -> None:
    course = begun(held("a", by="ann"))
    then = heard(about(held("a", by="ann"), courses=(course,)), BORN)
    (known,) = rows(then, Child)
    assert known.born_at == start_of((NOON - timedelta(days=3)).date())
    assert [p.next_due_at for p in rows(then, Progress)] == [NOON]
    corrected = heard(about(known=known), BirthCorrected(**HERE, age_days=5, recorded_at=NOON))
    assert corrected.row.born_at == start_of((NOON - timedelta(days=5)).date())


def test_a_correction_sets_no_clock_of_who_is_gone() -> None:
    away = heard(about(held("a", by="ann")), AWAY)
    (stopped,), (gone,) = rows(away, Progress), rows(away, Child)
    state = about(held("a", by="ann"), known=gone, courses=(stopped,))
    corrected = heard(state, BirthCorrected(**HERE, age_days=5, recorded_at=NOON), 2)
    assert rows(corrected, Progress) == [stopped]
    assert rows(corrected, Child)[0].born_at == start_of((NOON - timedelta(days=5)).date())


def test_to_another_team_people_decide_whether_the_case_goes_along() -> None:
    mine, theirs = held("a", by="ann"), held("b", by="zoe", child_id=some_id("child a"), team_id=OTHER_TEAM)
    then = heard(about(mine, theirs, known=child()), MOVED)
    (raised,) = then.events
    assert isinstance(raised, TaskRaised)
    assert (raised.kind, raised.owner_id, raised.about_id) == ("moved_family", ANN, mine.consultation_id)
    assert rows(then, Progress) == rows(then, Consultation) == []
    assert rows(then, Child)[0].team_id == OTHER_TEAM
    heard(about(mine, known=rows(then, Child)[0]), MOVED, 2).then_nothing()


def test_whoever_moves_back_has_clocks_again() -> None:
    away = heard(about(held("a", by="ann")), AWAY)
    (stopped,), (gone,) = rows(away, Progress), rows(away, Child)
    back = heard(about(held("a", by="ann"), known=gone, courses=(stopped,)), MOVED, 2)
    assert rows(back, Child)[0].gone is None
    assert [(p.stopped, p.next_due_at) for p in rows(back, Progress)] == [(None, NOON)]


def test_what_ended_with_the_move_can_go_on_after_the_way_back() -> None:
    away = heard(about(waiting("a")), AWAY)
    (closed,), (stopped,), (gone,) = rows(away, Consultation), rows(away, Progress), rows(away, Child)
    back = heard(about(closed, known=gone, courses=(stopped,)), MOVED, 2)
    assert [(p.stopped, p.next_due_at) for p in rows(back, Progress)] == [(None, None)]


@pytest.mark.parametrize("waits", [True, False], ids=["it only waited", "its practitioner ended it"])
def test_what_ended_with_the_move_is_a_task_of_the_leads_where_the_child_lives_again(waits: bool) -> None:
    of = waiting("a", band=0) if waits else held("a", by="ann", status="closed", end_reason="moved_away", ended_at=NOON)
    away = heard(about(of), AWAY)
    closed = next(iter(rows(away, Consultation)), of)
    other = held("b", by="ann", child_id=some_id("child a"), status="closed", end_reason="completed", ended_at=NOON)
    (gone,) = rows(away, Child)
    before = about(closed, other, known=gone, courses=rows(away, Progress), to_do=rows(away, tasks.Task))
    back = heard(before, BACK, 2)
    (raised,) = back.events
    assert isinstance(raised, TaskRaised)
    assert (raised.kind, raised.about_id, raised.team_id, raised.owner_id) == (
        "moved_family",
        of.consultation_id,
        OTHER_TEAM,
        None,
    )
    (task,) = rows(back, tasks.Task)
    assert (task.consultation_id, task.child_id) == (of.consultation_id, some_id("child a"))
    assert rows(heard(before, BACK, 2), tasks.Task) == [task]
    assert rows(heard(before, BACK, 3), tasks.Task) != [task], "another return is another task"
    (here,) = rows(back, Child)
    heard(replace(before, child=here), BACK, 4).then_nothing()
    assert heard(about(closed, known=child()), MOVED, 5).events == (), "to another team, and it was never away"


def test_a_child_that_was_looked_for_as_it_moved_away_is_looked_for_again_when_it_comes_back() -> None:
    missed = to_do("missed_screening")
    away = heard(about(to_do=(missed,)), AWAY)
    (settled,), (gone,) = rows(away, tasks.Task), rows(away, Child)
    (raised,) = heard(about(known=gone, looked_for=(settled,)), BACK, 2).events
    assert isinstance(raised, TaskRaised)
    assert (raised.kind, raised.about_id, raised.team_id, raised.owner_id) == (
        "missed_screening",
        some_id("child a"),
        OTHER_TEAM,
        None,
    )
    done = replace(settled, outcome="done", done_at=NOON + timedelta(days=1))
    assert heard(about(known=gone, looked_for=(settled, done)), BACK, 2).events == (), "somebody has looked since"
    assert heard(about(known=gone, looked_for=(settled,), to_do=(missed,)), BACK, 2).events == (), "somebody looks"


@pytest.mark.parametrize("gone", ["stillborn", "child_died", "record_sealed", "moved_away", None])
@pytest.mark.parametrize("further", [False, True], ids=["that one stays", "that one ended in a third"])
def test_nobody_is_sent_to_a_family_by_a_record_that_ended_in_that_of_a_lost_child(gone: Any, further: bool) -> None:
    into, end = some_id("the other record"), some_id("child c")
    stays = child("c", gone=gone) if further else child("b", child_id=into, gone=gone)
    known = {"into": child("b", child_id=into, gone="merged", merged_into=end) if further else stays}
    both = (to_do("contact_caregiver", "x"), to_do("tell_practitioner", "y"))
    then = merged(tasks=both, at_its_end=stays if further else None, **known)
    settled = [e.kind for e in then.events if isinstance(e, TaskDone)]
    assert settled == ["contact_caregiver"] * (gone not in ("moved_away", None))
    assert {t.child_id for t in rows(then, tasks.Task)} == {stays.child_id}
    assert [t.done_at is None for t in rows(then, tasks.Task)] == [not settled, True]


@pytest.mark.parametrize("event", [DIED, AWAY, ADOPTED])
def test_the_doubt_whether_the_safeguarding_lead_was_told_outlasts_the_loss(event: Event) -> None:
    doubtful = MessageDoubtful(
        message_id=some_id("message"),
        about_id=some_id("screening a"),
        child_id=some_id("child a"),
        recipient_id=some_id("safeguarding lead"),
        recipient_kind="safeguarding_lead",
        kind="urgent_concern",
        attempt=1,
        channel="email",
        reason="cut",
        noticed_at=NOON,
    )
    task = given(AboutMessage(None, None, None, None, (), ())).when(failsafes.message_doubtful, doubtful).row
    then = heard(about(to_do=(task,)), event)
    assert [e for e in then.events if isinstance(e, TaskDone)] == []


def merged(*cases: Consultation, done: Any = None, **known: Any) -> Then:
    courses = tuple(begun(c) for c in cases) if done is None else done
    beside = {"ending": None, "into": None, "at_its_end": None, "merged_before": (), "tasks": (), "others": ()} | known
    return given(AboutTwo(cases=cases, courses=courses, **beside)).when(losses.records_merged, MERGED)


def test_a_merged_record_leaves_everything_to_the_one_that_stays() -> None:
    into = some_id("the other record")
    mine = held("a", by="ann")
    then = merged(mine)
    assert then.events == ()
    assert [c.child_id for c in rows(then, Consultation)] == [into]
    assert [p.child_id for p in rows(then, Progress)] == [into]
    assert rows(then, Child)[0].gone == "merged"
    merged(mine, ending=child(gone="merged", merged_into=into)).then_nothing()


def test_what_was_merged_into_a_record_that_had_ended_in_another_goes_on_under_that_one() -> None:
    """Mergers of different records may be heard of in any order."""
    end = some_id("the record at the end")
    already = child("b", gone="merged", merged_into=end)
    before = child("c", gone="merged", merged_into=some_id("child a"))
    then = merged(held("a", by="ann"), into=already, merged_before=(before,))
    assert [c.child_id for c in rows(then, Consultation)] == [end]
    assert [p.child_id for p in rows(then, Progress)] == [end]
    assert [c.merged_into for c in rows(then, Child)] == [end, end]
    assert [type(e) for e in then.events] == [TaskRaised], "somebody looks whether there are two consultations now"


def test_the_clocks_of_a_record_that_had_moved_away_run_again_under_the_one_that_lives_here() -> None:
    mine = held("a", by="ann")
    (course,) = rows(merged(mine, done=(replace(begun(mine), stopped="moved_away"),)), Progress)
    assert (course.stopped, course.next_due_at) == (None, NOON)
    (dead,) = rows(merged(mine, done=(replace(begun(mine), stopped="child_died"),)), Progress)
    assert (dead.stopped, dead.next_due_at) == ("child_died", None)


def test_two_open_consultations_about_one_child_are_for_a_person_to_look_at() -> None:
    other = held("b", by="zoe", child_id=some_id("the other record"))
    (raised,) = merged(held("a", by="ann"), others=(other,)).events
    assert isinstance(raised, TaskRaised)
    assert (raised.kind, raised.child_id, raised.owner_id) == ("merged_records", some_id("the other record"), ANN)


@pytest.mark.parametrize("known", [False, True], ids=["nobody has worked with it", "somebody has"])
def test_a_consultation_that_came_after_the_loss_is_somebody_s_to_end_and_starts_no_clocks(known: bool) -> None:
    late = held("a", by="ann")
    before = Course(late, begun(late) if known else None, None, Born(late.consultation_id, None, "child_died"))
    then = looked(before, NOON + timedelta(days=30))
    (raised,) = then.events
    assert isinstance(raised, TaskRaised)
    assert (raised.kind, raised.owner_id) == ("loss", ANN)
    (progress,) = rows(then, Progress)
    assert (progress.stopped, progress.next_due_at) == ("child_died", None)
    looked(replace(before, progress=progress), NOON + timedelta(days=60)).then_nothing()
    goes_on = looked(Course(late, None, None, Born(late.consultation_id, None, "merged")), NOON + timedelta(days=30))
    assert goes_on.events != ()


def test_what_waits_under_the_record_of_a_child_that_is_gone_ends_as_after_the_loss() -> None:
    mine = waiting("a")
    then = merged(mine, done=())
    (moved,), (course,) = rows(then, Consultation), rows(then, Progress)
    assert (course.child_id, course.next_due_at) == (moved.child_id, NOON)
    end = looked(Course(moved, course, None, Born(moved.consultation_id, None, "stillborn")), NOON)
    assert [e.reason for e in end.events if isinstance(e, CaseClosed)] == ["stillborn"]
    assert [e.owner_id for e in end.events if isinstance(e, TaskRaised)] == [ASKER]
    assert end.then_decided().due == (TEAM,)


@pytest.mark.parametrize(("stays", "told"), [("here", ["moved_family"]), ("away", []), ("dead", [])])
def test_what_a_move_ended_is_looked_at_when_the_record_goes_on_in_one_that_lives_here(
    stays: str, told: list[str]
) -> None:
    into = some_id("the other record")
    gone: Any = {"here": None, "away": "moved_away", "dead": "child_died"}[stays]
    ended = replace(held("a", by="ann"), status="closed", end_reason="moved_away")
    then = merged(ended, ending=child(gone="moved_away"), into=child("b", child_id=into, gone=gone))
    assert [(e.kind, e.child_id, e.owner_id) for e in then.events] == [(kind, into, None) for kind in told]
