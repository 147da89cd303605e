"""What stops every message to the caregivers of a family at once: loss, adoption, the end of a record, a risk seen."""

from __future__ import annotations

from collections.abc import Iterable

from attune_contracts.notification import SuppressedReason
from attune_contracts.referral import SafeguardingRaised
from attune_contracts.screening import BirthRecorded, ChildAdopted, ChildDied, PregnancyEnded, RecordsMerged
from chassis.decision import NOTHING, Cause, Decision
from chassis.value import replace
from services.notification.domain.delivery import suppressed
from services.notification.domain.family import (
    Family,
    MergedRecord,
    Merging,
    SafetyFlag,
    Waiting,
    born_alive,
    child_of,
    known,
    timed,
    with_child,
)
from services.notification.domain.message import Message


def born(at: Waiting, event: BirthRecorded, cause: Cause) -> Decision:
    """A living child: the booklet is due by a day now. A child that was not born alive: everything stops."""
    if event.birth == "live":
        return born_alive(at.family, event, cause)
    return _ends(at, event, "stillborn", cause)


def pregnancy_ended(at: Waiting, event: PregnancyEnded, cause: Cause) -> Decision:
    """Everything that waits for the caregivers is suppressed; the booklet is no longer due."""
    return _ends(at, event, "pregnancy_ended", cause)


def child_died(at: Waiting, event: ChildDied, cause: Cause) -> Decision:
    """Everything that waits for the caregivers is suppressed; the booklet is no longer due."""
    return _ends(at, event, "child_died", cause)


def child_adopted(at: Waiting, event: ChildAdopted, cause: Cause) -> Decision:
    """Everything that waits for the caregivers of before is suppressed."""
    return _ends(at, event, "child_adopted", cause)


def records_merged(at: Merging, event: RecordsMerged, cause: Cause) -> Decision:
    """What waits for the caregivers of the record that ends is suppressed; a risk stays with the one that goes on."""
    ends = _ends(Waiting(at.family, at.messages), event, "records_merged", cause)
    if at.merged is not None:
        return ends
    return replace(ends, rows=(*ends.rows, MergedRecord(event.child_id, event.into_child_id)))


def risk_seen(at: Waiting, event: SafeguardingRaised, cause: Cause) -> Decision:
    """From now on nothing is written to the caregivers until somebody sets their policy anew; what waits stops.

    The clock looks at what waits at once: it knows the family, and so who does in person what must not be written.
    """
    if event.child_id is None:
        return NOTHING
    flag = SafetyFlag(cause.derive("flag"), event.child_id, cause.at, "safeguarding_raised")
    return Decision(rows=(flag, *(replace(message, next_due_at=cause.at) for message in at.messages)))


def _ends(
    at: Waiting,
    event: BirthRecorded | PregnancyEnded | ChildDied | ChildAdopted | RecordsMerged,
    reason: SuppressedReason,
    cause: Cause,
) -> Decision:
    family = known(at.family, event.pregnancy_id, cause)
    child = child_of(family, event.child_id)
    if child.ended is None:
        child = replace(child, ended=reason, ended_at=cause.at)
    now = timed(replace(with_child(family, child), team_id=family.team_id or event.team_id))
    ends = stopped(at.messages, reason, cause, now)
    rows = ends.rows if now == at.family else (now, *ends.rows)
    return Decision(rows=rows, events=ends.events)


def stopped(messages: Iterable[Message], reason: SuppressedReason, cause: Cause, family: Family | None) -> Decision:
    """These messages do not leave."""
    ends = [suppressed(message, reason, cause, family) for message in messages]
    return Decision(
        rows=tuple(row for end in ends for row in end.rows), events=tuple(event for end in ends for event in end.events)
    )
