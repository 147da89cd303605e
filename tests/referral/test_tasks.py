"""Tasks have an owner and a time, are delegated, escalated once, and done; what did not happen raises them, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attune_contracts.event import Event
from attune_contracts.notification import BookletMissed, MessageDoubtful, MessageFailed, MessageSuppressed
from attune_contracts.referral import TaskDone, TaskHandedOver, TaskRaised
from attune_contracts.screening import ConsultationOverdueForConcern, ScreeningMissed
from attune_contracts.workforce import CompetenceExpired
from chassis.decision import Cause, Due
from chassis.working_days import ENGLAND
from services.referral.domain import failsafes, tasks
from services.referral.domain.clocks import Born
from services.referral.domain.commands import DelegateTask, FinishTask, RaiseTask
from services.referral.domain.course_refusals import DueInThePast, TaskAlreadyDone, UnknownTask
from services.referral.domain.failsafes import AboutMessage, AboutMissed, PoolAndTask
from services.referral.domain.pool import COMPETENCE
from services.referral.domain.worklist import worklist
from tests.referral.builders import TEAM, held, waiting
from tests.referral.courses import ANN, ASKER, LEAD, child, course, held_once
from tests.support.given import NOON, Then, given, some_id

A_MOMENT = timedelta(microseconds=1)
BEN = some_id("ben")


def raised(**said: Any) -> tasks.Task:
    command = RaiseTask(**{"team_id": TEAM, "note": "Ring her.", "owner_id": ANN, **said})
    row: tasks.Task = given(None).by(LEAD).when(tasks.raise_by_hand, command).row
    return row


def test_a_person_raises_a_task_and_what_is_not_said_is_the_leads_and_due_in_five_working_days() -> None:
    task = raised(owner_id=None)
    assert (task.owner_id, task.kind, task.due_at) == (None, "other", datetime(2026, 3, 10, tzinfo=UTC))
    assert task.next_due_at == task.due_at
    now = RaiseTask(team_id=TEAM, note="At once.", due_at=NOON)
    given(None).by(LEAD).when(tasks.raise_by_hand, now).then_refused(DueInThePast, "due_at")
    soon = RaiseTask(team_id=TEAM, note="At once.", due_at=NOON + A_MOMENT)
    given(None).by(LEAD).when(tasks.raise_by_hand, soon).then_decided()


def test_it_is_done_once_by_whoever_says_so_first() -> None:
    task = raised()
    command = FinishTask(task_id=task.task_id)
    then = given(task).by(BEN).when(tasks.finish, command)
    (event,) = then.events
    assert isinstance(event, TaskDone)
    assert (event.done_by, event.outcome, then.row.next_due_at) == (BEN, "done", None)
    given(then.row).by(ANN).when(tasks.finish, command).then_nothing()
    given(None).by(ANN).when(tasks.finish, command).then_refused(UnknownTask, "task_id")


def test_it_is_delegated_and_keeps_its_time() -> None:
    task = raised()
    command = DelegateTask(task_id=task.task_id, to_owner_id=BEN)
    then = given(task).by(ANN).when(tasks.delegate, command)
    (event,) = then.events
    assert isinstance(event, TaskHandedOver)
    assert (event.from_owner_id, event.to_owner_id, event.reason, event.due_at) == (ANN, BEN, "delegated", task.due_at)
    assert [h.by for h in then.row.handings] == [ANN]
    given(then.row).by(ANN).when(tasks.delegate, command).then_nothing()
    done = given(task).by(ANN).when(tasks.finish, FinishTask(task_id=task.task_id)).row
    given(done).by(ANN).when(tasks.delegate, command).then_refused(TaskAlreadyDone)


def escalated(task: tasks.Task, at: datetime) -> Then:
    return given(tasks.AtTask(task, None)).when(tasks.escalate, Due(task.task_id), at=at)


def test_what_is_not_done_in_time_goes_to_the_leads_once_and_stays_on_their_list() -> None:
    task = raised()
    escalated(task, task.due_at - A_MOMENT).then_nothing()
    then = escalated(task, task.due_at)
    (event,) = then.events
    assert isinstance(event, TaskHandedOver)
    assert (event.from_owner_id, event.to_owner_id, event.reason) == (ANN, None, "escalated")
    late = then.row
    assert late.due_at == datetime(2026, 3, 12, tzinfo=UTC)
    again = escalated(late, late.due_at)
    assert again.events == ()
    assert (again.row.next_due_at, again.row.due_at, again.row.done_at) == (None, late.due_at, None)
    escalated(again.row, late.due_at + timedelta(days=9)).then_nothing()


@pytest.mark.parametrize("waits", [True, False], ids=["it waits", "somebody has it"])
def test_a_case_that_nobody_took_is_no_task_any_more_once_somebody_has_it(waits: bool) -> None:
    of = waiting("a") if waits else held("a", by="ben")
    task = tasks.about_case(of, "nobody_takes_case", "x", Cause(some_id("cause"), NOON)).task
    then = given(tasks.AtTask(task, of)).when(tasks.escalate, Due(task.task_id), at=task.due_at)
    (event,) = then.events
    if waits:
        assert isinstance(event, TaskHandedOver)
    else:
        assert isinstance(event, TaskDone)
        assert (event.outcome, then.row.next_due_at) == ("no_longer_needed", None)


def test_a_case_that_nobody_takes_is_looked_at_until_somebody_has_it_also_after_the_leads_have_it() -> None:
    of = waiting("a")
    task = tasks.about_case(of, "nobody_takes_case", "x", Cause(some_id("cause"), NOON)).task
    late = given(tasks.AtTask(task, of)).when(tasks.escalate, Due(task.task_id), at=task.due_at).row
    then = given(tasks.AtTask(late, of)).when(tasks.escalate, Due(task.task_id), at=late.due_at)
    again = then.then(rows=(replace(late, next_due_at=datetime(2026, 3, 10, tzinfo=UTC)),)).rows[0]
    assert (again.due_at, again.escalated) == (late.due_at, True)
    somebody_has_it = tasks.AtTask(again, held("a", by="ben"))
    taken = given(somebody_has_it).when(tasks.escalate, Due(task.task_id), at=again.next_due_at)
    (event,) = taken.events
    assert isinstance(event, TaskDone)
    assert (event.outcome, taken.row.next_due_at) == ("no_longer_needed", None)


ABOUT = {
    "message_id": some_id("message"),
    "about_id": some_id("case a"),
    "child_id": some_id("child a"),
    "recipient_id": some_id("mother"),
    "kind": "case_assigned",
    "attempt": 1,
}
FAILED = MessageFailed(**ABOUT, recipient_kind="caregiver", channel="email", reason="smtp_550", failed_at=NOON)
UNTOLD = MessageSuppressed(
    **ABOUT, recipient_kind="practitioner", reason="recipient_left", suppressed_at=NOON, team_id=None
)
DOUBTFUL = MessageDoubtful(**ABOUT, recipient_kind="caregiver", channel="email", reason="cut", noticed_at=NOON)
NOTHING_KNOWN = AboutMessage(None, None, None, None, (), ())
NOTHING_MISSED = AboutMissed(None, None, None, None)


def not_told(event: Any, about: AboutMessage = NOTHING_KNOWN) -> Then:
    rule = failsafes.message_doubtful if isinstance(event, MessageDoubtful) else failsafes.message_not_told
    return given(about).when(rule, event)


def task_of(then: Then) -> tuple[Any, ...]:
    (event,) = then.events
    assert isinstance(event, TaskRaised)
    return event.kind, event.owner_id, event.team_id


def test_a_caregiver_who_is_not_reached_is_the_task_of_who_knows_the_family() -> None:
    assert task_of(not_told(FAILED)) == ("contact_caregiver", None, None)
    known = replace(NOTHING_KNOWN, case=held("a", by="ann"), child=child())
    assert task_of(not_told(FAILED, known)) == ("contact_caregiver", ASKER, TEAM)
    named = FAILED.model_copy(update={"health_visitor_id": BEN, "team_id": some_id("other team")})
    assert task_of(not_told(named, known)) == ("contact_caregiver", BEN, some_id("other team"))
    assert task_of(not_told(UNTOLD, known)) == ("tell_practitioner", None, TEAM)
    assert task_of(not_told(DOUBTFUL, known)) == ("doubtful_message", None, TEAM)


def test_what_may_not_have_reached_a_professional_is_told_by_the_leads_once_whether_it_failed_or_not() -> None:
    doubtful = DOUBTFUL.model_copy(update={"recipient_kind": "safeguarding_lead"})
    then = not_told(doubtful, replace(NOTHING_KNOWN, child=child(gone="child_died")))
    assert task_of(then) == ("tell_practitioner", None, TEAM)
    failed = FAILED.model_copy(update={"recipient_kind": "safeguarding_lead"})
    not_told(failed, replace(NOTHING_KNOWN, to_do=(then.row,))).then_nothing()


def test_two_people_who_were_not_told_of_the_same_are_two_tasks() -> None:
    known = replace(NOTHING_KNOWN, case=held("a", by="ann"))
    to_requester = UNTOLD.model_copy(update={"recipient_id": ASKER})
    to_practitioner = UNTOLD.model_copy(update={"recipient_id": ANN, "message_id": some_id("other message")})
    first = not_told(to_requester, known).row
    second = not_told(to_practitioner, replace(known, to_do=(first,))).row
    assert (first.recipient_id, second.recipient_id) == (ASKER, ANN)
    both = replace(known, to_do=(first, second))
    not_told(to_requester, both).then_nothing()
    not_told(to_practitioner, both).then_nothing()


def test_one_message_makes_one_task_and_no_message_about_a_task_makes_another() -> None:
    task = not_told(FAILED).row
    for about in (
        replace(NOTHING_KNOWN, subject=task),
        replace(NOTHING_KNOWN, to_do=(task,)),
    ):
        not_told(FAILED, about).then_nothing()
    assert task_of(not_told(FAILED, replace(NOTHING_KNOWN, to_do=(replace(task, done_at=NOON),))))


def test_a_message_that_ends_badly_once_more_is_a_task_once_more() -> None:
    ids = [given(NOTHING_KNOWN).when(failsafes.message_not_told, FAILED, cause_id=some_id(n)).row for n in "ab"]
    assert len({task.task_id for task in ids}) == 2


SUPPRESSED = UNTOLD.model_copy(update={"recipient_kind": "caregiver"})
LOST = pytest.mark.parametrize("gone", ["pregnancy_ended", "stillborn", "child_died", "record_sealed"])


@pytest.mark.parametrize("reason", ["pregnancy_ended", "stillborn", "child_died", "child_adopted"])
def test_after_a_loss_nobody_is_asked_to_reach_the_caregiver(reason: Any) -> None:
    not_told(SUPPRESSED.model_copy(update={"reason": reason})).then_nothing()


@LOST
@pytest.mark.parametrize("event", [FAILED, SUPPRESSED, DOUBTFUL], ids=lambda e: type(e).__name__)
def test_a_message_to_the_caregiver_of_a_child_that_is_gone_is_nobody_s_task(event: Any, gone: Any) -> None:
    not_told(event, replace(NOTHING_KNOWN, child=child(gone=gone))).then_nothing()
    merged = child(gone="merged", merged_into=some_id("child b"))
    not_told(event, replace(NOTHING_KNOWN, child=merged, into=child("b", gone=gone))).then_nothing()
    there = not_told(event, replace(NOTHING_KNOWN, child=merged, into=child("b")))
    assert there.row.child_id == some_id("child b"), "it is settled with the record that stays"
    assert task_of(not_told(event, replace(NOTHING_KNOWN, child=child(gone="moved_away"))))


@pytest.mark.parametrize("reason", ["loss_in_family", "records_merged"])
def test_what_somebody_wanted_to_say_about_a_child_that_lives_is_said_by_the_health_visitor(reason: Any) -> None:
    event = SUPPRESSED.model_copy(update={"reason": reason, "health_visitor_id": BEN})
    assert task_of(not_told(event, replace(NOTHING_KNOWN, child=child()))) == ("contact_caregiver", BEN, TEAM)


@pytest.mark.parametrize(
    ("reason", "to"),
    [("already_given", "caregiver"), ("moved_away", "caregiver"), ("case_moved_on", "practitioner")],
)
def test_what_nobody_has_to_be_told_any_more_is_nobody_s_task(reason: Any, to: Any) -> None:
    not_told(UNTOLD.model_copy(update={"reason": reason, "recipient_kind": to})).then_nothing()


WHO = {"child_id": some_id("child a"), "pregnancy_id": some_id("family a"), "team_id": TEAM}
MISSED: list[tuple[Event, str]] = [
    (ScreeningMissed(**WHO, reason="no_attempt_recorded", age_days=70, closed_at=NOON), "missed_screening"),
    (BookletMissed(**WHO, health_visitor_id=BEN, due_by=NOON, missed_at=NOON), "missed_booklet"),
    (
        ConsultationOverdueForConcern(
            **WHO, screening_id=some_id("s"), outcome="concern", screened_at=NOON, due_at=NOON
        ),
        "concern_without_consultation",
    ),
]


@pytest.mark.parametrize(("event", "kind"), MISSED, ids=[kind for _, kind in MISSED])
def test_what_was_missed_is_somebodys_task_once(event: Any, kind: str) -> None:
    then = given(NOTHING_MISSED).when(failsafes.missed, event)
    assert task_of(then) == (kind, BEN if kind == "missed_booklet" else None, TEAM)
    assert then.row.task_id == failsafes.task_of_missed(event)
    given(replace(NOTHING_MISSED, known=then.row)).when(failsafes.missed, event).then_nothing()
    given(replace(NOTHING_MISSED, case=held("a", by="ann"))).when(failsafes.missed, event).then_nothing()


@LOST
@pytest.mark.parametrize(("event", "kind"), MISSED, ids=[kind for _, kind in MISSED])
def test_nobody_is_sent_to_look_for_a_child_that_is_gone(event: Any, kind: str, gone: Any) -> None:
    """The loss is told on another topic, and may be heard of first."""
    given(replace(NOTHING_MISSED, child=child(gone=gone))).when(failsafes.missed, event).then_nothing()
    merged = replace(NOTHING_MISSED, child=child(gone="merged", merged_into=some_id("child b")))
    given(replace(merged, into=child("b", gone=gone))).when(failsafes.missed, event).then_nothing()
    then = given(replace(merged, into=child("b"))).when(failsafes.missed, event)
    assert (then.row.kind, then.row.child_id) == (kind, some_id("child b"))
    away = given(replace(NOTHING_MISSED, child=child(gone="moved_away"))).when(failsafes.missed, event)
    assert away.row.kind == kind


def test_a_lapsed_certificate_is_a_task_beside_what_the_pool_does() -> None:
    event = CompetenceExpired(
        practitioner_id=ANN, team_id=TEAM, competence=COMPETENCE, valid_until=NOON, expired_at=NOON
    )
    then = given(PoolAndTask(None, None)).when(failsafes.competence_expired, event)
    assert task_of(then) == ("lapsed_certificate", None, TEAM)
    (task,) = [r for r in then.then_decided().rows if isinstance(r, tasks.Task)]
    given(PoolAndTask(None, task)).when(failsafes.competence_expired, event).then_nothing()


def test_a_worklist_is_in_the_order_in_which_things_breach() -> None:
    soon = replace(raised(), due_at=datetime(2026, 3, 4, 9, tzinfo=UTC))
    repeated = course(
        held("b", by="ann", acknowledged_at=NOON, acknowledged_by=ANN),
        holdings=(held_once("repeat"),),
    )
    listed = [
        {n: getattr(t, n) for n in ("task_id", "kind", "about_id", "consultation_id", "child_id", "note", "due_at",
                                    "escalated")}
        for t in (raised(), soon)
    ]  # fmt: skip
    at = datetime(2026, 3, 4, 8, tzinfo=UTC)
    items = worklist([course(), repeated], listed, at, ENGLAND, 100)
    assert [i["due_at"] for i in items] == sorted(i["due_at"] for i in items if i["due_at"])
    assert [(i["item"], i["what"], i["stands"]) for i in items[:3]] == [
        ("task", "other", "running"),
        ("clock", "acknowledged", "due_soon"),
        ("task", "other", "running"),
    ]
    assert worklist([course()], listed, at, ENGLAND, 1) == items[:1]
    aged = course(child=Born(some_id("case a"), datetime(2020, 1, 1, tzinfo=UTC), None))
    assert worklist([aged], [], at, ENGLAND, 10)[0]["what"] == "second_birthday"
