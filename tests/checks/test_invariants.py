"""Each invariant holds in a world that keeps it and is broken by a world that does not: none of them cannot fail."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from attune.facts import Told
from attune.reconcile import CHECKS
from faults.checks.facts import Handled, Line, Observed, Policy, Pulse, home
from faults.checks.invariants import judge
from tests.checks.kept_world import (
    BAD,
    CANARIES,
    JOURNAL,
    KEPT,
    KEY,
    NOON,
    PARKED,
    RECORDED,
    REFUSED,
    REFUSED_KEY,
    SCREENED,
    SENT,
    STAFF,
    WORLD,
    answer,
    record,
    staff,
)
from tests.stack.test_reconcile import CASE, LETTERS, SCREENING, SPECIALIST, VISITOR, event
from tests.support.given import some_id

OTHER_CASE = some_id("other case")


def world(**changed: Any) -> dict[str, Any]:
    return {"world": replace(WORLD, **changed)}


def kept(**changed: Any) -> dict[str, Any]:
    return {"kept": replace(KEPT.kept, **changed)}


def inbox(service: str, **changed: Any) -> dict[str, Any]:
    """The inbox with these rows besides, or without those that are None."""
    rows = {**KEPT.inbox[service], **changed.pop("rows")}
    return {"inbox": {**KEPT.inbox, service: {id_: row for id_, row in rows.items() if row is not None}}}


def journal(*more: Told, less: tuple[Told, ...] = ()) -> tuple[Told, ...]:
    return tuple(t for t in JOURNAL if t not in less) + more


def referral(sequence: int, transaction: int, name: str, **fields: Any) -> Told:
    made = event(name, **fields)
    return Told("referral", some_id(f"r{sequence}{name}"), made.subject, sequence, made, None, transaction)


def text(said: str) -> dict[str, Any]:
    return {"texts": {**KEPT.texts, "topic attune.referral": lambda: ["before", f"x {said}, y"]}}


SMALL = {"points": 1, "practitioner_id": SPECIALIST}
HEAVIER = referral(3, 22, "DirectWorkStarted", practitioner_id=SPECIALIST, points=4)
LIGHTER = referral(4, 23, "DirectWorkEnded", practitioner_id=SPECIALIST)
BIG = {"points": 3, "practitioner_id": SPECIALIST}

BROKEN: Mapping[str, list[tuple[dict[str, Any], str]]] = {
    "every_concern_has_one_consultation": [(kept(cases=(), seats=()), "has no consultation")],
    "every_accepted_case_is_assigned_or_waits": [(kept(pools_due=1), "pools have not done")],
    "nobody_has_more_than_their_capacity": [(kept(seats=()), "is in no pool")],
    "events_tell_what_the_tables_hold": [(kept(cases=(), seats=()), "which is not there")],
    "every_event_is_in_its_topic": [(kept(outbox={"referral": 1}), "wait in its outbox")],
    "events_of_a_key_are_in_order": [(kept(journal=journal(less=(STAFF[0],))), "are numbered")],
    "every_service_has_read_its_topics": [(kept(unread={"attune.referral": 4}), "wait to be read")],
    "everybody_is_told_once": [(kept(letters=LETTERS[1:]), "message urgent_concern")],
    "every_success_is_kept": [
        (inbox("screening", rows={RECORDED: None}), "is not in the inbox"),
        (inbox("screening", rows={RECORDED: Handled(7, 200, KEPT.inbox["screening"][RECORDED].reply)}), "otherwise"),
        (inbox("screening", rows={RECORDED: Handled(7, 201, b"{}")}), "otherwise"),
        ({"rows": {}}, "is not there"),
    ],
    "every_refusal_changed_nothing": [
        (inbox("screening", rows={REFUSED: Handled(8, 201, b"{}")}), "took effect"),
        (kept(journal=(*JOURNAL[:-1], replace(JOURNAL[-1], cause=REFUSED))), "was told as an event"),
        ({"rows": {"screenings": frozenset({SCREENING, some_id("refused screening")})}}, "is there"),
    ],
    "what_is_bad_is_refused": [
        (world(answers=(answer(), answer(REFUSED_KEY, 201))), "was bad and was answered with 201"),
        (world(answers=(answer(status=500),)), "was answered with 500"),
    ],
    "capacity_is_never_exceeded": [
        (
            kept(journal=journal(referral(3, 22, "CaseAssigned", consultation_id=OTHER_CASE, **BIG))),
            "had 5 points of 4",
        ),
        (
            kept(
                journal=journal(
                    referral(3, 22, "CaseAssigned", consultation_id=OTHER_CASE, **BIG),
                    referral(4, 23, "CaseClosed", consultation_id=CASE),
                )
            ),
            "in transaction 22 and had 5 points of 4",
        ),
        (inbox("referral", rows={STAFF[0].event_id: None, STAFF[2].event_id: None}), "points of 0"),
        (
            kept(journal=journal(HEAVIER, referral(4, 23, "CaseAssigned", consultation_id=OTHER_CASE, **SMALL))),
            "in transaction 23 and had 5 points of 4",
        ),
        (
            kept(journal=journal(referral(3, 22, "CaseAssigned", practitioner_id=VISITOR))),
            "while it had a practitioner",
        ),
        (
            kept(journal=journal(referral(3, 22, "CaseHandedOver", from_practitioner_id=VISITOR))),
            "by somebody who did not have it",
        ),
    ],
    "inbox_equals_topic": [
        (inbox("referral", rows={SCREENED.event_id: None}), "referral has not handled"),
        (inbox("screening", rows={STAFF[1].event_id: None}), "screening has not handled"),
        (inbox("notification", rows={SCREENED.event_id: None}), "notification has not handled"),
        (inbox("notification", rows={some_id("never told"): Handled(9)}), "which nobody told"),
    ],
    "events_of_a_key_are_applied_in_order": [
        (inbox("referral", rows={STAFF[1].event_id: Handled(13)}), "referral has handled"),
    ],
    "events_stay_on_the_partition_of_their_key": [
        ({"records": (*KEPT.records, record(SCREENED, 99, (home(KEPT.records[3].key) + 1) % 12))}, "another key"),
    ],
    "parked_is_exactly_what_was_injected": [
        ({"parked": PARKED[1:]}, "not_json at attune.screening/3/9 is not parked in referral"),
        ({"parked": (*PARKED, replace(PARKED[0], id=some_id("more"), offset=11))}, "nobody injected it"),
        ({"parked": (*PARKED, replace(PARKED[2], key="another"))}, "nobody injected it"),
        ({"parked": (PARKED[0], PARKED[1], replace(PARKED[2], state="queued"))}, "is still queued"),
        ({"parked": (replace(PARKED[0], state="done"), *PARKED[1:])}, "was left open in referral and is done"),
        ({"parked": (PARKED[0], replace(PARKED[1], state="failed"), PARKED[2])}, "was discarded in notification"),
    ],
    "a_keyed_sink_has_each_message_once": [
        ({"file_lines": ()}, "is not in the file"),
        ({"file_lines": (*KEPT.file_lines, Line(str(some_id("m2")), NOON))}, "none of ours"),
        (kept(letters=(*LETTERS[:2], replace(LETTERS[2], status="doubtful"))), "is doubtful although"),
    ],
    "a_mail_leaves_at_most_once": [
        ({"mail_lines": KEPT.mail_lines * 2}, "left 2 times"),
        ({"mail_lines": KEPT.mail_lines[:1]}, "is not in the sink"),
        ({"mail_lines": (*KEPT.mail_lines, Line("stray", None))}, "none of ours"),
        (kept(letters=(replace(LETTERS[0], status="failed"), *LETTERS[1:])), "left and its message is failed"),
    ],
    "every_message_ends_visibly": [
        (kept(letters=(replace(LETTERS[0], status="pending"), *LETTERS[1:])), "is still pending"),
        (kept(letters=(replace(LETTERS[0], status="doubtful"), *LETTERS[1:])), "is doubtful and was told as sent"),
        (kept(journal=journal(less=(SENT[0],))), "is sent and was told as None"),
    ],
    "nobody_is_written_to_against_their_policy": [
        ({"policies": {VISITOR: Policy(True, NOON - timedelta(hours=1), None)}}, "must not be written to"),
        ({"policies": {SPECIALIST: Policy(False, NOON, NOON - timedelta(hours=1))}}, "must not be written to"),
    ],
    "no_canary_has_sung": [
        (text("philippa Philippa Quenneville"), "no. 0 stands in topic attune.referral"),
        (text("nhs=9434765919"), "no. 1"),
        (text("943-476-5919"), "no. 1"),
        (text('"943 476 5919"'), "no. 1"),
        (text("<pip+quen@harbour.invalid>"), "no. 2"),
        (text(f"GET /people?mail={quote(CANARIES[2])}"), "no. 2"),
        (text(r'{"note": "She cries\nwhen the light goes out."}'), "no. 3"),
    ],
    "every_process_is_well": [
        ({"pulses": ()}, "has gone"),
        ({"pulses": (Pulse("screening", 11, False),)}, "has gone"),
        ({"pulses": (Pulse("screening", 11, True, 200, 503),)}, "lives and answers 200 to /livez, 503"),
        ({"pulses": (Pulse("screening", 11, True),)}, "None to /readyz"),
    ],
}
CASES = [(name, *example) for name, examples in BROKEN.items() for example in examples]


def test_in_a_world_that_keeps_them_all_hold_and_each_has_looked_at_something() -> None:
    findings = judge(KEPT)
    assert {name: f.broken for name, f in findings.items() if not f.holds} == {}
    assert all(f.looked_at for f in findings.values())
    assert all(f.name == name for name, f in findings.items())


@pytest.mark.parametrize(("name", "changed", "says"), CASES)
def test_a_world_that_breaks_it_is_found_out(name: str, changed: dict[str, Any], says: str) -> None:
    finding = judge(replace(KEPT, **changed))[name]
    assert not finding.holds
    assert finding.count == len(finding.broken)
    assert any(says in sentence for sentence in finding.broken), finding.broken


def test_every_invariant_has_a_world_that_breaks_it() -> None:
    assert BROKEN.keys() == judge(KEPT).keys()


def test_all_of_the_demos_check_is_looked_at_here_or_by_a_check_that_knows_what_was_injected() -> None:
    replaced = {"nothing_is_parked", "nobody_waits_in_vain", "every_message_left_once"}
    assert CHECKS.keys() - judge(KEPT).keys() == replaced


def test_what_is_broken_counts_as_what_it_is() -> None:
    lost = judge(replace(KEPT, **kept(letters=LETTERS[1:])))["everybody_is_told_once"]
    twice = judge(replace(KEPT, mail_lines=KEPT.mail_lines * 2))["a_mail_leaves_at_most_once"]
    order = judge(replace(KEPT, **inbox("referral", rows={STAFF[1].event_id: Handled(13)})))
    assert (lost.counts_as, twice.counts_as) == ("lost", "twice")
    assert order["events_of_a_key_are_applied_in_order"].counts_as == "order"


ALLOWED: Mapping[str, list[dict[str, Any]]] = {
    "every_refusal_changed_nothing": [
        world(answers=(*WORLD.answers, answer(KEY, 422))),  # the key of a success, used again for another body
        world(answers=(*WORLD.answers, answer(some_id("lost answer"), None))),
    ],
    "every_success_is_kept": [world(answers=(*WORLD.answers, answer(some_id("lost answer"), None)))],
    "what_is_bad_is_refused": [world(answers=(*WORLD.answers, answer(REFUSED_KEY, 503)))],
    "capacity_is_never_exceeded": [  # less capacity after the assignment: kept until it is handed over
        kept(journal=journal(staff(4, "CapacityChanged", capacity_points=0)))
        | inbox("referral", rows={some_id("workforce4"): Handled(30)}),
        kept(journal=journal(HEAVIER)),
        kept(
            journal=journal(
                HEAVIER, LIGHTER, referral(5, 24, "CaseAssigned", consultation_id=OTHER_CASE, **SMALL | {"points": 2})
            )
        ),
    ],
    "a_mail_leaves_at_most_once": [
        kept(letters=(replace(LETTERS[0], status="doubtful"), *LETTERS[1:])),
        kept(letters=(replace(LETTERS[0], status="doubtful"), *LETTERS[1:])) | {"mail_lines": KEPT.mail_lines[1:]},
    ],
    "a_keyed_sink_has_each_message_once": [
        {"file_lines": KEPT.file_lines * 2},
        kept(letters=(*LETTERS[:2], replace(LETTERS[2], status="doubtful", over=True))),
    ],
    "nobody_is_written_to_against_their_policy": [
        {"policies": {VISITOR: Policy(True, NOON + timedelta(seconds=1), None)}},  # said so only afterwards
    ],
    "parked_is_exactly_what_was_injected": [
        {"parked": (replace(PARKED[0], id=some_id("e"), topic=None), *PARKED[1:])}
        | world(bad_messages=(replace(BAD, event_id=some_id("e")),)),  # found by the id of its envelope
        {"parked": (*PARKED, *(replace(p, id=some_id("e"), key="other") for p in PARKED[:2]))}
        | world(bad_messages=(replace(BAD, gone=True), BAD)),  # the same place again, in a topic that was emptied
    ],
}


@pytest.mark.parametrize(("name", "changed"), [(name, one) for name, some in ALLOWED.items() for one in some])
def test_what_is_allowed_breaks_nothing(name: str, changed: dict[str, Any]) -> None:
    assert judge(replace(KEPT, **changed))[name].broken == ()


def test_ten_thousand_cases_are_judged_in_seconds() -> None:
    many = _many(10_000)
    began = time.perf_counter()
    findings = judge(many)
    seconds = time.perf_counter() - began
    assert findings["capacity_is_never_exceeded"].looked_at == 10_000
    assert findings["capacity_is_never_exceeded"].holds
    assert findings["inbox_equals_topic"].holds
    assert seconds < 20, f"{seconds:.1f} s"


def _many(cases: int) -> Observed:
    capacity = STAFF[0].event.model_copy(update={"capacity_points": 2 * cases})
    told, referred, notified = [replace(STAFF[0], event=capacity)], {STAFF[0].event_id: Handled(1)}, {}
    screened, asked = event("ScreeningCompleted"), event("ConsultationRequested")
    assigned = event("CaseAssigned", practitioner_id=SPECIALIST, points=2)
    for n in range(2, cases + 2):
        child, screening, case = (UUID(int=n << 8 | k) for k in range(3))
        ids = {"child_id": child, "consultation_id": case}
        first = screened.model_copy(update={"child_id": child, "screening_id": screening})
        third = assigned.model_copy(update=ids)
        told += [
            Told("screening", screening, child, 1, first, None, n),
            Told("referral", case, child, 1, asked.model_copy(update=ids | {"screening_id": screening}), None, n),
            Told("referral", child, child, 2, third, None, n),
        ]
        referred[screening] = notified[screening] = notified[child] = Handled(n)
    inboxes = {"referral": referred, "notification": notified}
    return replace(KEPT, inbox=inboxes, parked=(), kept=replace(KEPT.kept, journal=told), records=())
