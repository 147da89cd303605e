"""PostgreSQL: one pool with every timeout set, and one answer to "is this error worth another try?"."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import asyncpg
import asyncpg.protocol.protocol as asyncpg_protocol
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

ACQUIRE_SECONDS = 5.0
COMMAND_SECONDS = 15.0

_SESSION = {
    "application_name": "attune",
    "statement_timeout": "10000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "15000",
    "timezone": "UTC",
    # One plan for ever for the few statements of the processor, made while tables may still be empty: it must be the
    # index plan, and it must not be made anew for every batch.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "jit": "off",
}


TRANSACTION_SECONDS = 30
"""Longest transaction of a pooled session. A machine that is lost between two words of one statement leaves a session
that counts as active, with its locks: no other timeout of PostgreSQL ends it."""


def only_lists_are_arrays() -> None:
    """Tells asyncpg that nothing but lists and tuples is an array: it asks two abstract classes about every element.

    A thirtieth of what a service does under load. These are names of asyncpg's own; `tests/chassis/test_database.py`
    holds that it still asks them.
    """
    asyncpg_protocol.IterableABC = list | tuple
    asyncpg_protocol.SizedABC = object


async def connect_pool(dsn: str, *, size: int, name: str) -> Pool:
    """A pool whose connections are all open; raises whatever asyncpg raises when the server is away."""
    only_lists_are_arrays()
    return await asyncpg.create_pool(
        dsn,
        min_size=size,
        max_size=size,
        max_inactive_connection_lifetime=0,
        command_timeout=COMMAND_SECONDS,
        timeout=ACQUIRE_SECONDS,
        statement_cache_size=200,
        reset=_keep_session,
        server_settings=_SESSION | {"application_name": name, "transaction_timeout": f"{TRANSACTION_SECONDS}s"},
    )


async def _keep_session(_: object) -> None:
    """Nobody changes the session of a pooled connection, so asyncpg's resetting round trip after each use is left out.

    A transaction that was left open is rolled back all the same.
    """


async def connect(dsn: str, *, name: str, **session: str) -> asyncpg.Connection[asyncpg.Record]:
    """One connection of its own, for work that must not share (the relay's lock, a migration)."""
    return await asyncpg.connect(
        dsn,
        command_timeout=COMMAND_SECONDS,
        timeout=ACQUIRE_SECONDS,
        server_settings=_SESSION | {"application_name": name} | session,
    )


_LOST_RACE = (
    asyncpg.DivisionByZeroError,  # the writing statement counted fewer rows than it was given
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
AWAY = (
    OSError,  # includes ConnectionError and, since 3.11, asyncio's TimeoutError
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
)
"""What asyncpg raises while the server, or the way to it, is away. InternalClientError is among it: a session that is
lost in the middle of an exchange is "in progress" for asyncpg, and it refuses the next command."""
_IMPOSSIBLE = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)


def is_lost_race(error: BaseException) -> bool:
    """Somebody else changed a row that was read: the same batch, read again, may succeed at once."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return bool(error.constraint_name == "inbox_pkey")
    if isinstance(error, asyncpg.CheckViolationError):
        # The bound of a partition has no name: its month was made while the row waited at the partition for the rest.
        return error.constraint_name is None
    return isinstance(error, _LOST_RACE)


def is_away(error: BaseException) -> bool:
    """The database, or the way to it, is not there now: wait and try the same again."""
    return isinstance(error, AWAY)


def is_impossible(error: BaseException) -> bool:
    """A constraint or a type said no: trying the same input again cannot help."""
    return isinstance(error, _IMPOSSIBLE) and not is_lost_race(error)
