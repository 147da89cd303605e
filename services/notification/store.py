"""Where notification keeps what it knows, and what may be read of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.needs import Many, State
from chassis.tables import Table
from chassis.value import value
from services.notification.domain.commands import SetDuty
from services.notification.domain.delivery import AtResult, AtSending
from services.notification.domain.family import Family, MergedRecord, Merging, SafetyFlag, Waiting
from services.notification.domain.message import GIVE_UP_AFTER, OPEN, Message, Status
from services.notification.domain.policy import Duty, Recipient, Standing, duty_key
from services.notification.domain.receipt import AtReceipt, UnmatchedReceipt
from services.notification.domain.recipient import AtDuty
from services.notification.domain.telling import Addressed, AtHandOver


def _nobody(_: object) -> None:
    return None


recipients = Table(Recipient, "recipients", key="recipient_id")
duties = Table(Duty, "duties", key="duty_key")
messages = Table(Message, "messages", key="message_id", due="next_due_at")
families = Table(Family, "families", key="pregnancy_id", due="next_due_at")
safety_flags = Table(SafetyFlag, "safety_flags", key="flag_id")
merged_records = Table(MergedRecord, "merged_records", key="child_id")
standings = Table(Standing, "policy_at_sending", key="message_id")

told_of_assignment = State(
    Addressed, practitioner=recipients.by("practitioner_id"), requester=recipients.by("requested_by")
)
told_who_asked = State(Addressed, practitioner=recipients.by(_nobody), requester=recipients.by("requested_by"))
told_of_hand_over = State(
    AtHandOver,
    practitioner=recipients.by("to_practitioner_id"),
    requester=recipients.by("requested_by"),
    untold=messages.many(
        "consultation_id",
        column="about_id",
        where="kind = 'case_assigned_to_you' AND status = 'pending'",
        holds=lambda message: message.kind == "case_assigned_to_you" and message.status == "pending",
        order="message_id",
        limit=100,
    ),
)
told_of_themselves = recipients.by("practitioner_id")
recipient = recipients.by("recipient_id")
message = messages.by("message_id")
_family_of_message = families.named_in(messages.by("message_id"), "about_id")
at_doubt = State(AtResult, message=message, family=_family_of_message)
at_result = State(AtResult, message=message, family=families.by("pregnancy_id"))
family = families.by("pregnancy_id")


_NOT_BEGUN: frozenset[Status] = frozenset({"pending"})


def _to_caregivers(key_of: str, *, column: str, of: frozenset[Status] = _NOT_BEGUN) -> Many:
    """Messages to caregivers that have not begun to leave, or have not ended."""

    def holds(message: Message) -> bool:
        return message.recipient_kind == "caregiver" and message.status in of

    where = "recipient_kind = 'caregiver' AND status IN ({})".format(", ".join(f"'{status}'" for status in sorted(of)))
    return messages.many(key_of, column=column, where=where, holds=holds, order="message_id", limit=1000)


_to_its_caregivers = _to_caregivers("pregnancy_id", column="about_id")
of_sending = State(Waiting, family=family, messages=_to_caregivers("pregnancy_id", column="about_id", of=OPEN))
of_family = State(Waiting, family=family, messages=_to_its_caregivers)
of_merging = State(Merging, family=family, messages=_to_its_caregivers, merged=merged_records.by("child_id"))
of_child = State(Waiting, family=families.by(_nobody), messages=_to_caregivers("child_id", column="child_id"))
unmatched_receipts = Table(UnmatchedReceipt, "unmatched_receipts", key="receipt_id")
at_receipt = State(
    AtReceipt,
    message=messages.by("message_id"),
    standing=standings.by("message_id"),
    unmatched=unmatched_receipts.by("id"),
    family=_family_of_message,
)
at_sending = State(AtSending, message=messages.by("key"), standing=standings.by("key"))


def _duty_of(command: SetDuty) -> str:
    return duty_key(command.duty, command.team_id)


at_duty = State(AtDuty, duty=duties.by(_duty_of), recipient=recipients.by("recipient_id"))

PAGE = 200


@value(frozen=True, slots=True)
class Addressee:
    """Everything that the courier needs to write one letter: the policy of this moment, and where to."""

    standing: Standing
    address: str | None
    language: str
    phone: str | None = None
    post: tuple[str, ...] | None = None


async def addressees(connection: Connection, message_ids: Sequence[UUID]) -> dict[UUID, Addressee]:
    """Address and policy as they stand now, by message. The only read that gives an address to the courier."""
    records = await connection.fetch(_ADDRESSEES, message_ids)
    found = {}
    for record in records:
        values = tuple(record)
        _, standing = standings.row(values[:_OF_STANDING])
        address, language, phone, post = values[_OF_STANDING:]
        found[standing.message_id] = Addressee(
            standing, address, language, phone, None if post is None else tuple(json.loads(post))
        )
    return found


_STANDING = ("version", *(column.name for column in standings.columns))
_OF_STANDING = len(_STANDING)
_ADDRESSEES = (
    f"SELECT {', '.join('p.' + name for name in _STANDING)}, r.address, r.language, r.phone, r.post "
    "FROM policy_at_sending p JOIN recipients r USING (recipient_id) WHERE p.message_id = ANY($1::uuid[])"
)
_MESSAGE = "version, " + ", ".join(column.name for column in messages.columns)


async def message_view(connection: Connection, message_id: UUID) -> dict[str, Any] | None:
    """One message with its history; no address, no text."""
    record = await connection.fetchrow(f"SELECT {_MESSAGE} FROM messages WHERE message_id = $1", message_id)
    return None if record is None else _view(tuple(record))


async def message_views(
    connection: Connection,
    *,
    about_id: UUID | None = None,
    child_id: UUID | None = None,
    status: Status | None = None,
    after: UUID | None = None,
) -> list[dict[str, Any]]:
    """At most PAGE messages in order of their ids; `after` is the last id of the page before."""
    given = (("about_id = ", about_id), ("child_id = ", child_id), ("message_id > ", after))
    asked = [(condition, value) for condition, value in given if value is not None]
    where = [f"{condition}${n}" for n, (condition, _) in enumerate(asked, 1)]
    if status is not None:
        # A constant, not a parameter: only so can the planner use the partial index.
        where.append(f"status = '{status}'")
        if status in OPEN:
            where.append("next_due_at IS NOT NULL")
    records = await connection.fetch(
        f"SELECT {_MESSAGE} FROM messages WHERE {' AND '.join(where) or 'true'} ORDER BY message_id LIMIT {PAGE}",
        *(value for _, value in asked),
    )
    return [_view(tuple(record)) for record in records]


async def recipient_view(connection: Connection, recipient_id: UUID) -> dict[str, Any] | None:
    """A recipient with the address: to be read by permission only, and audited."""
    record = await connection.fetchrow(recipients.select, [recipient_id])
    return None if record is None else asdict(recipients.row(tuple(record))[1])


async def family_view(connection: Connection, pregnancy_id: UUID) -> dict[str, Any] | None:
    """A family: its children, caregivers and health visitor, and where the booklet stands."""
    record = await connection.fetchrow(families.select, [pregnancy_id])
    return None if record is None else asdict(families.row(tuple(record))[1])


async def unmatched_views(connection: Connection, after: UUID | None) -> list[dict[str, Any]]:
    """Receipts for letters that nobody here knows, by Notify's id."""
    records = await connection.fetch(
        "SELECT receipt_id, status, received_at FROM unmatched_receipts "
        f"WHERE $1::uuid IS NULL OR receipt_id > $1 ORDER BY receipt_id LIMIT {PAGE}",
        after,
    )
    return [dict(record) for record in records]


async def duty_views(connection: Connection) -> list[dict[str, Any]]:
    """Who is told what, by duty and team."""
    records = await connection.fetch(
        "SELECT duty, team_id, recipient_id, set_by, set_at FROM duties ORDER BY duty_key LIMIT 1000"
    )
    return [dict(record) for record in records]


def _view(record: tuple[Any, ...]) -> dict[str, Any]:
    return asdict(messages.row(record)[1])


STUCK = f"""SELECT status AS what, message_id AS about, child_id, coalesce(settled_at, recorded_at) AS since,
  replace(kind, '_', ' ') || ': ' || reason AS detail, status <> 'suppressed' OR reason = 'unknown_recipient' AS wrong
FROM messages WHERE status IN ('failed', 'suppressed', 'doubtful') AND settled_at > $1::timestamptz - interval '30 days'
UNION ALL SELECT 'unsent', message_id, child_id, since, replace(kind, '_', ' ') || coalesce(': ' || reason, ''),
  since < $1::timestamptz - interval '10 minutes'
FROM messages, LATERAL (SELECT give_up_at - interval '{GIVE_UP_AFTER.total_seconds():.0f} seconds' AS since) AS tried
WHERE next_due_at IS NOT NULL AND attempt > 0 AND since < $1::timestamptz - interval '1 minute'"""
"""Messages that did not leave, or of which nobody knows; those that wait for their hour are not among them.

What a policy forbids is right; that nobody is known who should be told is not.

How long one is tried is what has passed of the time after which it is given up: that stands still while it may not
leave.
"""
