"""What a rule is given beyond rows by their key: a row that another one names, and what the batch itself made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis import database
from chassis.arrivals import Answer, Input, Outcome
from chassis.commands import Command
from chassis.decision import Cause, Decision
from chassis.inputs import command
from chassis.needs import State
from chassis.processor import Processor
from tests.chassis import toy
from tests.chassis.toy import Counter, Note, counters, notes


class Join(Command):
    """Adds a counter of this rung, if there is none yet."""

    counter_id: UUID
    rung: int


def join(same: tuple[Counter, ...], c: Join, cause: Cause) -> Decision[Any]:
    """Joins the counter of the same rung, or makes one."""
    if same:
        row = replace(same[0], total=same[0].total + 1)
        return Decision((row,), reply={"counter": same[0].counter_id})
    return Decision((Counter(c.counter_id, 1, rung=c.rung),), reply={"counter": c.counter_id})


class Look(Command):
    """Looks at a counter and at the note of the same id."""

    counter_id: UUID


@dataclass(frozen=True)
class Both:
    """A counter and the note that it names."""

    counter: Counter | None
    note: Note | None


def look(state: Both, c: Look, cause: Cause) -> Decision[Any]:
    """Tells the text of the note."""
    return Decision(reply={"text": None if state.note is None else state.note.text})


JOIN = command(
    "POST /joins",
    Join,
    decide=join,
    state=counters.many("rung", column="rung", order="counter_id", limit=5),
    may="join",
)

JOIN_SMALL = command(
    "POST /small-joins",
    Join,
    decide=join,
    state=counters.many(
        "rung", column="rung", where="total < 3", holds=lambda c: c.total < 3, order="counter_id", limit=5
    ),
    may="join",
)

COUNTER = counters.by("counter_id")
LOOK = command(
    "POST /looks",
    Look,
    decide=look,
    state=State(Both, counter=COUNTER, note=notes.named_in(COUNTER, lambda counter: UUID(int=counter.total))),
    may="look",
)


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=4, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
def processor(pool: database.Pool) -> Processor:
    return Processor(pool, now=lambda: datetime.now(UTC), service="toy")


async def do(processor: Processor, intake: Any, *commands: Command) -> list[Outcome]:
    inputs = [Input(intake, i, c, i, fingerprint=b"f") for c in commands for i in (uuid7(),)]
    return await processor.process(inputs)


def bodies(outcomes: list[Outcome]) -> list[bytes]:
    return [o.body if isinstance(o, Answer) else repr(o).encode() for o in outcomes]


async def test_later_inputs_are_given_what_earlier_ones_of_the_batch_made(
    processor: Processor, pool: database.Pool
) -> None:
    first, second, other = uuid7(), uuid7(), uuid7()
    outcomes = await do(
        processor, JOIN, *(Join(counter_id=i, rung=n) for i, n in ((first, 1), (other, 2), (second, 1)))
    )
    assert bodies(outcomes) == [f'{{"counter":"{i}"}}'.encode() for i in (first, other, first)]
    rows = await pool.fetch("SELECT counter_id, total, version FROM counters ORDER BY total")
    assert [tuple(r) for r in rows] == [(other, 1, 1), (first, 2, 1)]
    # and what was read is given as the batch has changed it
    again = await do(processor, JOIN, *(Join(counter_id=uuid7(), rung=1) for _ in range(3)))
    assert set(bodies(again)) == {f'{{"counter":"{first}"}}'.encode()}
    assert await pool.fetchval("SELECT total FROM counters WHERE counter_id = $1", first) == 5


async def test_a_condition_holds_for_what_the_batch_made_as_for_what_was_read(processor: Processor) -> None:
    ids = [uuid7() for _ in range(8)]
    outcomes = await do(processor, JOIN_SMALL, *(Join(counter_id=i, rung=1) for i in ids[:5]))
    joined = [ids[0]] * 3 + [ids[3]] * 2
    assert bodies(outcomes) == [f'{{"counter":"{i}"}}'.encode() for i in joined]
    outcomes = await do(processor, JOIN_SMALL, *(Join(counter_id=i, rung=1) for i in ids[5:]))
    assert bodies(outcomes) == [f'{{"counter":"{i}"}}'.encode() for i in (ids[3], ids[6], ids[6])]


async def test_a_rule_is_given_the_row_that_another_row_names(processor: Processor, pool: database.Pool) -> None:
    counter, nameless = uuid7(), uuid7()
    note = UUID(int=7)
    await do(processor, toy.NOTE, toy.WriteNote(note_id=note, text="found"))
    await do(processor, toy.ADD, toy.Add(counter_id=counter, number=7), toy.Add(counter_id=nameless, number=8))
    asked = [Look(counter_id=i) for i in (counter, nameless, uuid7(), counter)]
    assert bodies(await do(processor, LOOK, *asked)) == [
        b'{"text":"found"}', b'{"text":null}', b'{"text":null}', b'{"text":"found"}'
    ]  # fmt: skip
