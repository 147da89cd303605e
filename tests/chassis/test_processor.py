"""The processor's promises on real PostgreSQL: together or not at all, once, in order, parked alone."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from chassis import database
from chassis.admission import Admission, command_id
from chassis.arrivals import AlreadyExists, Answer, Contradiction, Done, Input, KeyReused
from chassis.clock import Clock
from chassis.problem import Unavailable
from chassis.processor import Processor
from tests.chassis import toy
from tests.chassis.toy import IsOpen, adding, heard, noting, opening, record


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=6, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
def processor(pool: database.Pool) -> Processor:
    return Processor(pool, now=lambda: datetime.now(UTC), service="toy")


async def total(pool: database.Pool, counter_id: UUID) -> int | None:
    return await pool.fetchval("SELECT total FROM counters WHERE counter_id = $1", counter_id)  # type: ignore[no-any-return]


async def count(pool: database.Pool, table: str, where: str = "true") -> int:
    return await pool.fetchval(f"SELECT count(*) FROM {table} WHERE {where}")  # type: ignore[no-any-return]  # noqa: S608


async def until(pool: database.Pool, condition: str) -> None:
    """Waits until a query says true; ten seconds at most."""
    async with asyncio.timeout(10):
        while not await pool.fetchval(condition):  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(0.02)


# --- P1: an event is recorded if and only if its change is ------------------------------------------------------------


async def test_p1_state_journal_and_outbox_are_written_together(processor: Processor, pool: database.Pool) -> None:
    a = uuid7()
    assert await processor.process([adding(a, 5)]) == [Answer(200, b'{"total":5}')]
    assert await total(pool, a) == 5
    journal = await pool.fetchrow("SELECT * FROM journal WHERE key = $1", a)
    outbox = await pool.fetchrow("SELECT * FROM outbox WHERE key = $1", a)
    assert journal is not None
    assert outbox is not None
    assert journal["event_id"] == outbox["event_id"]
    assert journal["sequence"] == outbox["sequence"] == 1


async def test_p1_every_event_of_a_batch_is_in_journal_and_outbox_alike(
    processor: Processor, pool: database.Pool
) -> None:
    a, b = uuid7(), uuid7()
    await processor.process([adding(a, 1), adding(b, 2), adding(a, 3)])
    rows = "SELECT event_id, key, sequence, type, correlation_id, causation_id, data, recorded_at FROM {} ORDER BY 1"
    journal, outbox = [await pool.fetch(rows.format(table)) for table in ("journal", "outbox")]
    assert [tuple(r) for r in journal] == [tuple(r) for r in outbox]
    assert sorted((r["key"], r["sequence"]) for r in journal) == sorted([(a, 1), (a, 2), (b, 1)])


async def test_p1_a_refused_or_failing_command_changes_nothing(processor: Processor, pool: database.Pool) -> None:
    a = uuid7()
    outcomes = await processor.process([adding(a, 101), adding(a, 13), adding(a, 666)])
    assert [type(o) for o in outcomes] == [toy.TooMuch, ArithmeticError, Contradiction]
    assert await total(pool, a) is None
    assert [await count(pool, t) for t in ("inbox", "journal", "outbox", "parked", "streams")] == [0] * 5


async def test_p1_an_impossible_input_does_not_take_its_batch_with_it(
    processor: Processor, pool: database.Pool
) -> None:
    good = [uuid7() for _ in range(9)]
    batch = [adding(g, 1) for g in good]
    batch.insert(4, adding(uuid7(), 666))
    outcomes = await processor.process(batch)
    assert sum(isinstance(o, Answer) for o in outcomes) == 9
    assert isinstance(outcomes[4], Contradiction)
    assert [await total(pool, g) for g in good] == [1] * 9


# --- P2: an input takes effect once -----------------------------------------------------------------------------------


async def test_p2_a_repeated_command_gets_its_first_answer(processor: Processor, pool: database.Pool) -> None:
    a, i = uuid7(), uuid7()
    first = await processor.process([adding(a, 5, id_=i)])
    await processor.process([adding(a, 1)])
    assert await processor.process([adding(a, 5, id_=i)]) == first
    assert await total(pool, a) == 6


async def test_p2_a_repeated_command_gets_its_first_answer_though_its_rule_would_refuse_it_now(
    processor: Processor, pool: database.Pool
) -> None:
    a, i = uuid7(), uuid7()
    await processor.process([adding(uuid7(), 1)])
    (first,) = await processor.process([opening(a, id_=i)])
    assert isinstance(first, Answer)
    assert await processor.process([opening(a, id_=i)]) == [first]
    assert await processor.process([opening(a, id_=i), opening(a, id_=i)]) == [first, first]
    (other,) = await processor.process([opening(a)])
    assert isinstance(other, IsOpen)
    mixed = await processor.process([opening(a), adding(a, 1), opening(a, id_=i), opening(uuid7())])
    assert isinstance(mixed[0], IsOpen)
    assert mixed[2] == first


async def test_p2_the_same_command_at_two_processors_at_once_gets_one_answer(
    processor: Processor, pool: database.Pool
) -> None:
    """Whichever commits second may be stopped by any constraint, or by its rule, which sees what the first did."""
    other = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    for n in range(60):
        a, i, note = uuid7(), uuid7(), noting(f"motto {n}", id_=uuid7(), note_id=uuid7())
        twice = await asyncio.gather(*(p.process([opening(a, id_=i)]) for p in (processor, other)))
        assert all(isinstance(o, Answer) for (o,) in twice), twice
        again = dataclasses.replace(note, data=note.data.model_copy(update={"note_id": uuid7()}))
        twice = await asyncio.gather(processor.process([note]), other.process([again]))
        assert all(isinstance(o, Answer) for (o,) in twice), twice


async def test_p2_the_same_command_twice_in_one_batch(processor: Processor, pool: database.Pool) -> None:
    a, i = uuid7(), uuid7()
    assert await processor.process([adding(a, 5, id_=i), adding(a, 5, id_=i)]) == [Answer(200, b'{"total":5}')] * 2
    assert await total(pool, a) == 5


async def test_p2_a_key_used_for_something_else_is_refused(processor: Processor, pool: database.Pool) -> None:
    a, i = uuid7(), uuid7()
    await processor.process([adding(a, 5, id_=i)])
    (outcome,) = await processor.process([adding(a, 7, id_=i, fingerprint=b"other")])
    both = await processor.process([adding(a, 1, id_=i, fingerprint=b"other"), adding(uuid7(), 2)])
    assert isinstance(outcome, KeyReused)
    assert isinstance(both[0], KeyReused)
    assert isinstance(both[1], Answer)
    assert await total(pool, a) == 5


async def test_p2_an_event_delivered_a_hundred_times_counts_once(processor: Processor, pool: database.Pool) -> None:
    a, e = uuid7(), uuid7()
    r = record(a, 3, event_id=e)
    for _ in range(10):
        await processor.process([heard(r) for _ in range(10)])
    assert await total(pool, a) == 3


async def test_p2_two_processors_with_the_same_inputs(processor: Processor, pool: database.Pool) -> None:
    other = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    keys = [uuid7() for _ in range(5)]
    records = [record(keys[n % 5], 1) for n in range(100)]
    await asyncio.gather(
        *(p.process([heard(r) for r in records[n : n + 20]]) for n in range(0, 100, 20) for p in (processor, other))
    )
    assert [await total(pool, k) for k in keys] == [20] * 5


async def test_p2_a_commit_whose_answer_was_lost_is_not_repeated(toy_database: str, pool: database.Pool) -> None:
    """The connection is cut after the server has committed: the processor cannot know, and must not do it again."""
    real, a = Processor(pool, now=lambda: datetime.now(UTC), service="toy"), uuid7()
    cut = _CutAfterCommit(pool)
    real.pool = cut  # type: ignore[assignment]
    assert await real.process([adding(a, 5)]) == [Answer(200, b'{"total":5}')]
    assert cut.cuts == 1
    assert await total(pool, a) == 5
    assert await count(pool, "journal") == 1


class _CutAfterCommit:
    """The way to the database, which breaks once between a commit and its answer."""

    def __init__(self, pool: database.Pool) -> None:
        self.pool, self.cuts = pool, 0

    def acquire(self, **options: Any) -> Any:
        return _Acquired(self, self.pool.acquire(**options))


class _Acquired:
    def __init__(self, way: _CutAfterCommit, inner: Any) -> None:
        self.way, self.inner = way, inner

    async def __aenter__(self) -> Any:
        connection = await self.inner.__aenter__()
        return _Cutting(self.way, connection)

    async def __aexit__(self, *error: object) -> None:
        await self.inner.__aexit__(*error)


class _Cutting:
    def __init__(self, way: _CutAfterCommit, connection: Any) -> None:
        self.way, self.connection = way, connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        result = await self.connection.fetchval(sql, *arguments)
        if self.way.cuts == 0 and "inbox" in sql:
            self.way.cuts += 1
            raise asyncpg.ConnectionDoesNotExistError("cut")
        return result


# --- P3: inputs of one key are handled in order -----------------------------------------------------------------------


async def test_p3_events_of_a_key_are_numbered_without_a_gap_whoever_writes(
    processor: Processor, pool: database.Pool
) -> None:
    a, b = uuid7(), uuid7()
    await asyncio.gather(*(processor.process([adding(k, 1) for k in (a, b, a)]) for _ in range(20)))
    for key, events in ((a, 40), (b, 20)):
        rows = await pool.fetch("SELECT sequence FROM outbox WHERE key = $1 ORDER BY position", key)
        assert [r["sequence"] for r in rows] == list(range(1, events + 1))
    assert await total(pool, a) == 40


async def test_p3_a_number_follows_the_one_of_whoever_wrote_meanwhile(
    processor: Processor, pool: database.Pool
) -> None:
    a = uuid7()
    await processor.process([adding(a, 1)])
    async with pool.acquire() as other, other.transaction():
        await other.execute("UPDATE streams SET last = last + 1 WHERE key = $1", a)
        waits = asyncio.create_task(processor.process([adding(a, 1)]))
        blocked = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')"
        await until(pool, blocked)
    await waits
    rows = await pool.fetch("SELECT sequence FROM outbox WHERE key = $1 ORDER BY position", a)
    assert [r["sequence"] for r in rows] == [1, 3]


async def test_p3_later_inputs_see_what_earlier_ones_of_the_batch_did(
    processor: Processor, pool: database.Pool
) -> None:
    a = uuid7()
    outcomes = await processor.process([adding(a, n) for n in (1, 2, 3)])
    assert outcomes == [Answer(200, b'{"total":%d}' % n) for n in (1, 3, 6)]
    row = await pool.fetchrow("SELECT history, version FROM counters WHERE counter_id = $1", a)
    assert row is not None
    assert row["history"] == "[1, 2, 3]" or row["history"] == "[1,2,3]"


# --- P4: what cannot be handled is parked, visible, retryable; the rest flows -----------------------------------------


async def test_p4_a_bug_parks_its_event_and_closes_its_key_only(processor: Processor, pool: database.Pool) -> None:
    a, b = uuid7(), uuid7()
    bad = record(a, 1, reason="inpatient", offset=1)
    batch = [heard(r) for r in (bad, record(a, 2, offset=2), record(b, 3, offset=3))]
    assert await processor.process(batch) == [Done.PARKED, Done.PARKED, Done.HANDLED]
    assert await processor.process([heard(record(a, 4)), heard(record(b, 5))]) == [Done.PARKED, Done.HANDLED]
    assert (await total(pool, a), await total(pool, b)) == (None, 8)
    rows = await pool.fetch("SELECT state, reason, type FROM parked ORDER BY ordinal")
    assert [(r["state"], r["reason"]) for r in rows] == [("failed", "rule_raised")] + [("queued", "behind_parked")] * 2


async def test_p4_garbage_is_parked_once_however_often_it_is_delivered(
    processor: Processor, pool: database.Pool
) -> None:
    r = record(uuid7(), 1)
    garbage = type(r)(r.topic, r.partition, 7, b"no uuid", b"\xff\x00", (("ce_id", b"\xff"),), 5)
    for _ in range(3):
        assert await processor.process([heard(garbage), heard(garbage)]) == [Done.PARKED, Done.PARKED]
    row = await pool.fetchrow("SELECT * FROM parked")
    assert await count(pool, "parked") == 1
    assert row is not None
    assert (row["record_value"], row["intake"], row["key"]) == (b"\xff\x00", "unreadable", f"raw:{b'no uuid'.hex()}")


async def test_p4_a_constraint_parks_the_one_event(processor: Processor, pool: database.Pool) -> None:
    a, b = uuid7(), uuid7()
    assert await processor.process([heard(record(a, 666)), heard(record(b, 1))]) == [Done.PARKED, Done.HANDLED]
    assert await processor.process([heard(record(a, 1))]) == [Done.PARKED]
    reasons = [r["reason"] for r in await pool.fetch("SELECT reason FROM parked ORDER BY ordinal")]
    assert reasons == ["constraint", "behind_parked"]


async def test_p4_retry_takes_the_key_up_in_order(processor: Processor, pool: database.Pool) -> None:
    a = uuid7()
    first = record(a, 1, reason="inpatient", offset=1)
    await processor.process([heard(r) for r in (first, record(a, 2, offset=2), record(a, 3, offset=3))])
    mended = {"reason": "other"}

    def read(row: Any) -> Input:
        again = heard(record(a, int(row["offset"]), event_id=row["id"], offset=row["offset"], **mended))
        again.parked_id, again.key = row["id"], row["key"]
        return again

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        run = tasks.create_task(processor.parking.run(processor, pool, read))
        await asyncio.sleep(0.3)
        assert await total(pool, a) is None  # nothing moves before an operator says so
        async with pool.acquire() as connection:
            head = await connection.fetchval("SELECT id FROM parked ORDER BY ordinal LIMIT 1")
            await processor.parking.resolve(connection, head, discard=False, by="tester")
        await until(pool, "SELECT count(*) = 0 FROM parked WHERE state <> 'done'")
        run.cancel()
    history = await pool.fetchval("SELECT history FROM counters WHERE counter_id = $1", a)
    assert history.replace(" ", "") == "[1,2,3]"
    assert await processor.process([heard(record(a, 4))]) == [Done.HANDLED]
    assert await count(pool, "parked", "resolved_by = 'tester'") == 1


async def test_p4_a_discarded_input_stays_discarded_when_it_comes_again(
    processor: Processor, pool: database.Pool
) -> None:
    a = uuid7()
    bad = record(a, 1, reason="inpatient", offset=1)
    await processor.process([heard(bad)])
    async with pool.acquire() as connection:
        await processor.parking.resolve(connection, heard(bad).id, discard=True, by="tester")
    assert await processor.process([heard(bad), heard(record(a, 2))]) == [Done.DUPLICATE, Done.HANDLED]
    assert await pool.fetchval("SELECT subject FROM audits WHERE action = 'parked.discard'") == "tester"


async def test_p4_a_rule_that_makes_an_old_row_again_is_told_so(processor: Processor, pool: database.Pool) -> None:
    note = uuid7()

    def noting(text: str) -> Input:
        i = uuid7()
        return Input(toy.NOTE, i, toy.WriteNote(note_id=note, text=text), i, fingerprint=b"f")

    assert isinstance((await processor.process([noting("one")]))[0], Answer)
    outcomes = await processor.process([adding(uuid7(), 1), noting("two")])
    assert isinstance(outcomes[0], Answer)
    assert isinstance(outcomes[1], AlreadyExists)
    assert await pool.fetchval("SELECT text FROM notes") == "one"


# --- P5: waiting for a database that is away --------------------------------------------------------------------------


async def test_p5_terminated_sessions_delay_a_batch_and_lose_nothing(
    processor: Processor, pool: database.Pool, toy_database: str
) -> None:
    keys = [uuid7() for _ in range(40)]
    killer = await database.connect(toy_database, name="killer")

    async def kill() -> None:
        for _ in range(8):
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'test'"
            )
            await asyncio.sleep(0.02)

    outcomes = await asyncio.gather(kill(), *(processor.process([adding(k, n) for n in (1, 2)]) for k in keys))
    await killer.close()
    assert all(isinstance(o, Answer) for batch in outcomes[1:] for o in batch or ())
    assert [await total(pool, k) for k in keys] == [3] * 40
    assert await count(pool, "journal") == 80


async def test_p5_a_command_is_told_to_come_again_when_the_database_stays_away(pool: database.Pool) -> None:
    processor = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    i = adding(uuid7(), 1)
    i.since -= 60
    await pool.close()
    (outcome,) = await processor.process([i])
    assert isinstance(outcome, Unavailable)


# --- clocks and commands in a group -----------------------------------------------------------------------------------


async def test_a_due_row_rings_once_with_two_sweeps_at_once(processor: Processor, pool: database.Pool) -> None:
    a = uuid7()
    past = datetime.now(UTC) - timedelta(minutes=5)
    await pool.execute(
        "INSERT INTO counters (counter_id, version, total, history, rings_at, rung) VALUES ($1, 1, 0, '[]', $2, 0)",
        a,
        past,
    )
    clocks = [Clock(toy.RING, processor, pool) for _ in range(2)]
    tasks = [asyncio.create_task(c.run()) for c in clocks]
    for clock in clocks:
        clock.hint([a])
    await until(pool, "SELECT rung = 1 FROM counters")
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    assert await pool.fetchval("SELECT rung FROM counters") == 1
    assert await count(pool, "journal") == 1


async def test_p4_a_clock_whose_rule_fails_is_parked_and_burns_no_time(
    processor: Processor, pool: database.Pool
) -> None:
    past = datetime.now(UTC) - timedelta(minutes=5)
    for counter_total in (13, 1):
        await pool.execute(
            "INSERT INTO counters (counter_id, version, total, history, rings_at, rung) "
            "VALUES ($1, 1, $3, '[]', $2, 0)",
            uuid7(),
            past,
            counter_total,
        )
    task = asyncio.create_task(Clock(toy.RING, processor, pool).run())
    await asyncio.sleep(2.5)
    task.cancel()
    assert await pool.fetchval("SELECT rung FROM counters WHERE total = 1") == 1
    parked = await pool.fetch("SELECT intake, state, attempts FROM parked")
    assert [(r["intake"], r["state"]) for r in parked] == [("due:counters", "failed")]
    assert parked[0]["attempts"] == 1


async def test_commands_that_wait_are_committed_together(processor: Processor, pool: database.Pool) -> None:
    admission = Admission(processor)
    admission.open()
    writer = asyncio.create_task(admission.run())
    a = uuid7()
    answers = await asyncio.gather(
        *(
            admission.submit(toy.ADD, toy.Add(counter_id=a, number=1), caller="x", idempotency_key=str(n))
            for n in range(100)
        )
    )
    again = await admission.submit(toy.ADD, toy.Add(counter_id=a, number=1), caller="x", idempotency_key="5")
    with pytest.raises(toy.TooMuch):
        await admission.submit(toy.ADD, toy.Add(counter_id=a, number=101))
    await admission.close()
    with pytest.raises(Unavailable):
        await admission.submit(toy.ADD, toy.Add(counter_id=a, number=1))
    writer.cancel()
    assert again in answers
    assert await total(pool, a) == 100
    transactions = await pool.fetchval("SELECT count(DISTINCT xmin::text) FROM inbox")
    assert transactions < 20


def test_an_idempotency_key_belongs_to_its_caller_and_command() -> None:
    key = str(uuid7())
    ids = {command_id(c, n, k) for c in ("a", "b") for n in ("X", "Y") for k in (key, "free text")}
    assert len(ids) == 8
    assert command_id("a", "X", key) == command_id("a", "X", key)
    assert command_id("a", "X", key).int >> 80 == UUID(key).int >> 80
