"""The check at the end of the demo sees everything that can be missing, double or contradictory, and nothing else."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from attune.facts import Case, Facts, Letter, Screened, Seat, Told
from attune.reconcile import Reckoning, reckon
from attune_contracts.catalogue import CATALOGUE, SERVICES
from attune_contracts.event import Event
from attune_contracts.samples import sample
from tests.support.given import some_id

CHILD, SCREENING, CASE = some_id("child"), some_id("screening"), some_id("case")
VISITOR, SPECIALIST = some_id("visitor"), some_id("specialist")


def event(name: str, **fields: Any) -> Event:
    made = sample(next(e for e in CATALOGUE.values() if e.__name__ == name))
    known = {"child_id": CHILD, "screening_id": SCREENING, "consultation_id": CASE, "requested_by": VISITOR}
    fields = {k: v for k, v in known.items() if k in type(made).model_fields} | fields
    return made.model_copy(update=fields)


def told(service: str, sequence: int, made: Event) -> Told:
    return Told(service, some_id(f"{service}{sequence}"), made.subject, sequence, made)


JOURNAL = (
    told("screening", 1, event("ScreeningCompleted", outcome="urgent_concern", follows="consultation_urgent")),
    told("referral", 1, event("ConsultationRequested")),
    told("referral", 2, event("CaseAssigned", practitioner_id=SPECIALIST)),
)
LETTERS = (
    Letter(some_id("m1"), "urgent_concern", SCREENING, None, "safeguarding_lead", "sent", "email"),
    Letter(some_id("m2"), "case_assigned_to_you", CASE, SPECIALIST, None, "sent", "email"),
    Letter(some_id("m3"), "case_assigned", CASE, VISITOR, None, "sent", "file"),
)
GOOD = Facts(
    journal=JOURNAL,
    unread={"attune.referral": 0, "attune.notification": 0},
    parked={s: frozenset() for s in SERVICES},
    outbox=dict.fromkeys(SERVICES, 0),
    topics={s: [t.event_id for t in JOURNAL if t.service == s] for s in SERVICES},
    screenings=(Screened(SCREENING, "urgent_concern", "consultation_urgent", None),),
    cases=(Case(CASE, SCREENING, "accepted", SPECIALIST, False, False, 2),),
    seats=(Seat(SPECIALIST, 8, 2, False),),
    letters=LETTERS,
    mails=(str(some_id("m1")), str(some_id("m2"))),
)
PROMISED: dict[UUID, str | None] = {SCREENING: "urgent_concern"}


def found(facts: Facts, answered: dict[UUID, str | None] | None = None) -> list[str]:
    return [str(f) for f in reckon(facts, answered).faults]


def test_a_day_that_adds_up_has_figures_and_no_fault() -> None:
    r: Reckoning = reckon(GOOD, PROMISED)
    assert r.faults == ()
    assert (r.concerns, r.consultations, r.assigned, r.waiting, r.ended) == (1, 1, 1, 0, 0)
    assert (r.messages, r.required, r.events, r.lost, r.twice, r.repeated) == (3, 3, 3, 0, 0, 0)
    assert r.by_outcome == {"urgent_concern": 1}
    report = r.as_dict()
    assert list(report)[:7] == ["concerns", "consultations", "assigned", "waiting", "messages", "lost", "twice"]
    assert report["faults"] == []


def test_nobody_looked_is_not_the_same_as_nothing_there() -> None:
    assert found(replace(GOOD, topics=None, mails=None, unread=None)) == []


def test_a_record_that_kafka_has_twice_is_counted_and_is_no_fault() -> None:
    topics = dict(GOOD.topics or {})
    again = replace(GOOD, topics=topics | {"referral": [*topics["referral"], topics["referral"][0]]})
    assert reckon(again).faults == ()
    assert reckon(again).repeated == 1


def case(**changed: Any) -> tuple[Case, ...]:
    return (replace(GOOD.cases[0], **changed),)


def letters(index: int, **changed: Any) -> tuple[Letter, ...]:
    return tuple(replace(m, **changed) if n == index else m for n, m in enumerate(LETTERS))


def without(service: str, n: int) -> dict[str, Any]:
    topics = dict(GOOD.topics or {})
    return {"topics": topics | {service: [*topics[service][:n], *topics[service][n + 1 :]]}}


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "concern without consultation": ({"cases": (), "seats": ()}, "lost: screening .* has no consultation"),
    "two consultations": ({"cases": tuple(GOOD.cases) * 2, "seats": ()}, "twice: screening .* has 2 consultations"),
    "consultation out of nothing": ({"screenings": ()}, "wrong: a consultation for .*, which calls for none"),
    "neither place": ({"cases": case(assigned_to=None)}, "lost: case .* neither assigned nor"),
    "both places": ({"cases": case(waits=True)}, "twice: case .* is assigned and on the waiting list"),
    "not looked at": ({"cases": case(unsettled=True)}, "wrong: case .* has not been looked at"),
    "pool asleep": ({"pools_due": 1}, "wrong: 1 pools have not done"),
    "over capacity": ({"seats": (Seat(SPECIALIST, 1, 2, False),)}, "wrong: .* has 2 points of 1"),
    "ledger differs": ({"seats": (Seat(SPECIALIST, 8, 4, False),)}, "wrong: .* has 2 points of cases, the pool says 4"),
    "owner without seat": ({"seats": ()}, "wrong: .* has cases and is in no pool"),
    "another owner": ({"cases": case(assigned_to=VISITOR)}, "wrong: events and table tell different stories"),
    "left with cases": (
        {"journal": (*JOURNAL, told("workforce", 1, event("PractitionerLeft", practitioner_id=SPECIALIST)))},
        "wrong: .* has left and still has cases",
    ),
    "screening not told": ({"journal": JOURNAL[1:]}, "lost: screening .* was told 0 times"),
    "screening told twice": (
        {"journal": (*JOURNAL, told("screening", 2, JOURNAL[0].event))},
        "twice: screening .* was told 2 times",
    ),
    "outbox": ({"outbox": {**GOOD.outbox} | {"referral": 2}}, "wrong: 2 events of referral wait in its outbox"),
    "not in the topic": (without("referral", 1), "lost: event .* of referral is not in its topic"),
    "overtaken": (without("referral", 0), "wrong: event .* of referral overtook an earlier one"),
    "stranger in the topic": (
        {"topics": dict(GOOD.topics or {}) | {"workforce": [some_id("stranger")]}},
        "wrong: event .* in the topic of workforce is not its own",
    ),
    "unreadable record": ({"unreadable": 1}, "wrong: 1 records cannot be read"),
    "gap in the sequence": (
        {"journal": (*JOURNAL[:2], replace(JOURNAL[2], sequence=3))},
        r"wrong: events of referral about .* are numbered \[1, 3\]",
    ),
    "not read to the end": (
        {"unread": {"attune.notification": 3}},
        r"wrong: 3 records wait to be read by attune\.notification",
    ),
    "parked": (
        {"parked": {**GOOD.parked} | {"notification": frozenset({some_id("p")})}},
        "wrong: 1 inputs are parked in notification",
    ),
    "message missing": ({"letters": LETTERS[1:]}, "lost: 1 message urgent_concern .* to safeguarding_lead"),
    "message not due": (
        {"letters": letters(2, kind="case_waiting")},
        "twice: 1 message case_waiting .* more than was due",
    ),
    "message to another": ({"letters": letters(1, recipient_id=VISITOR)}, "lost: 1 message case_assigned_to_you"),
    "message not sent": (
        {"letters": letters(0, status="doubtful")},
        r"lost: message .* \(urgent_concern\) is doubtful",
    ),
    "mail missing": ({"mails": GOOD.mails and GOOD.mails[:1]}, "lost: message .* is not in the sink"),
    "mail twice": ({"mails": tuple(GOOD.mails or ()) * 2}, "twice: message .* is in the sink 2 times"),
    "strange mail": ({"mails": (*(GOOD.mails or ()), "spam")}, "wrong: mail spam is none of ours"),
}


@pytest.mark.parametrize(("changed", "fault"), SPOILT.values(), ids=SPOILT.keys())
def test_whatever_does_not_add_up_is_found(
    changed: dict[str, Any], fault: str, matches: Callable[[str, list[str]], bool]
) -> None:
    assert matches(fault, found(replace(GOOD, **changed)))


@pytest.fixture
def matches() -> Callable[[str, list[str]], bool]:
    return lambda pattern, faults: any(re.match(pattern, f) for f in faults)


@pytest.mark.parametrize(
    ("promised", "fault"),
    [
        ({}, "was never sent"),
        ({SCREENING: "concern"}, "must be concern and is urgent_concern"),
        (PROMISED | {some_id("gone"): None}, "was answered for and is not there"),
    ],
)
def test_what_was_answered_to_the_sender_must_be_there(promised: dict[UUID, str | None], fault: str) -> None:
    assert [f for f in found(GOOD, promised) if fault in f]


def test_a_waiting_case_needs_its_event_and_its_message() -> None:
    waits = told("referral", 2, event("WaitingListJoined"))
    facts = replace(
        GOOD,
        journal=(*JOURNAL[:2], waits),
        cases=case(assigned_to=None, waits=True),
        seats=(Seat(SPECIALIST, 8, 0, False),),
        letters=(LETTERS[0], Letter(some_id("m4"), "case_waiting", CASE, VISITOR, None, "sent", "file")),
        mails=(str(some_id("m1")),),
    )
    assert found(facts, PROMISED) == []
    assert reckon(facts).waiting == 1


def test_who_hands_over_to_the_list_is_told_and_a_practitioner_who_asked_is_told_once() -> None:
    back = told("referral", 3, event("CaseHandedOver", from_practitioner_id=SPECIALIST, to_practitioner_id=None))
    facts = replace(
        GOOD,
        journal=(*JOURNAL, back),
        topics={**(GOOD.topics or {}), "referral": [t.event_id for t in (*JOURNAL[1:], back)]},
        cases=case(assigned_to=None, waits=True),
        seats=(Seat(SPECIALIST, 8, 0, False),),
        letters=(*LETTERS, Letter(some_id("m5"), "case_handed_over", CASE, VISITOR, None, "sent", "file")),
    )
    assert found(facts, PROMISED) == []
