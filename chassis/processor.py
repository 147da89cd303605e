"""The one door to a service's state: one batch of inputs is one transaction. Claim, load, decide, save, record.

Keeps P1 (an event is recorded if and only if its change is), P2 (an input takes effect once) and P4 (what cannot be
handled is parked alone). Rules are pure, so a batch that lost a race, or the way to the database, is simply repeated.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel
from pydantic_core import to_json
from uuid_utils.compat import uuid7

from attune_contracts.event import Event, encode
from chassis import failpoints, telemetry
from chassis.database import Connection, Pool, is_away, is_impossible, is_lost_race
from chassis.decision import NOTHING, Cause, Decision, Due, Following, Refused, derived_id
from chassis.inputs import AtOnce, CommandIntake, DueIntake, EventIntake, Intake
from chassis.parked import Parking, Record, parked_row
from chassis.problem import Unavailable
from chassis.tables import Rows, Table, needs_of
from chassis.told_before import ToldBefore
from chassis.value import replace
from chassis.working_days import ENGLAND, Calendar
from chassis.writing import StartAgain, Told, Writing

log = structlog.get_logger(__name__)

BATCH = 500
"""Inputs of one transaction at most; a batch must stay well under the consumer's rebalance time."""
APART_SECONDS = 1.0
"""How long clocks go by themselves after a batch that decided them at once met somebody else at the same rows."""
PATIENCE_SECONDS = 8.0
"""How long a command waits for a database that is away before its caller is told to come again."""

_DONE = "SELECT id, fingerprint, status, reply FROM inbox WHERE id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a command, as it goes over the wire and as the inbox keeps it."""

    status: int
    body: bytes


@dataclass(slots=True, eq=False)
class Input:
    """One thing that came in, with an id and, for what must stay in order, a key."""

    intake: Intake | None
    """None for what could not even be read: it can only be parked."""
    id: UUID
    data: Any
    correlation_id: UUID
    key: str | None = None
    traceparent: str | None = None
    by: str = ""
    fingerprint: bytes | None = None
    record: Record | None = None
    unreadable: tuple[str, str] | None = None
    """Reason and detail, where the record could not be read."""
    contradicts: str | None = None
    """Table in which a row of this input's making stands already."""
    parked_id: UUID | None = None
    """The parked row that is tried again."""
    since: float = field(default_factory=time.monotonic)

    @property
    def streamed(self) -> bool:
        return self.record is not None

    @property
    def kind(self) -> str:
        return "event" if self.record is not None else "command" if isinstance(self.intake, CommandIntake) else "clock"


def due_input(intake: DueIntake, key: UUID) -> Input:
    """The input that a due row gives."""
    id_ = uuid7()
    return Input(intake, id_, Due(key), id_, key=f"{intake.name}:{key}")


class Done:
    """Outcomes of an input that has no reply."""

    HANDLED = "done"
    DUPLICATE = "duplicate"
    PARKED = "parked"


Outcome = Answer | Exception | str
Stored = tuple[int, Any]
"""A row with its version."""


class KeyReused(Refused):
    """This Idempotency-Key was used before with another request."""

    status = 422
    field = "Idempotency-Key"


class AlreadyExists(Refused):
    """Something with this id exists already."""


class Contradiction(Refused):
    """What is asked for contradicts what is already recorded."""


class GivenUp(Exception):
    """The batch was not handled: its partitions are wanted elsewhere or the service stops. It will come again."""


class Processor:
    """Runs batches. Knows no rule and no table by name: these come with the inputs."""

    def __init__(
        self,
        pool: Pool,
        *,
        now: Callable[[], datetime],
        service: str,
        clocks: Sequence[DueIntake] = (),
        calendar: Calendar = ENGLAND,
    ) -> None:
        self.pool, self.now, self.service, self.calendar = pool, now, service, calendar
        self.clocks = {clock.table: clock for clock in clocks}
        self._apart_until = 0.0
        self.parking = Parking()
        self.told_before: ToldBefore | None = None
        """While the service lives through again what came in before its database was set back."""
        self.on_events: Callable[[], None] = lambda: None
        self.on_rows: list[Callable[[Sequence[Stored]], None]] = []
        self.on_due: Callable[[Table, Sequence[UUID]], None] = lambda _table, _keys: None
        self.last_success = time.monotonic()
        self.failing_since: float | None = None

    async def process(
        self, inputs: Sequence[Input], *, give_up: Callable[[], bool] = lambda: False, known: Sequence[Stored] = ()
    ) -> list[Outcome]:
        """Handles a batch to its end: every input is done, refused, a duplicate or parked.

        Waits as long as the database is away, commands only `PATIENCE_SECONDS`. Raises GivenUp when `give_up` says so.
        """
        outcomes: list[Outcome | None] = [None] * len(inputs)
        careful, tries, looked_again = self.parking.any_open, 0, False
        while left := [n for n, outcome in enumerate(outcomes) if outcome is None]:
            if give_up():
                raise GivenUp
            batch = [inputs[n] for n in left]
            at_once = not careful and not tries and bool(self.clocks) and time.monotonic() >= self._apart_until
            results: Sequence[Outcome | None]
            try:
                async with self.pool.acquire(timeout=5) as connection:
                    seen = () if tries else known
                    work = await self._attempt(connection, batch, careful=careful, at_once=at_once, known=seen)
            except StartAgain:
                continue
            except Exception as error:
                careful, tries = True, tries + 1
                if _whose_key_raises(batch):
                    results = [None] * len(batch)
                elif at_once and (is_impossible(error) or is_lost_race(error)):
                    # Perhaps only the clocks are to blame: once more without them.
                    telemetry.RETRIES.labels("apart").inc()
                    self._apart_until = time.monotonic() + APART_SECONDS
                    results = [None] * len(batch)
                elif is_impossible(error) and (looked_again or len(batch) > 1):
                    results = await self._take_apart(batch, error, give_up)
                elif is_impossible(error):
                    # Perhaps it is contradicted by itself, committed meanwhile by another batch: once more, carefully.
                    results, looked_again = [None], True
                else:
                    results = await self._wait(batch, error, tries)
            else:
                self._note_success()
                self._after(work)
                results = work.results()[: len(batch)]
            for n, result in zip(left, results, strict=True):
                outcomes[n] = result
        return [o for o in outcomes if o is not None]

    async def _wait(self, batch: list[Input], error: Exception, tries: int) -> list[Outcome | None]:
        """The same batch may succeed later: at once after a lost race, else when the database is back."""
        if is_lost_race(error):
            telemetry.RETRIES.labels("race").inc()
            await asyncio.sleep(random.uniform(0, min(0.002 * tries, 0.5)))  # noqa: S311
            return [None] * len(batch)
        self._note_failure(error)
        await asyncio.sleep(random.uniform(0.5, 1.5) * min(0.02 * 2**tries, 2.0))  # noqa: S311
        late = time.monotonic() - PATIENCE_SECONDS
        away = Unavailable("the database does not answer")
        return [away if i.kind == "command" and i.since < late else None for i in batch]

    async def _take_apart(self, batch: list[Input], error: Exception, give_up: Callable[[], bool]) -> list[Outcome]:
        """A constraint said no to the batch as a whole: halves of it, in order, until the one input stands alone."""
        if len(batch) > 1:
            half = len(batch) // 2
            first = await self.process(batch[:half], give_up=give_up)
            return first + await self.process(batch[half:], give_up=give_up)
        one = batch[0]
        constraint = getattr(error, "constraint_name", None) or type(error).__name__
        log.warning("constraint_said_no", service=self.service, intake=_name(one), rule=constraint, input_id=one.id)
        if isinstance(one.intake, CommandIntake):
            return [Contradiction(constraint)]
        if one.unreadable is not None:
            if one.record is None or not one.record.headers:
                raise error
            one.record = replace(one.record, headers=())  # even its place among the parked was refused: once more, bare
        one.unreadable = ("constraint", constraint)
        return await self.process(batch, give_up=give_up)

    async def attempt_parked(self, connection: Connection, i: Input) -> tuple[Outcome, Callable[[], None]]:
        """A parked input once more, within the caller's transaction; the caller calls the second part after its commit.

        Raises what the database raises, and StartAgain when the input contradicts what is there.
        """
        work = await self._attempt(connection, [i], careful=True)
        return work.results()[0], lambda: self._after(work)

    async def _attempt(
        self,
        connection: Connection,
        inputs: list[Input],
        *,
        careful: bool,
        at_once: bool = False,
        known: Sequence[Stored] = (),
    ) -> _Work:
        started = time.perf_counter()
        work = _Work(self, list(inputs), self.now(), at_once=at_once)
        work.rows.remember(known)
        if careful:
            await work.recognise(connection)
        await work.rows.load(connection, work.asked())
        work.decide()
        await work.recall(connection)
        if self.told_before is not None:
            self.told_before.sort_out(work.writing)
        if careful:
            await work.refuse_existing(connection)
        writing = work.writing
        writing.unless_parked = not careful and any(i.key is not None for i in inputs)
        failpoints.reached("commit.before")
        await writing.write(connection, work.rows)
        failpoints.reached("commit.after")
        telemetry.BATCH_SECONDS.observe(time.perf_counter() - started)
        return work

    def _after(self, work: _Work) -> None:
        """What follows a commit within the process: hints, which may all be lost."""
        telemetry.BATCH_INPUTS.observe(len(work.inputs))
        if self.told_before is not None:
            self.told_before.forget(work.writing.come_to_again)
        if work.writing.parked:
            self.parking.any_open = True
        if work.writing.events:
            self.on_events()
        changed = [stored for table in work.rows.changed for stored in work.rows.next_versions(table)]
        for callback in self.on_rows if changed else ():
            try:
                callback(changed)
            except Exception:  # what is committed stays so, whatever comes of the hint
                log.exception("hint_failed", service=self.service)
        for table, rows in work.rows.changed.items():
            if table.due_field and rows:
                at = work.at
                name = table.due_field
                ripe = [key for key, row in rows.items() if (d := getattr(row, name)) is not None and d <= at]
                if ripe:
                    self.on_due(table, ripe)  # type: ignore[arg-type]
        for table, keys in work.due.items():
            self.on_due(table, tuple(keys))

    def _note_failure(self, error: Exception) -> None:
        telemetry.RETRIES.labels("away" if is_away(error) else "error").inc()
        if self.failing_since is None:
            self.failing_since = time.monotonic()
            log.warning("database_failing", service=self.service, error=type(error).__name__)

    def _note_success(self) -> None:
        self.last_success = time.monotonic()
        if self.failing_since is not None:
            log.info(
                "database_answers_again", service=self.service, seconds=round(self.last_success - self.failing_since, 1)
            )
            self.failing_since = None


class _Work:
    """One attempt at one batch: what was loaded, decided and is to be written."""

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
            "input_parked", service=self.processor.service, intake=_name(i), reason=reason, rule=detail, input_id=i.id
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
        counted = Counter((i.kind, _name(i), _outcome_word(o)) for i, o in zip(self.inputs, outcomes, strict=True))
        for labels, count in counted.items():
            telemetry.INPUTS.labels(*labels).inc(count)
        return outcomes


def _outcome_word(outcome: Outcome) -> str:
    if isinstance(outcome, Answer):
        return Done.HANDLED
    return outcome if isinstance(outcome, str) else "refused"


def _whose_key_raises(batch: Sequence[Input]) -> bool:
    """Marks the inputs whose own data the key of a need cannot be taken from: a bug, as if their rule had raised."""
    found = False
    for i in batch:
        try:
            for need in needs_of(i.intake.state if i.intake is not None and i.unreadable is None else None):
                need.key_of(i.data)
        except Exception as error:
            log.exception("rule_raised", intake=_name(i), input_id=i.id)
            i.unreadable, found = ("rule_raised", type(error).__name__), True
    return found


def _told(i: Input, number: int, event: Event | Following) -> Told:
    fact, correlation_id = (
        (event.event, event.correlation_id) if isinstance(event, Following) else (event, i.correlation_id)
    )
    id_ = derived_id(i.id, f"event:{number}")
    return Told(id_, fact.subject, fact.type, correlation_id, i.id, i.traceparent, encode(fact))


def _is_one_of(row: Any, table: Table, keys: set[Any]) -> bool:
    return Table.of[type(row)] is table and table.key_of(row) in keys


def _name(i: Input) -> str:
    return i.intake.name if i.intake is not None else "unreadable"


def _repeated(i: Input, fingerprint: bytes | None, status: int | None, reply: bytes | None) -> Outcome:
    """What an input that was done before gets: its caller the answer of then, unless it asks for something else now."""
    if status is None or not isinstance(i.intake, CommandIntake):
        return Done.DUPLICATE
    if (i.fingerprint or b"") != fingerprint:
        return KeyReused()
    return Answer(status, reply or b"{}")
