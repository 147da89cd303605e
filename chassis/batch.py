"""One attempt at one batch: what is read, decided and to be written. Committed by the processor, or thrown away."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from pydantic import BaseModel
from pydantic_core import to_json

from attune_contracts.event import Event, encode
from chassis import telemetry
from chassis.arrivals import AlreadyExists, Answer, Done, Input, KeyReused, Outcome, due_input
from chassis.database import Connection
from chassis.decision import NOTHING, Cause, Decision, Due, Following, Refused, derived_id
from chassis.inputs import AtOnce, CommandIntake, EventIntake
from chassis.parked import parked_row
from chassis.rows import Rows
from chassis.tables import Table
from chassis.writing import StartAgain, Told, Writing

if TYPE_CHECKING:
    from chassis.processor import Processor

log = structlog.get_logger(__name__)

_DONE = "SELECT id, fingerprint, status, reply FROM inbox WHERE id = ANY($1::uuid[])"


class Batch:
    """What was loaded, decided and is to be written."""

    def __init__(self, processor: Processor, inputs: list[Input], at: datetime, *, at_once: bool) -> None:
        self.processor, self.inputs, self.at = processor, inputs, at
        self.at_once = at_once
        self.prepared: set[tuple[Table, UUID]] = set()
        self.rows = Rows()
        self.writing = Writing(at)
        self.outcomes: list[Outcome | None] = [None] * len(inputs)
        self.made: dict[int, tuple[Any, ...]] = {}
        self.blocked: set[str] = set()
        self.due: dict[Table, set[UUID]] = {}

    def asked(self) -> list[tuple[Any, Any]]:
        """What is to be read: for each input what its rule is given, and what the clocks want that it may set off."""
        found: list[tuple[Any, Any]] = []
        for i, outcome in zip(self.inputs, self.outcomes, strict=True):
            intake = i.intake
            if outcome is not None or intake is None or i.unreadable is not None or i.contradicts is not None:
                continue
            found.append((intake.state, i.data))
            if self.at_once and isinstance(intake.makes_due, AtOnce):
                found += self._prepare(intake.makes_due, i.data)
        return found

    def _prepare(self, clock: AtOnce, data: Any) -> list[tuple[Any, Any]]:
        key = clock.key_of(data)
        if key is None:
            return []
        needs: list[tuple[Any, Any]] = [(need, data) for need in clock.also]
        if (clock.table, key) not in self.prepared:
            self.prepared.add((clock.table, key))
            needs.append((self.processor.clocks[clock.table].state, Due(key)))
        return needs

    async def recognise(self, connection: Connection) -> None:
        """Inputs done before get their outcome of then; keys with a parked input are closed to later inputs."""
        done = {id_: answer for id_, *answer in await connection.fetch(_DONE, [i.id for i in self.inputs])}
        keys = [i.key for i in self.inputs if i.key is not None]
        self.blocked, parked = await self.processor.parking.look(connection, keys, [i.id for i in self.inputs])
        for n, i in enumerate(self.inputs):
            if i.id in done:
                self.outcomes[n] = _repeated(i, *done[i.id])
            elif i.id in parked and i.parked_id is None:
                self.outcomes[n] = Done.PARKED

    async def recall(self, connection: Connection) -> None:
        """A command that is refused now may have been done before: then its caller gets the answer of then."""
        refused = [n for n, i in enumerate(self.inputs) if i.fingerprint and self._is_refused(n)]
        if not refused:
            return
        asked = [self.inputs[n].id for n in refused]
        done = {id_: answer for id_, *answer in await connection.fetch(_DONE, asked)}
        for n in refused:
            if (i := self.inputs[n]).id in done:
                self.outcomes[n] = _repeated(i, *done[i.id])

    def _is_refused(self, n: int) -> bool:
        outcome = self.outcomes[n]
        return isinstance(outcome, Refused) and not isinstance(outcome, KeyReused)

    def decide(self) -> None:
        taken: dict[UUID, int] = {}
        for n, i in enumerate(self.inputs):
            if self.outcomes[n] is not None:
                continue
            if (earlier := taken.get(i.id)) is not None:
                self.outcomes[n] = self._same_batch(i, self.inputs[earlier], self.outcomes[earlier])
                continue
            taken[i.id] = n
            if i.key is not None and i.key in self.blocked and i.parked_id is None:
                self._queue(n, i)
            elif i.unreadable is not None:
                self._park(n, i, "failed", *i.unreadable)
            elif i.contradicts is not None and isinstance(i.intake, CommandIntake):
                self.outcomes[n] = AlreadyExists()
            elif i.contradicts is not None:
                self._park(n, i, "failed", "already_exists", i.contradicts)
            else:
                self._decide_one(n, i)
        self._decide_clocks()

    def _decide_clocks(self) -> None:
        """The clocks that were set off and prepared for, as inputs of this batch behind all others."""
        for table, key in sorted(self.prepared, key=lambda prepared: prepared[1].int):
            if key not in self.due.get(table, ()):
                continue
            self.due[table].discard(key)
            self.inputs.append(due_input(self.processor.clocks[table], key))
            self.outcomes.append(None)
            self._decide_one(len(self.inputs) - 1, self.inputs[-1])

    def _same_batch(self, i: Input, earlier: Input, outcome: Outcome | None) -> Outcome:
        if i.fingerprint is not None and i.fingerprint != earlier.fingerprint:
            return KeyReused()
        return Done.DUPLICATE if outcome is None or outcome == Done.HANDLED else outcome

    def _decide_one(self, n: int, i: Input) -> None:
        intake = i.intake
        assert intake is not None  # noqa: S101
        state = intake.state
        try:
            given = state.give(self.rows, i.data) if state is not None else None
            decision = intake.decide(
                given, i.data, Cause(i.id, self.at, i.by, i.correlation_id, self.processor.calendar)
            )
            if (table := self.rows.made_before(decision.rows)) is not None:
                raise AlreadyExists(table.name)
            events = [_told(i, k, e) for k, e in enumerate(decision.events)]
            if isinstance(intake, CommandIntake):
                self._reply(n, i, intake, decision)
            else:
                self.outcomes[n] = Done.HANDLED
        except Refused as refused:
            if isinstance(intake, CommandIntake):
                self.outcomes[n] = refused
            else:
                self._park(n, i, "failed", "rule_refused", type(refused).__name__)
            return
        except Exception as error:
            telemetry.DECIDE_ERRORS.labels(intake.name).inc()
            log.exception("rule_raised", service=self.processor.service, intake=intake.name, input_id=i.id)
            if isinstance(intake, CommandIntake):
                self.outcomes[n] = error
            else:
                self._park(n, i, "failed", "rule_raised", type(error).__name__)
            return
        if isinstance(intake, EventIntake) and not (decision is NOTHING and state is None):
            # What is decided without a state and comes to nothing would come to nothing again: nobody need remember it.
            self.writing.inbox.append((i.id, self.at, None, None, None))
        for row in decision.rows:
            self.rows.put(row)
        self.made[n] = decision.rows
        self.writing.events += events
        if decision.due and intake.makes_due is not None:
            table = intake.makes_due.table if isinstance(intake.makes_due, AtOnce) else intake.makes_due
            self.due.setdefault(table, set()).update(decision.due)

    def _reply(self, n: int, i: Input, intake: CommandIntake, decision: Decision) -> None:
        reply = decision.reply
        body = (
            reply.model_dump_json().encode()
            if isinstance(reply, BaseModel)
            else to_json({} if reply is None else reply)
        )
        answer = Answer(intake.status, body)
        self.outcomes[n] = answer
        if not intake.internal:
            self.writing.inbox.append((i.id, self.at, i.fingerprint or b"", answer.status, answer.body))

    def _queue(self, n: int, i: Input) -> None:
        """Behind a parked input of the same key. A clock needs no place there: it comes again by itself."""
        if i.streamed:
            self._park(n, i, "queued", "behind_parked", "")
        else:
            self.outcomes[n] = Done.PARKED

    def _park(self, n: int, i: Input, state: str, reason: str, detail: str) -> None:
        if i.key is not None:
            self.blocked.add(i.key)
        self.outcomes[n] = Done.PARKED
        self.writing.parked.append(parked_row(i, state, reason, detail))
        log.error(
            "input_parked", service=self.processor.service, intake=i.name, reason=reason, rule=detail, input_id=i.id
        )

    async def refuse_existing(self, connection: Connection) -> None:
        """Rows that rules made without having been given them must be new; who makes an old one again is told so."""
        for table in self.rows.changed:
            unread = self.rows.unread(table)
            if not unread:
                continue
            existing = {r[0] for r in await connection.fetch(table.existing, unread)}
            guilty = [n for n, rows in self.made.items() if any(_is_one_of(row, table, existing) for row in rows)]
            for n in guilty:
                self.inputs[n].contradicts = table.name
            if guilty:
                raise StartAgain

    def results(self) -> list[Outcome]:
        outcomes = [o for o in self.outcomes if o is not None]
        counted = Counter((i.kind, i.name, _word(o)) for i, o in zip(self.inputs, outcomes, strict=True))
        for labels, count in counted.items():
            telemetry.INPUTS.labels(*labels).inc(count)
        return outcomes


def _word(outcome: Outcome) -> str:
    if isinstance(outcome, Answer):
        return Done.HANDLED
    return outcome if isinstance(outcome, str) else "refused"


def _told(i: Input, number: int, event: Event | Following) -> Told:
    fact, correlation_id = (
        (event.event, event.correlation_id) if isinstance(event, Following) else (event, i.correlation_id)
    )
    id_ = derived_id(i.id, f"event:{number}")
    return Told(id_, fact.subject, fact.type, correlation_id, i.id, i.traceparent, encode(fact))


def _is_one_of(row: Any, table: Table, keys: set[Any]) -> bool:
    return Table.of[type(row)] is table and table.key_of(row) in keys


def _repeated(i: Input, fingerprint: bytes | None, status: int | None, reply: bytes | None) -> Outcome:
    """What an input that was done before gets: its caller the answer of then, unless it asks for something else now."""
    if status is None or not isinstance(i.intake, CommandIntake):
        return Done.DUPLICATE
    if (i.fingerprint or b"") != fingerprint:
        return KeyReused()
    return Answer(status, reply or b"{}")
