"""The booklet: due, given, sent, missed after the fourteenth day, stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attune_contracts.screening import BirthCorrected, ChildMoved
from chassis.decision import Due
from services.notification.domain import booklet, caregiver, delivery, family, receipt, repair
from services.notification.domain.commands import GiveBooklet, SendBooklet, SetFamilyContact, SettleDoubt, TakeReceipt
from services.notification.domain.delivery import AtResult
from services.notification.domain.family import Child, Waiting, timed
from services.notification.domain.receipt import AtReceipt
from services.notification.domain.refusals import BookletStopped, GivenInTheFuture, NoCaregiverKnown, UnknownFamily
from tests.notification.examples import CHILD, TEAM, VISITOR, a_report, after, being_sent
from tests.notification.test_families import FATHER, MOTHER, PREGNANCY, TWIN, a_family
from tests.support.given import NOON, given

RING = Due(PREGNANCY)
BORN = a_family(Child(CHILD, NOON), Child(TWIN, NOON))
SEND_AT, DUE_BY = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 17, tzinfo=UTC)
GIVE = GiveBooklet(pregnancy_id=PREGNANCY, given_by=VISITOR, language="pl", given_at=NOON)
BEFORE = timedelta(microseconds=1)


def test_it_is_given_for_every_child_once() -> None:
    then = given(Waiting(BORN)).when(booklet.give, GIVE)
    assert [(e.child_id, e.given_by, e.how, e.language, e.team_id) for e in then.events] == [
        (child, VISITOR, "in_person", "pl", TEAM) for child in (CHILD, TWIN)
    ]
    row = then.row
    assert (row.booklet, row.next_due_at, row.given_at) == ("given", None, NOON)
    again = given(Waiting(row)).when(booklet.give, GIVE.model_copy(update={"how": "post"})).then_decided()
    assert (again.rows, again.told, again.reply["booklet"]) == ((), (), "given")
    given(row).when(booklet.clock, RING, at=DUE_BY).then_nothing()


def test_it_is_given_antenatally_too() -> None:
    assert given(Waiting(a_family())).when(booklet.give, GIVE).row.booklet == "given"


@pytest.mark.parametrize(
    ("family", "command", "refusal"),
    [
        (None, GIVE, UnknownFamily),
        (replace(BORN, children=()), GIVE, UnknownFamily),
        (replace(BORN, booklet="stopped"), GIVE, BookletStopped),
        (BORN, GIVE.model_copy(update={"given_at": after(seconds=1)}), GivenInTheFuture),
    ],
)
def test_what_cannot_be_given_is_refused(family: Any, command: GiveBooklet, refusal: Any) -> None:
    given(Waiting(family)).when(booklet.give, command).then_refused(refusal)


def test_it_is_sent_to_each_caregiver_alone() -> None:
    now, *messages = given(Waiting(BORN)).when(booklet.send, SendBooklet(pregnancy_id=PREGNANCY)).then().rows
    assert [(m.recipient_id, m.kind, m.recipient_kind, m.status) for m in messages] == [
        (who, "booklet", "caregiver", "pending") for who in (MOTHER, FATHER)
    ]
    assert (now.booklet, now.booklet_sent_at, now.next_due_at) == ("due", NOON, DUE_BY)
    nobody = replace(BORN, caregivers=())
    given(Waiting(nobody)).when(booklet.send, SendBooklet(pregnancy_id=PREGNANCY)).then_refused(NoCaregiverKnown)


@pytest.mark.parametrize(
    ("channel", "how"), [("email", "email"), ("text", "text"), ("letter", "post"), ("file", "email")]
)
def test_it_is_given_when_the_first_message_with_it_has_left(channel: str, how: str) -> None:
    message = being_sent(channel, kind="booklet", about_id=PREGNANCY, recipient_kind="caregiver", recipient_id=MOTHER)
    state = AtResult(message, BORN)
    decision = given(state).when(delivery.record, a_report(language="ro")).then_decided()
    assert [type(e).__name__ for e in decision.told] == ["MessageSent", "BookletGiven", "BookletGiven"]
    _, row = decision.rows
    assert (row.booklet, row.given_how, row.given_by, row.given_language) == ("given", how, None, "ro")
    second = given(AtResult(message, row)).when(delivery.record, a_report()).then_decided()
    assert [type(e).__name__ for e in second.told] == ["MessageSent"]


def test_it_is_given_too_where_its_arrival_is_found_out() -> None:
    message = being_sent("letter", kind="booklet", about_id=PREGNANCY, recipient_kind="caregiver", recipient_id=MOTHER)
    doubtful = replace(message, status="doubtful", next_due_at=None)
    asked = SettleDoubt(message_id=message.message_id, arrived=True)
    by_person = given(AtResult(doubtful, BORN)).by(VISITOR).when(repair.settle_doubt, asked).then_decided()
    assert [type(e).__name__ for e in by_person.told] == ["MessageDelivered", "BookletGiven", "BookletGiven"]
    assert [row.booklet for row in by_person.rows[1:]] == ["given"]
    receipt_ = TakeReceipt(id=CHILD, reference=str(message.message_id), status="delivered")
    by_receipt = given(AtReceipt(message, None, None, BORN)).when(receipt.take, receipt_).then_decided()
    assert [type(e).__name__ for e in by_receipt.told] == ["MessageDelivered", "BookletGiven", "BookletGiven"]


def test_nobody_gave_it_it_is_sent_and_then_missed() -> None:
    assert BORN.next_due_at == SEND_AT
    given(BORN).when(booklet.clock, RING, at=SEND_AT - BEFORE).then_nothing()
    sent, *messages = given(BORN).when(booklet.clock, RING, at=SEND_AT).then().rows
    assert len(messages) == 2
    given(sent).when(booklet.clock, RING, at=DUE_BY - BEFORE).then_nothing()
    then = given(sent).when(booklet.clock, RING, at=DUE_BY)
    assert [(e.child_id, e.health_visitor_id, e.due_by, e.missed_at) for e in then.events] == [
        (child, VISITOR, DUE_BY, DUE_BY) for child in (CHILD, TWIN)
    ]
    assert (then.row.booklet, then.row.next_due_at) == ("missed", None)
    late = given(Waiting(then.row)).when(booklet.give, GIVE.model_copy(update={"given_at": NOON}), at=DUE_BY)
    assert (late.row.booklet, len(late.events)) == ("given", 2)


def on_its_way() -> Waiting:
    now, *messages = given(Waiting(BORN)).when(booklet.send, SendBooklet(pregnancy_id=PREGNANCY)).then().rows
    return Waiting(now, tuple(messages))


def test_what_is_on_its_way_already_is_not_sent_twice() -> None:
    at = on_its_way()
    again = given(at).when(booklet.send, SendBooklet(pregnancy_id=PREGNANCY)).then_decided()
    assert (again.rows, again.reply["messages"]) == ((), [m.message_id for m in at.messages])


def test_what_waits_to_bring_it_stays_when_somebody_has_given_it() -> None:
    at = on_its_way()
    call = replace(at.messages[0], message_id=CHILD, kind="please_call")
    then = given(replace(at, messages=(*at.messages, call))).when(booklet.give, GIVE).then_decided()
    now, *stay = then.rows
    assert now.booklet == "given"
    assert [(m.message_id, m.status, m.reason) for m in stay] == [
        (m.message_id, "suppressed", "already_given") for m in at.messages
    ]
    assert [type(e).__name__ for e in then.told] == ["BookletGiven"] * 2 + ["MessageSuppressed"] * 2


def test_what_waits_to_bring_it_stays_when_the_family_moves_away_and_is_sent_when_it_is_back() -> None:
    one = replace(BORN, children=(Child(CHILD, NOON),))
    at = replace(on_its_way(), family=replace(one, booklet_sent_at=NOON))
    about = {"child_id": CHILD, "pregnancy_id": PREGNANCY, "team_id": TEAM, "moved_at": NOON}
    away, *stay = given(at).when(booklet.moved, ChildMoved(**about, to_team_id=None)).then_decided().rows
    assert [(m.status, m.reason) for m in stay] == [("suppressed", "moved_away")] * 2
    assert (away.booklet, away.next_due_at, away.booklet_sent_at) == ("stopped", None, None)
    back = given(Waiting(away)).when(booklet.moved, ChildMoved(**about, to_team_id=TEAM)).row
    assert (back.booklet, back.next_due_at) == ("due", SEND_AT)
    to_another = given(at).when(booklet.moved, ChildMoved(**about, to_team_id=VISITOR)).then().rows
    assert [row.team_id for row in to_another] == [VISITOR]


def test_nobody_can_be_sent_it_before_a_caregiver_is_known() -> None:
    nobody = timed(replace(BORN, caregivers=()))
    assert nobody.next_due_at == DUE_BY
    known = SetFamilyContact(pregnancy_id=PREGNANCY, caregivers=(MOTHER,), health_visitor_id=VISITOR)
    assert given(nobody).by(VISITOR).when(caregiver.set_contact, known, at=DUE_BY - BEFORE).row.next_due_at == SEND_AT


def test_missed_by_a_day_that_was_wrong_it_is_due_again() -> None:
    missed = given(BORN).when(booklet.clock, RING, at=DUE_BY).row
    at = DUE_BY + timedelta(hours=1)

    def born_days_ago(days: int) -> Any:
        event = BirthCorrected(child_id=CHILD, pregnancy_id=PREGNANCY, team_id=TEAM, age_days=days, recorded_at=at)
        one = replace(missed, children=(Child(CHILD, NOON),))
        return given(one).when(family.corrected, event, at=at).then_decided().rows

    assert born_days_ago(2)[0].booklet == "due"
    assert born_days_ago(2)[0].booklet_due_by > at
    assert born_days_ago(14)[0].booklet == "due"
    assert [row.booklet for row in born_days_ago(15)] in ([], ["missed"])


def test_a_clock_that_rings_after_the_whole_time_tells_that_it_is_missed() -> None:
    assert given(BORN).when(booklet.clock, RING, at=DUE_BY).row.booklet == "missed"


def test_a_loss_in_the_family_leaves_it_due_for_the_living() -> None:
    half = timed(replace(BORN, children=(Child(CHILD, NOON, "child_died", NOON), Child(TWIN, NOON))))
    then = given(replace(half, booklet_sent_at=NOON)).when(booklet.clock, RING, at=DUE_BY)
    assert [e.child_id for e in then.events] == [TWIN]
