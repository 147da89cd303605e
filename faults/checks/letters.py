"""Messages against sinks: once where a key is honoured, at most once elsewhere, and what is doubtful is shown so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from attune.facts import Letter
from attune.fault import Fault
from attune_contracts.event import Event
from attune_contracts.notification import (
    MessageDelivered,
    MessageDoubtful,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
)
from faults.checks.facts import Judged, Observed

_STANDS: dict[type[Event], str] = {
    MessageSent: "sent",
    MessageDelivered: "sent",
    MessageFailed: "failed",
    MessageSuppressed: "suppressed",
    MessageDoubtful: "doubtful",
}
_UNDER_WAY = timedelta(seconds=60)
"""A letter that was begun under the policy of then may arrive so much later."""


def a_keyed_sink_has_each_message_once(seen: Observed) -> Judged:
    """By a channel that honours a key nothing is doubtful: what was sent is there, and nothing that was not.

    Only a message whose time was over before anybody could try again is left to a person.
    """
    by_file = {str(m.message_id): m for m in seen.kept.letters if m.channel == "file"}
    there = {line.message_id for line in seen.file_lines}
    return len(by_file), _file_faults(by_file, there)


def _file_faults(by_file: dict[str, Letter], there: set[str]) -> Iterator[Fault]:
    for id_, m in by_file.items():
        if m.status == "doubtful" and not m.over:
            yield Fault("wrong", f"message {id_} is doubtful although its channel honours a key")
        elif m.status == "sent" and id_ not in there:
            yield Fault("lost", f"message {id_} counts as sent and is not in the file")
    for id_ in sorted(there - by_file.keys()):
        yield Fault("wrong", f"letter {id_} in the file is none of ours")


def a_mail_leaves_at_most_once(seen: Observed) -> Judged:
    """What counts as sent is in the sink once; what is in the sink and does not count as sent is shown as doubtful."""
    by_mail = {str(m.message_id): m for m in seen.kept.letters if m.channel == "email"}
    there = Counter(line.message_id for line in seen.mail_lines)
    return len(by_mail) + there.total(), _mail_faults(by_mail, there)


def _mail_faults(by_mail: dict[str, Letter], there: Counter[str]) -> Iterator[Fault]:
    for id_, n in there.items():
        m = by_mail.get(id_)
        if m is None:
            yield Fault("wrong", f"mail {id_} is none of ours")
        elif m.status not in ("sent", "doubtful"):
            yield Fault("wrong", f"mail {id_} left and its message is {m.status}")
        if n > 1:
            yield Fault("twice", f"mail {id_} left {n} times")
    for id_, m in by_mail.items():
        if m.status == "sent" and not there[id_]:
            yield Fault("lost", f"message {id_} counts as sent and is not in the sink")


def every_message_ends_visibly(seen: Observed) -> Judged:
    """No message is left under way, and the last that was told of each is what its row says."""
    last: dict[UUID, str] = {}
    for t in seen.kept.journal:
        word = next((w for kind, w in _STANDS.items() if isinstance(t.event, kind)), None)
        if word is not None:
            last[t.event.message_id] = word  # type: ignore[attr-defined]
    return len(seen.kept.letters), _end_faults(seen, last)


def _end_faults(seen: Observed, last: dict[UUID, str]) -> Iterator[Fault]:
    for m in seen.kept.letters:
        if m.status not in _STANDS.values():
            yield Fault("lost", f"message {m.message_id} ({m.kind}) is still {m.status}")
        elif last.get(m.message_id) != m.status:
            yield Fault("wrong", f"message {m.message_id} is {m.status} and was told as {last.get(m.message_id)}")


def nobody_is_written_to_against_their_policy(seen: Observed) -> Judged:
    """No letter is younger than the erasure, or the wish not to be contacted, of whom it went to."""
    whose = {str(m.message_id): m.recipient_id for m in seen.kept.letters}
    lines = {line.message_id: line.at for line in (*seen.file_lines, *seen.mail_lines) if line.at is not None}
    return len(lines), _against_policy(seen, lines, whose)


def _against_policy(seen: Observed, lines: dict[str, datetime], whose: dict[str, UUID | None]) -> Iterator[Fault]:
    for id_, at in lines.items():
        policy = seen.policies.get(whose.get(id_) or UUID(int=0))
        if policy is None:
            continue
        closed = policy.erased_at or (policy.set_at if policy.do_not_contact else None)
        if closed is not None and at > closed + _UNDER_WAY:
            yield Fault("wrong", f"letter {id_} was written to somebody who must not be written to")
