"""A small world after a campaign in which every invariant holds: the demo's check on one child, seen from outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from attune.facts import Told
from attune_contracts.catalogue import SERVICES, topic
from attune_contracts.envelope import Envelope, to_kafka
from attune_contracts.event import encode
from attune_contracts.referral import CaseAssigned
from attune_contracts.screening import ScreeningCompleted
from attune_contracts.workforce import CapacityChanged, CompetenceAwarded, PractitionerRegistered
from chassis.admission import command_id
from chassis.parked import Record
from faults.checks.facts import Handled, Line, Observed, Parked, Policy, Pulse, home
from faults.world import Answer, BadMessage, Process, World
from tests.stack.test_reconcile import CASE, CHILD, GOOD, LETTERS, SCREENING, SPECIALIST, VISITOR, event, told
from tests.support.given import some_id

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY, REFUSED_KEY, CALLER = some_id("key"), some_id("refused"), some_id("caller")
RECORDED = command_id(str(CALLER), "RecordScreening", str(KEY))
REFUSED = command_id(str(CALLER), "RecordScreening", str(REFUSED_KEY))
CANARIES = ("Philippa Quenneville", "943 476 5919", "pip+quen@harbour.invalid", "She cries\nwhen the light goes out")


def answer(key: UUID = KEY, status: int | None = 201, **changed: Any) -> Answer:
    screening_id = str(SCREENING if key == KEY else some_id("refused screening"))
    given: dict[str, Any] = {
        "service": "screening",
        "route": "POST /screenings",
        "path": "/screenings",
        "key": key,
        "status": status,
        "sent": {"screening_id": screening_id},
        "got": {"screening_id": screening_id} if status == 201 else {"type": "about:blank", "status": status},
        "tries": 1,
        "subject": CALLER,
        "bad": key == REFUSED_KEY,
        "case": 0,
        "first_at": NOON,
        "answered_at": NOON,
    }
    return Answer(**given | changed)


def staff(number: int, name: str, **fields: Any) -> Told:
    made = event(name, practitioner_id=SPECIALIST, **fields)
    return Told("workforce", some_id(f"workforce{number}"), made.subject, number, made, some_id(f"w{number}"), number)


STAFF = (
    staff(1, "PractitionerRegistered", capacity_points=8),
    staff(2, "CompetenceAwarded"),
    staff(3, "CapacityChanged", capacity_points=4),
)
SENT = tuple(
    told("notification", n, event("MessageSent", message_id=m.message_id, about_id=m.about_id))
    for n, m in enumerate(LETTERS, 1)
)
SCREENED, ASKED, ASSIGNED = GOOD.journal
JOURNAL = (
    *STAFF,
    Told("screening", SCREENED.event_id, SCREENED.key, 1, SCREENED.event, RECORDED, 7),
    Told("referral", ASKED.event_id, ASKED.key, 1, ASKED.event, SCREENED.event_id, 20),
    Told("referral", ASSIGNED.event_id, ASSIGNED.key, 2, ASSIGNED.event, some_id("look"), 21),
    *SENT,
)


def record(t: Told, offset: int, partition: int | None = None) -> Record:
    envelope = Envelope.of(
        t.event, id=t.event_id, time=NOON, correlationid=t.event_id, causationid=t.event_id, sequence=t.sequence
    )
    key, value, headers = to_kafka(envelope, encode(t.event))
    place = home(key) if partition is None else partition
    return Record(topic(t.service), place, offset, key, value, tuple(headers), 0)


BAD = BadMessage(
    topic="attune.screening",
    partition=3,
    offset=9,
    key=b"nobody",
    kind="not_json",
    event_id=None,
    readers=("referral", "notification"),
    resolved={"notification": "discarded"},
)
PARKED = (
    Parked("referral", some_id("bad"), "raw:00", "failed", "not_json", "attune.screening", 3, 9),
    Parked("notification", some_id("bad"), "raw:00", "discarded", "not_json", "attune.screening", 3, 9),
    Parked("notification", some_id("behind"), "raw:00", "done", "behind_parked", "attune.screening", 3, 10),
)
WORLD = World(
    seed=1,
    cases=1,
    started_at=NOON,
    ended_at=NOON + timedelta(minutes=1),
    dsn={},
    bootstrap="",
    mail=Path("mail"),
    file_channel=Path("file"),
    logs=(),
    urls={},
    processes=(Process("screening", 11, "http://127.0.0.1:1"),),
    answers=(answer(), answer(REFUSED_KEY, 422)),
    bad_messages=(BAD,),
    canaries=CANARIES,
)
WANTS = {
    "screening": {CompetenceAwarded.type: True},
    "referral": {
        e.type: True for e in (ScreeningCompleted, PractitionerRegistered, CompetenceAwarded, CapacityChanged)
    },
    "notification": {ScreeningCompleted.type: False, CaseAssigned.type: True},
    "workforce": {},
}
_REFERRAL = {t.event_id: Handled(10 + n) for n, t in enumerate(STAFF)} | {SCREENED.event_id: Handled(20)}
_NOTIFICATION = {SCREENED.event_id: Handled(5), ASSIGNED.event_id: Handled(6), some_id("bad"): Handled(4)}
KEPT = Observed(
    world=WORLD,
    kept=GOOD.__class__(
        **{
            **{name: getattr(GOOD, name) for name in GOOD.__dataclass_fields__},
            "journal": JOURNAL,
            "topics": {s: [t.event_id for t in JOURNAL if t.service == s] for s in SERVICES},
        }
    ),
    records=tuple(record(t, n) for n, t in enumerate(JOURNAL)),
    commands={("screening", "POST /screenings"): "RecordScreening"},
    wants=WANTS,
    inbox={
        "screening": {
            STAFF[1].event_id: Handled(3),
            RECORDED: Handled(7, 201, b'{"screening_id":"%s"}' % str(SCREENING).encode()),
        },
        "referral": _REFERRAL,
        "notification": _NOTIFICATION,
        "workforce": {},
    },
    parked=PARKED,
    rows={"screenings": frozenset({SCREENING}), "consultations": frozenset({CASE}), "children": frozenset({CHILD})},
    policies={VISITOR: Policy(False, NOON, None), SPECIALIST: Policy(False, NOON, None)},
    file_lines=(Line(str(some_id("m3")), NOON),),
    mail_lines=(Line(str(some_id("m1")), NOON), Line(str(some_id("m2")), NOON)),
    pulses=(Pulse("screening", 11, True, 200, 200),),
    texts={"log": lambda: ["an id 019cae6c-0000-7000-8000-000000000000", "9434765918 she cries", "Philippa Quayle"]},
)
