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
NOTHING_KNOWN = AboutMessage(None, None, None, (), ())


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


@pytest.mark.parametrize("reason", sorted({"pregnancy_ended", "stillborn", "child_died", "loss_in_family"}))
def test_after_a_loss_nobody_is_asked_to_reach_the_caregiver(reason: Any) -> None:
    event = UNTOLD.model_copy(update={"recipient_kind": "caregiver", "reason": reason})
    not_told(event).then_nothing()
    not_told(FAILED, replace(NOTHING_KNOWN, child=child(gone="child_died"))).then_nothing()
    assert task_of(not_told(FAILED, replace(NOTHING_KNOWN, child=child(gone="moved_away"))))


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
    then = given(AboutMissed(None, None)).when(failsafes.missed, event)
    assert task_of(then) == (kind, BEN if kind == "missed_booklet" else None, TEAM)
    assert then.row.task_id == failsafes.task_of_missed(event)
    given(AboutMissed(then.row, None)).when(failsafes.missed, event).then_nothing()
    given(AboutMissed(None, held("a", by="ann"))).when(failsafes.missed, event).then_nothing()


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
