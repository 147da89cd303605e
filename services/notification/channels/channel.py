"""What every channel is: it takes letters and says truthfully what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from chassis.value import value

Outcome = Literal["accepted", "refused_for_good", "try_later", "unknown"]


@value(frozen=True, slots=True)
class Letter:
    """A message as it leaves: the one place where text and address meet."""

    message_id: UUID
    kind: str
    recipient_id: UUID
    address: str | None
    subject: str
    body: str
    language: str
    attempt: int
    written_at: datetime
    phone: str | None = None
    post: tuple[str, ...] | None = None
    to_caregiver: bool = False
    """Whoever sees it must not learn from it, nor from its sender, what service it is from."""
    in_digest: bool = False
    """It may be put together with others to the same person."""
    also: tuple[UUID, ...] = ()
    """The further messages that a digest tells; `message_id` is the first."""


@value(frozen=True, slots=True)
class Result:
    """`accepted`: the other side has it. `refused_for_good`: it never will. `try_later`: it surely does not have it.

    `unknown`: nobody can tell; only a channel that honours the key may be given the same letter again.
    """

    outcome: Outcome
    reason: str | None = None
    """A code, such as `smtp_451`; never what the other side wrote."""
    channel_fault: bool = False
    """The trouble is with the channel as a whole, not with this letter."""
    honours_key: bool | None = None
    """For `unknown`, where the channel's way of this deployment does otherwise than the channel mostly does."""


ACCEPTED = Result("accepted")


class Channel(Protocol):
    """A way out."""

    name: str
    honours_key: bool
    """The same message id given twice arrives once."""
    longest_send_s: float
    """No letter takes longer, whatever the other side does."""

    async def send(self, letters: Sequence[Letter]) -> Sequence[Result]:
        """One result for each letter, in the same order. Never raises for what the other side does."""
        ...

    async def close(self) -> None:
        """Lets go of connections and files."""
        ...
