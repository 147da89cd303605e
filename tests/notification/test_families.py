"""Families: known from a pregnancy or a birth, in any order; what ends for one child and what for all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from attune_contracts.referral import SafeguardingRaised
from attune_contracts.screening import (
    BirthCorrected,
    BirthRecorded,
    ChildAdopted,
    ChildDied,
    ChildMoved,
    PregnancyEnded,
    PregnancyRegistered,
    RecordsMerged,
)
from chassis.decision import Cause, Decision
from services.notification.domain import caregiver, family, losses
from services.notification.domain.commands import AskToCall, SetCaregiver, SetFamilyContact
from services.notification.domain.family import Child, Family, MergedRecord, Merging, Waiting
from services.notification.domain.hours import day_after
from services.notification.domain.message import Message
from services.notification.domain.refusals import (
    FamilyEnded,
    NotACaregiverOfTheFamily,
    RecipientErased,
    RecipientIsStaff,
    UnknownFamily,
)
from tests.notification.examples import CASE, CHILD, OTHER, TEAM, VISITOR, a_message, a_recipient, being_sent
from tests.support.given import NOON, given, some_id

PREGNANCY, TWIN, MOTHER, FATHER = some_id("pregnancy"), some_id("twin"), some_id("mother"), some_id("father")


def about(child: Any = CHILD) -> dict[str, Any]:
    return {"child_id": child, "pregnancy_id": PREGNANCY, "team_id": TEAM}


def registered(child: Any = CHILD) -> PregnancyRegistered:
    return PregnancyRegistered(**about(child), expected_in_days=100, registered_at=NOON)


def born(child: Any = CHILD, birth: Any = "live", age_days: int = 1) -> BirthRecorded:
    return BirthRecorded(**about(child), birth=birth, children_born=1, age_days=age_days, recorded_at=NOON)


ENDS = {
    "pregnancy_ended": (losses.pregnancy_ended, PregnancyEnded(**about(), reason="loss", ended_at=NOON)),
    "stillborn": (losses.born, born(birth="still")),
    "child_died": (losses.child_died, ChildDied(**about(), age_days=3, recorded_at=NOON)),
    "child_adopted": (losses.child_adopted, ChildAdopted(**about(), recorded_at=NOON)),
    "records_merged": (losses.records_merged, RecordsMerged(**about(), into_child_id=OTHER, merged_at=NOON)),
}


def a_family(*children: Child, **changes: Any) -> Family:
    made = Family(
        PREGNANCY,
        some_id("chain"),
        NOON,
        registered=True,
        team_id=TEAM,
        health_visitor_id=VISITOR,
        caregivers=(MOTHER, FATHER),
        children=children or (Child(CHILD),),
    )
    return family.timed(replace(made, **changes))


def to_mother(**changes: Any) -> Message:
    message = a_message(
        kind="booklet", about_id=PREGNANCY, recipient_kind="caregiver", recipient_id=MOTHER, team_id=TEAM
    )
    return replace(message, **changes)


def test_a_family_is_known_by_its_pregnancy_with_every_child() -> None:
    first = given().when(family.registered, registered()).row
    both = given(first).when(family.registered, registered(TWIN)).row
    assert [child.child_id for child in both.children] == [CHILD, TWIN]
    assert (both.team_id, both.booklet, both.next_due_at) == (TEAM, "due", None)
    given(both).when(family.registered, registered(TWIN)).then_nothing()


@pytest.mark.parametrize("order", permutations(range(3)))
def test_the_order_of_what_is_heard_about_twins_does_not_matter(order: tuple[int, ...]) -> None:
    heard = [(family.registered, registered()), (losses.born, born()), (losses.born, born(TWIN, "still"))]
    state: Family | None = None
    for n in order:
        rule, event = heard[n]
        given_state: Any = Waiting(state) if rule is losses.born else state
        rows = rule(given_state, event, Cause(some_id("cause"), NOON)).rows  # type: ignore[operator]
        state = rows[0] if rows else state
    assert state is not None
    assert {(c.child_id, c.ended) for c in state.children} == {(CHILD, None), (TWIN, "stillborn")}
    assert (state.booklet, state.registered) == ("due", True)
    assert state.next_due_at == datetime(2026, 3, 16, tzinfo=UTC)  # no caregiver is known to whom it could be sent


def _stands(reason: str, *state: Any) -> Any:
    return (Merging if reason == "records_merged" else Waiting)(*state)


@pytest.mark.parametrize("reason", ENDS)
def test_an_end_suppresses_everything_that_waits_with_its_reason(reason: str) -> None:
    rule, event = ENDS[reason]
    to_father = to_mother(message_id=some_id("another"), recipient_id=FATHER)
    at = _stands(reason, a_family(), (to_mother(), to_father))
    decision = given(at).when(rule, event).then_decided()
    now, *messages = [row for row in decision.rows if not isinstance(row, MergedRecord)]
    assert [(m.status, m.reason, m.next_due_at) for m in messages] == [("suppressed", reason, None)] * 2
    assert [(e.reason, e.recipient_id, e.health_visitor_id, e.team_id) for e in decision.told] == [
        (reason, who, VISITOR, TEAM) for who in (MOTHER, FATHER)
    ]
    assert (now.booklet, now.next_due_at, now.children[0].ended) == ("stopped", None, reason)


@pytest.mark.parametrize("reason", ENDS)
def test_an_end_that_is_heard_first_or_twice_is_kept_once(reason: str) -> None:
    rule, event = ENDS[reason]
    first, *merged = given(_stands(reason, None)).when(rule, event).then_decided().rows
    assert first.children[0].ended == reason
    given(_stands(reason, first, (), *merged)).when(rule, event, at=NOON + timedelta(hours=1)).then_nothing()
    assert given(first).when(family.registered, registered()).row.booklet == "stopped"


def test_what_may_have_left_before_the_loss_is_doubtful() -> None:
    lost = being_sent("file", kind="booklet", about_id=PREGNANCY, recipient_kind="caregiver")
    from services.notification.domain.message import Attempt

    message = replace(
        lost, status="pending", lease_until=None, history=(Attempt(1, NOON, "file", "unknown", "file_errno_5"),)
    )
    rule, event = ENDS["child_died"]
    decision = given(Waiting(a_family(), (message,))).when(rule, event).then_decided()
    assert decision.rows[1].status == "doubtful"


def test_the_booklet_stays_due_for_a_living_twin() -> None:
    both = a_family(Child(CHILD, NOON), Child(TWIN, NOON))
    rule, event = ENDS["child_died"]
    now = given(Waiting(both)).when(rule, event).row
    assert (now.booklet, now.living) == ("due", (Child(TWIN, NOON),))


def test_a_risk_stops_what_waits_and_leaves_a_flag() -> None:
    raised = SafeguardingRaised(
        consultation_id=CASE, child_id=CHILD, team_id=TEAM, raised_by=OTHER, during="direct_work", raised_at=NOON
    )
    waits = to_mother(next_due_at=NOON + timedelta(days=2))
    decision = given(Waiting(None, (waits,))).when(losses.risk_seen, raised).then_decided()
    flag, message = decision.rows
    assert (flag.child_id, flag.raised_at) == (CHILD, NOON)
    assert (message.status, message.next_due_at) == ("pending", NOON)  # the clock looks at once, and sees the flag
    nobody = raised.model_copy(update={"child_id": None})
    given(Waiting(None)).when(losses.risk_seen, nobody).then_nothing()


def test_a_family_that_moves_has_another_team_or_none() -> None:
    elsewhere = ChildMoved(**about(), to_team_id=OTHER, moved_at=NOON)
    now = given(a_family()).when(family.moved, elsewhere).row
    assert (now.team_id, now.health_visitor_id, now.booklet) == (OTHER, None, "due")
    away = given(now).when(family.moved, ChildMoved(**about(), to_team_id=None, moved_at=NOON)).row
    assert (away.team_id, away.booklet) == (None, "stopped")
    assert given(away).when(family.moved, elsewhere).row.booklet == "due"


def test_one_of_twins_that_moves_leaves_the_family_where_it_is() -> None:
    def moves(of: Family, child: Any, to: Any) -> Family:
        event = ChildMoved(**about(child), to_team_id=to, moved_at=NOON)
        now: Family = given(of).when(family.moved, event).row
        return now

    one_left = moves(a_family(Child(CHILD, NOON), Child(TWIN, NOON)), CHILD, None)
    assert (one_left.team_id, one_left.health_visitor_id, one_left.booklet) == (TEAM, VISITOR, "due")
    gone = moves(one_left, TWIN, None)
    assert (gone.team_id, gone.health_visitor_id, gone.booklet) == (None, None, "stopped")
    back = moves(gone, TWIN, OTHER)
    assert (back.team_id, back.is_away, back.booklet) == (OTHER, False, "due")


@pytest.mark.parametrize(
    ("known_before", "age_days", "due_by"),
    [
        (True, 0, datetime(2026, 3, 17, tzinfo=UTC)),
        (True, 1, datetime(2026, 3, 16, tzinfo=UTC)),
        (True, 20, datetime(2026, 2, 25, tzinfo=UTC)),
        (False, 20, datetime(2026, 3, 17, tzinfo=UTC)),
    ],
)
def test_the_booklet_is_due_by_the_fourteenth_day(known_before: bool, age_days: int, due_by: datetime) -> None:
    before = a_family(registered=known_before, known_at=NOON)
    now = given(Waiting(before)).when(losses.born, born(age_days=age_days)).row
    assert now.booklet_due_by == due_by
    assert now.next_due_at == day_after(due_by, -7)


def test_a_corrected_birth_moves_the_day() -> None:
    now = given(Waiting(a_family())).when(losses.born, born(age_days=1)).row
    later = BirthCorrected(**about(), age_days=0, recorded_at=NOON)
    assert given(now).when(family.corrected, later).row.booklet_due_by == datetime(2026, 3, 17, tzinfo=UTC)


CARE = SetCaregiver(
    recipient_id=MOTHER, channels=("email",), address="m@example.org", review_on=NOON.date() + timedelta(days=90)
)


def test_a_caregivers_policy_is_set_by_a_person_with_a_name_and_for_nobody_else() -> None:
    row = given().by(VISITOR).when(caregiver.set_caregiver, CARE).row
    assert (row.kind, row.set_by, row.set_at, row.terms.voicemail) == ("caregiver", str(VISITOR), NOON, False)
    given(a_recipient()).when(caregiver.set_caregiver, CARE).then_refused(RecipientIsStaff, "recipient_id")
    given(replace(row, erased_at=NOON)).when(caregiver.set_caregiver, CARE).then_refused(RecipientErased)


def test_contact_is_set_before_or_after_the_pregnancy_is_heard_of() -> None:
    command = SetFamilyContact(pregnancy_id=PREGNANCY, caregivers=(MOTHER,), health_visitor_id=VISITOR)
    early = given().by(VISITOR).when(caregiver.set_contact, command).row
    now = given(early).when(family.registered, registered()).row
    assert (now.caregivers, now.health_visitor_id, now.team_id, now.contact_set_by) == (
        (MOTHER,),
        VISITOR,
        TEAM,
        str(VISITOR),
    )


def test_only_a_caregiver_of_a_living_child_is_asked_to_call() -> None:
    ask = AskToCall(pregnancy_id=PREGNANCY, recipient_id=MOTHER)
    row = given(a_family()).when(caregiver.ask_to_call, ask).row
    assert (row.kind, row.recipient_id, row.about_id, row.child_id) == ("please_call", MOTHER, PREGNANCY, CHILD)
    given().when(caregiver.ask_to_call, ask).then_refused(UnknownFamily)
    stranger = ask.model_copy(update={"recipient_id": OTHER})
    given(a_family()).when(caregiver.ask_to_call, stranger).then_refused(NotACaregiverOfTheFamily)
    gone = a_family(Child(CHILD, ended="child_died", ended_at=NOON))
    given(gone).when(caregiver.ask_to_call, ask).then_refused(FamilyEnded)


def test_each_caregiver_gets_a_message_of_their_own() -> None:
    decisions: list[Decision] = [
        given(a_family()).when(caregiver.ask_to_call, AskToCall(pregnancy_id=PREGNANCY, recipient_id=who)).then()
        for who in (MOTHER, FATHER)
    ]
    assert len({d.rows[0].message_id for d in decisions}) == 2
