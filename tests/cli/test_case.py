"""The timeline of one child: causes before effects whatever the clocks say, and what is left open."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import to_jsonable_python
from rich.console import Console

from attune.addresses import Addresses, NotReachable
from attune.case import document, resolved, shown
from attune.timeline import Entry, in_order, left_open
from attune_contracts.catalogue import CATALOGUE
from attune_contracts.event import Event
from attune_contracts.samples import sample
from tests.support.given import NOON, some_id

CHILD = some_id("child")


def entry(name: str, *, at: datetime = NOON, cause: UUID | None = None, sequence: int = 1, **fields: Any) -> Entry:
    event = sample(next(e for e in CATALOGUE.values() if e.__name__ == name)).model_copy(update=fields)
    row = {
        "recorded_at": at.isoformat(),
        "event_id": str(some_id(f"{name}{sequence}{at}")),
        "sequence": sequence,
        "type": event.type,
        "correlation_id": str(some_id("correlation")),
        "causation_id": str(cause or some_id("command")),
        "data": to_jsonable_python(event),
    }
    return Entry.of(event.service, row)


def names(entries: Sequence[Entry]) -> list[str]:
    return [type(e.event).__name__ for e in entries]


def open_after(*entries: Entry, after: timedelta = timedelta(hours=3)) -> list[str]:
    return [("!! " if o.wrong else "") + o.said(NOON + after) for o in left_open(entries, NOON + after)]


def test_a_cause_comes_before_its_effect_even_when_the_clock_of_its_service_is_ahead() -> None:
    screened = entry("ScreeningCompleted", at=NOON + timedelta(seconds=5))
    requested = entry("ConsultationRequested", at=NOON, cause=screened.event_id)
    assert names(in_order([requested, screened])) == ["ScreeningCompleted", "ConsultationRequested"]


def test_a_service_keeps_its_own_order_even_when_its_clock_went_back() -> None:
    first = entry("ConsultationRequested", at=NOON + timedelta(seconds=5), sequence=1)
    second = entry("CaseAssigned", at=NOON, sequence=2)
    assert names(in_order([second, first])) == ["ConsultationRequested", "CaseAssigned"]


def test_what_has_nothing_to_do_with_each_other_is_ordered_by_time() -> None:
    sent = entry("MessageSent", at=NOON + timedelta(seconds=1))
    assert names(in_order([sent, entry("CaseAssigned")])) == ["CaseAssigned", "MessageSent"]


def test_an_event_that_came_twice_is_shown_once() -> None:
    assert len(in_order([entry("CaseAssigned"), entry("CaseAssigned")])) == 1


def test_causes_that_contradict_the_order_of_a_service_lose_no_event() -> None:
    later = entry("CaseAssigned", sequence=2)
    earlier = entry("ConsultationRequested", cause=later.event_id, sequence=1)
    assert sorted(names(in_order([later, earlier]))) == ["CaseAssigned", "ConsultationRequested"]


def test_a_type_of_the_future_is_shown_and_leaves_nothing_open() -> None:
    row = {
        "recorded_at": NOON.isoformat(),
        "event_id": str(some_id("x")),
        "sequence": 1,
        "type": "attune.referral.case-blessed.v1",
        "correlation_id": str(CHILD),
        "causation_id": str(CHILD),
        "data": {"child_id": str(CHILD)},
    }
    future = Entry.of("referral", row)
    assert "newer version" in future.said()
    assert left_open([future], NOON) == []


def test_a_concern_that_nothing_followed_is_wrong() -> None:
    concern = entry("ScreeningCompleted", follows="consultation_routine")
    assert open_after(concern) == ["!! nothing followed the concern for 3 h"]
    assert open_after(concern, after=timedelta(seconds=2)) == ["nothing followed the concern for 2.0 s"]


def test_a_request_without_a_place_is_wrong() -> None:
    concern = entry("ScreeningCompleted", follows="consultation_routine")
    (line,) = open_after(concern, entry("ConsultationRequested"))
    assert line.startswith("!! case ")
    assert line.endswith("is neither assigned nor on the waiting list for 3 h")


def test_a_waiting_case_says_since_when() -> None:
    (line,) = open_after(entry("ConsultationRequested"), entry("WaitingListJoined", sequence=2))
    assert line.endswith("is on the waiting list (routine) for 3 h")


def test_an_assigned_case_whose_practitioner_was_not_told_is_wrong() -> None:
    assigned = entry("CaseAssigned", sequence=2)
    told = entry("MessageSent", kind="case_assigned_to_you")
    asked = entry("ConsultationRequested")
    assert any("has not been told" in line and line.startswith("!!") for line in open_after(asked, assigned))
    assert not any("has not been told" in line for line in open_after(asked, assigned, told))


def test_an_assigned_case_waits_for_its_acknowledgement_and_then_for_nothing() -> None:
    story = [entry("ConsultationRequested"), entry("CaseAssigned", sequence=2), entry("MessageSent")]
    (line,) = open_after(*story)
    assert "not acknowledged for 3 h" in line
    assert open_after(*story, entry("ConsultationAcknowledged", sequence=3)) == []


def test_a_case_handed_back_to_the_list_waits_again() -> None:
    story = [entry("ConsultationRequested"), entry("CaseAssigned", sequence=2)]
    (line,) = open_after(*story, entry("CaseHandedOver", sequence=3, to_practitioner_id=None))
    assert "is on the waiting list again" in line


@pytest.mark.parametrize("end", ["CaseClosed", "ConsultationWithdrawn"])
def test_an_ended_case_leaves_nothing_open(end: str) -> None:
    assert open_after(entry("ConsultationRequested"), entry(end, sequence=2)) == []


@pytest.mark.parametrize("arrived", ["MessageSent", "MessageDelivered"])
@pytest.mark.parametrize("end", ["MessageFailed", "MessageDoubtful", "MessageSuppressed"])
def test_a_message_that_did_not_arrive_is_shown_until_it_did(end: str, arrived: str) -> None:
    (line,) = open_after(entry(end))
    assert line.startswith("!! message ")
    assert open_after(entry(end), entry(arrived, sequence=2)) == []


@pytest.mark.parametrize(("reason", "wrong"), [("do_not_contact", False), ("unknown_recipient", True)])
def test_what_a_policy_forbids_is_right_and_that_nobody_is_known_is_not(reason: str, wrong: bool) -> None:
    """As in `attune status`."""
    (line,) = open_after(entry("MessageSuppressed", reason=reason))
    assert line.startswith("!! message " if wrong else "message ")


def test_a_task_is_open_until_it_is_done_and_wrong_when_it_is_late() -> None:
    raised = entry("TaskRaised", kind="missed_booklet", owner_id=None, due_at=NOON + timedelta(hours=2))
    assert open_after(raised, after=timedelta(hours=1)) == ["task of the leads: missed booklet for 1 h"]
    assert open_after(raised) == ["!! task of the leads: missed booklet for 3 h"]
    task_id = raised.event.task_id  # type: ignore[union-attr]
    assert open_after(raised, entry("TaskDone", sequence=2, task_id=task_id)) == []


def test_a_screening_that_was_not_completed_is_still_to_come_until_it_was() -> None:
    missed = entry("ScreeningNotCompleted")
    assert open_after(missed) == ["to be screened (declined) for 3 h"]
    assert open_after(missed, entry("ScreeningCompleted", sequence=2, outcome="no_concern", follows="nothing")) == []


def test_the_timeline_is_a_table_with_what_is_open_below_it() -> None:
    story = [entry("ScreeningCompleted"), entry("ConsultationRequested", at=NOON + timedelta(milliseconds=9))]
    now = NOON + timedelta(hours=3)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(shown(CHILD, story, left_open(story, now), now))
    text = capture.get()
    assert str(CHILD) in text
    assert "consultation-requested" in text
    assert "+9 ms" in text
    assert "neither assigned nor" in text
    written = document(CHILD, story, left_open(story, now), now)
    assert len(written["events"]) == 2  # type: ignore[arg-type]
    assert written["open"][0]["wrong"] is True  # type: ignore[index]


ADDRESSES = Addresses("none", ("127.0.0.1:1",), None, {}, {}, {}, None)


async def test_a_whole_id_needs_no_look_into_a_database() -> None:
    assert await resolved(ADDRESSES, str(CHILD).upper()) == CHILD


@pytest.mark.parametrize("wanted", ["12", "not-an-id", "", "g" * 8, "1" * 33])
async def test_what_cannot_be_an_id_is_said_to_be_none(wanted: str) -> None:
    with pytest.raises(NotReachable, match="not an id"):
        await resolved(ADDRESSES, wanted)


async def test_a_part_of_an_id_where_no_database_is_known_is_refused_in_words() -> None:
    with pytest.raises(NotReachable, match="only whole ids"):
        await resolved(ADDRESSES, "12345678")


def test_the_record_of_every_event_can_be_an_entry() -> None:
    for event in CATALOGUE.values():
        made: Event | None = entry(event.__name__).event
        assert type(made).__name__ == event.__name__
