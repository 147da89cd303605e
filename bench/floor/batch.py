"""One batch of inputs: one read without locks, decisions in memory, one writing statement that checks every version."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from bench.floor.rules import Case, Pool, Step, derived

LARGEST = 500

_READ = """
SELECT 'd'::"char", id, NULL::int, NULL::jsonb, NULL::int, NULL::int[], NULL::int[]
FROM inbox WHERE id = ANY($1::uuid[])
UNION ALL SELECT 'c', child_id, version, held, NULL, NULL, NULL FROM children WHERE child_id = ANY($2::uuid[])"""
_POOLS = " UNION ALL SELECT 'p', NULL, version, NULL, pool, capacity, used FROM pools WHERE pool = ANY($3::int[])"
_READ_POOLED = _READ + _POOLS

_WRITE = """
WITH i AS (INSERT INTO inbox SELECT unnest($1::uuid[])),
o AS (INSERT INTO outbox (key, headers, data) SELECT * FROM unnest($2::uuid[], $3::text[], $4::bytea[])),
c AS (INSERT INTO children AS t (child_id, version, held)
  SELECT k, v, h::jsonb FROM unnest($5::uuid[], $6::int[], $7::text[]) AS u(k, v, h)
  ON CONFLICT (child_id) DO UPDATE SET version = EXCLUDED.version, held = EXCLUDED.held
  WHERE t.version = EXCLUDED.version - 1 RETURNING 1)"""
_CHECK = "SELECT 1 / ((SELECT count(*) FROM c) = $8::int"
_WRITE_PLAIN = f"{_WRITE} {_CHECK})::int"
_WRITE_POOLED = f"""{_WRITE},
a AS (INSERT INTO assignments SELECT * FROM unnest($9::uuid[], $10::int[])),
p AS (UPDATE pools t SET version = u.v, used = u.used::int[]
  FROM unnest($11::int[], $12::int[], $13::text[]) AS u(pool, v, used)
  WHERE t.pool = u.pool AND t.version = u.v - 1 RETURNING 1)
{_CHECK} AND (SELECT count(*) FROM p) = $14::int)::int"""  # noqa: S608 - put together from constants
LOST = (asyncpg.DivisionByZeroError, asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError)
_ATTEMPTS = 20


class Input(NamedTuple):
    id: UUID
    data: Any
    correlation: str


class Batch:
    """Handles the inputs of one step."""

    def __init__(self, name: str, step: Step) -> None:
        self.name, self.step = name, step
        self.pooled = name == "referral"

    async def handle(self, connection: asyncpg.Connection, inputs: list[Input]) -> None:
        """Repeats a batch that lost a race. Raises the last error after some attempts."""
        for attempt in range(_ATTEMPTS):
            try:
                await self._once(connection, inputs)
            except LOST:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.002 * attempt)
            else:
                return

    async def _once(self, connection: asyncpg.Connection, inputs: list[Input]) -> None:
        ids, children = [i.id for i in inputs], list({i.data.child_id for i in inputs})
        done: set[UUID] = set()
        held: dict[UUID, tuple[int, Any]] = {}
        pools: dict[int, tuple[int, Pool]] = {}
        wanted = (list({i.data.pool for i in inputs}),) if self.pooled else ()
        validate = self.step.state.validate_json
        for kind, key, version, state, pool, capacity, used in await connection.fetch(
            _READ_POOLED if self.pooled else _READ, ids, children, *wanted
        ):
            if kind == b"d":
                done.add(key)
            elif kind == b"c":
                held[key] = version, validate(state)
            else:
                pools[pool] = version, Pool(tuple(capacity), tuple(used))
        await self._decide(connection, inputs, done, held, pools)

    async def _decide(
        self,
        connection: asyncpg.Connection,
        inputs: list[Input],
        done: set[UUID],
        held: dict[UUID, tuple[int, Any]],
        pools: dict[int, tuple[int, Pool]],
    ) -> None:
        now = datetime.now(UTC)
        stamp, decide = now.isoformat(), self.step.decide
        new: list[UUID] = []
        changed: dict[UUID, Any] = {}
        keys: list[UUID] = []
        headers: list[str] = []
        data: list[bytes] = []
        cases: list[Case] = []
        for i in inputs:
            if i.id in done:
                continue
            done.add(i.id)
            new.append(i.id)
            child = i.data.child_id
            version, pool = pools[i.data.pool] if self.pooled else (0, None)
            decided = decide(changed.get(child) or held.get(child, (0, ()))[1], i.data, pool, now)
            if decided is None:
                continue
            changed[child], pool, event = decided
            if self.pooled:
                pools[i.data.pool] = version, pool
                cases.append(changed[child][-1])
            keys.append(child)
            data.append(event.__pydantic_serializer__.to_json(event))
            headers.append(json.dumps({
                "ce_specversion": "1.0", "ce_id": str(derived(i.id, 1)), "ce_type": type(event).__name__,
                "ce_source": f"/floor/{self.name}", "ce_time": stamp, "ce_subject": str(child),
                "content-type": "application/json", "ce_correlationid": i.correlation, "ce_causationid": str(i.id),
            }))  # fmt: skip
        if not new:
            return
        order, dump = sorted(changed), self.step.state.dump_json
        arguments: list[Any] = [
            new, keys, headers, data,
            order, [held[k][0] + 1 if k in held else 1 for k in order], [dump(changed[k]).decode() for k in order],
            len(order),
        ]  # fmt: skip
        if self.pooled:
            arguments += [[c.consultation_id for c in cases], [c.practitioner for c in cases], list(pools)]
            arguments += [[v + 1 for v, _ in pools.values()]]
            arguments += [[_array(p.used) for _, p in pools.values()], len(pools)]
        await connection.fetchval(_WRITE_POOLED if self.pooled else _WRITE_PLAIN, *arguments)


def _array(values: tuple[int, ...]) -> str:
    return "{" + ",".join(map(str, values)) + "}"
