"""The one door to a service's state: one batch of inputs is one transaction. Claim, load, decide, save, record.

Keeps P1 (an event is recorded if and only if its change is), P2 (an input takes effect once) and P4 (what cannot be
handled is parked alone). Rules are pure, so a batch that lost a race, or the way to the database, is simply repeated.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from chassis import failpoints, telemetry
from chassis.arrivals import Contradiction, Input, Outcome
from chassis.batch import Batch
from chassis.database import Connection, Pool, is_away, is_impossible, is_lost_race
from chassis.inputs import CommandIntake, DueIntake
from chassis.needs import needs_of
from chassis.parked import Parking
from chassis.problem import Unavailable
from chassis.rows import Stored
from chassis.tables import Table
from chassis.told_before import ToldBefore
from chassis.value import replace
from chassis.working_days import ENGLAND, Calendar
from chassis.writing import StartAgain

log = structlog.get_logger(__name__)

BATCH = 500
"""Inputs of one transaction at most; a batch must stay well under the consumer's rebalance time."""
APART_SECONDS = 1.0
"""How long clocks go by themselves after a batch that decided them at once met somebody else at the same rows."""
PATIENCE_SECONDS = 8.0
"""How long a command waits for a database that is away before its caller is told to come again."""


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
        log.warning("constraint_said_no", service=self.service, intake=one.name, rule=constraint, input_id=one.id)
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
    ) -> Batch:
        started = time.perf_counter()
        work = Batch(self, list(inputs), self.now(), at_once=at_once)
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

    def _after(self, work: Batch) -> None:
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


def _whose_key_raises(batch: Sequence[Input]) -> bool:
    """Marks the inputs whose own data the key of a need cannot be taken from: a bug, as if their rule had raised."""
    found = False
    for i in batch:
        try:
            for need in needs_of(i.intake.state if i.intake is not None and i.unreadable is None else None):
                need.key_of(i.data)
        except Exception as error:
            log.exception("rule_raised", intake=i.name, input_id=i.id)
            i.unreadable, found = ("rule_raised", type(error).__name__), True
    return found
