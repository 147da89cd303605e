"""One message to one person: its states, and what its events say about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from attune_contracts.notification import Channel, MessageKind, RecipientKind
from chassis.value import value

Status = Literal["pending", "sending", "sent", "failed", "suppressed", "doubtful"]
Result = Literal["accepted", "refused_for_good", "try_later", "unknown", "not_begun", "withheld"]

HONOURS_KEY: dict[str, bool] = {"file": True, "email": False, "text": True, "letter": True}
"""Channels that take one message id once, however often it is sent; elsewhere a doubtful message is never repeated."""

LEASE: dict[str, timedelta] = {
    "file": timedelta(seconds=20),
    "email": timedelta(seconds=120),
    "text": timedelta(seconds=120),
    "letter": timedelta(seconds=120),
}
"""By channel; longer than any send may take, so that nobody judges an attempt that is still under way."""

URGENT: frozenset[MessageKind] = frozenset({"urgent_concern", "safeguarding_raised"})

TO_CAREGIVERS: frozenset[MessageKind] = frozenset({"booklet", "please_call"})
"""Their texts name no service, no child and no topic: who else reads them must learn nothing."""

AGAIN = frozenset({"sent_again", "not_arrived"})
"""Notes by a person after which the message starts anew."""

ATTEMPT_SHOWN = 1000
"""Largest attempt number that an event can carry."""

OPEN: frozenset[Status] = frozenset({"pending", "sending"})


@value(frozen=True, slots=True)
class Attempt:
    """How one attempt ended that was not accepted, or what a person did."""

    attempt: int
    at: datetime
    channel: str | None
    result: str
    reason: str | None
    by: str = ""


GIVE_UP_AFTER = timedelta(hours=24)
"""A message is tried for a day (ours), then it is a failed one."""


@value(frozen=True, slots=True)
class Message:
    """Whom it is for, what it is about and how far it got. Ids and codes only: the text is made when it is sent.

    A message for a duty (`duty`, `team_id`) has no recipient until it is claimed: it goes to who holds the duty then.
    """

    message_id: UUID
    kind: MessageKind
    about_id: UUID
    child_id: UUID | None
    recipient_kind: RecipientKind
    recipient_id: UUID | None
    duty: str | None
    team_id: UUID | None
    status: Status
    correlation_id: UUID
    """The first cause of the chain that this message ends."""
    recorded_at: datetime
    give_up_at: datetime
    next_due_at: datetime | None
    """When the clock looks at it again: to send it, or because the lease of an attempt ran out."""
    attempt: int = 0
    """Counts claims; a result names the attempt that it belongs to."""
    channel: Channel | None = None
    lease_until: datetime | None = None
    """Until then the process that claimed the attempt may send, and nobody else."""
    reason: str | None = None
    """Why it is suppressed, failed or doubtful, or was not accepted yet."""
    settled_at: datetime | None = None
    history: tuple[Attempt, ...] = ()

    @property
    def is_urgent(self) -> bool:
        return self.kind in URGENT

    @property
    def may_be_gathered(self) -> bool:
        """It may come together with others in one letter: it is not urgent, and nothing of it can have left before."""
        return self.attempt == 1 and not self.is_urgent

    @property
    def claimed_channel(self) -> Channel:
        """The channel of the latest claim; ValueError before the first."""
        if self.channel is None:
            raise ValueError("the message was never claimed")
        return self.channel

    @property
    def this_round(self) -> tuple[Attempt, ...]:
        """Attempts since the message was recorded, or since a person had it sent again."""
        for i in range(len(self.history), 0, -1):
            if self.history[i - 1].result in AGAIN:
                return self.history[i:]
        return self.history

    @property
    def may_have_left(self) -> bool:
        """An attempt ended without anybody knowing how: only the same channel, with the same key, may try once more."""
        return "unknown" in {attempt.attempt: attempt.result for attempt in self.this_round}.values()

    @property
    def facts(self) -> dict[str, Any]:
        """The fields that every event about this message has."""
        return {
            "message_id": self.message_id,
            "about_id": self.about_id,
            "child_id": self.child_id,
            "recipient_id": self.recipient_id,
            "recipient_kind": self.recipient_kind,
            "kind": self.kind,
            "attempt": min(self.attempt, ATTEMPT_SHOWN),
        }


def is_claimed(row: object) -> bool:
    """A message that somebody is about to send."""
    return isinstance(row, Message) and row.status == "sending"
