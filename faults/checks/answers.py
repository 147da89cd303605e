"""What callers were told against what is there: a success is durable, a refusal has changed nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

from attune.fault import Fault
from chassis.admission import command_id
from faults.checks.facts import Judged, Observed
from faults.world import Answer

MAKES: dict[tuple[str, str], tuple[str, str]] = {
    ("screening", "POST /pregnancies"): ("pregnancies", "pregnancy_id"),
    ("screening", "POST /births"): ("children", "child_id"),
    ("screening", "POST /screenings"): ("screenings", "screening_id"),
    ("screening", "POST /screenings/not-completed"): ("screenings", "screening_id"),
    ("referral", "POST /consultations"): ("consultations", "consultation_id"),
    ("workforce", "POST /practitioners"): ("practitioners", "practitioner_id"),
    ("notification", "PUT /recipients/{recipient_id}"): ("recipients", "recipient_id"),
}
"""The row that a route makes: its table, and the field that names it, in the request or in the answer."""


def every_success_is_kept(seen: Observed) -> Judged:
    """A 2xx has its row of the inbox with that very answer, and the row that it speaks of."""
    told = [(input_id, a) for input_id, a in _commands(seen) if _is(a, 2)]
    return len(told), _lost_successes(seen, told)


def _lost_successes(seen: Observed, told: list[tuple[UUID, Answer]]) -> Iterator[Fault]:
    for input_id, a in told:
        kept = seen.inbox.get(a.service, {}).get(input_id)
        if kept is None:
            yield Fault("lost", f"{a.route} {a.key} was answered with {a.status} and is not in the inbox")
        elif kept.status != a.status or json.loads(kept.reply or b"{}") != dict(a.got):
            yield Fault("wrong", f"{a.route} {a.key} was answered otherwise than is kept")
        made = _made(a)
        if made is not None and made[1] not in seen.rows.get(made[0], frozenset()):
            yield Fault("lost", f"{a.route} {a.key} was answered with {a.status} and {made[1]} is not there")


def every_refusal_changed_nothing(seen: Observed) -> Judged:
    """After a 4xx there is no trace of the input: no inbox row, no event that it caused, no row that it would make."""
    commands = list(_commands(seen))
    taken = {input_id for input_id, a in commands if not _is(a, 4)}
    made = {row for _, a in commands if not _is(a, 4) and (row := _made(a)) is not None}
    refused = [(input_id, a) for input_id, a in commands if _is(a, 4) and input_id not in taken]
    return len(refused), _traces(seen, refused, made)


def _traces(seen: Observed, refused: list[tuple[UUID, Answer]], made: set[tuple[str, UUID]]) -> Iterator[Fault]:
    causes = {t.cause for t in seen.kept.journal}
    for input_id, a in refused:
        row = _made(a)
        if input_id in seen.inbox.get(a.service, {}):
            yield Fault("wrong", f"{a.route} {a.key} was refused with {a.status} and took effect")
        elif input_id in causes:
            yield Fault("wrong", f"{a.route} {a.key} was refused with {a.status} and was told as an event")
        elif row is not None and row not in made and row[1] in seen.rows.get(row[0], frozenset()):
            yield Fault("wrong", f"{a.route} {a.key} was refused with {a.status} and {row[1]} is there")


def what_is_bad_is_refused(seen: Observed) -> Judged:
    """What was sent to be refused got a 4xx, if it got an answer, and nothing whatever an internal error."""
    answers = [a for a in seen.world.answers if a.status is not None]
    return len(answers), (
        Fault("wrong", f"{a.route} {a.key} {'was bad and ' if a.bad else ''}was answered with {a.status}")
        for a in answers
        if a.status == 500 or (a.bad and not _is(a, 4) and a.status != 503)
    )


def _commands(seen: Observed) -> Iterator[tuple[UUID, Answer]]:
    """The answers to commands, each with the id under which its service knows the input."""
    for a in seen.world.answers:
        name = seen.commands.get((a.service, a.route))
        if name is not None:
            yield command_id(str(a.subject), name, str(a.key)), a


def _is(a: Answer, hundreds: int) -> bool:
    return a.status is not None and a.status // 100 == hundreds


def _made(a: Answer) -> tuple[str, UUID] | None:
    table, name = MAKES.get((a.service, a.route), (None, ""))
    id_ = a.got.get(name) or a.sent.get(name)
    if table is None or id_ is None:
        return None
    try:
        return table, UUID(str(id_))
    except ValueError:  # a bad request may name anything
        return None
