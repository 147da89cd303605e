"""`attune restore`: a service's database back from a backup, and from there up to what the others know."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from attune.addresses import Addresses, NotReachable, readable_errors
from attune.backup import AdminOption, admin_url, read_manifest, run
from attune.databases import connected
from attune.refill import ByName

if TYPE_CHECKING:
    from rich.console import Console

    from chassis.database import Connection

STOPS_WITHIN_S = 40.0
BACK_WITHIN_S = 3600.0

_OF_APP = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 AND usename = $2)"
_END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY($1::text[])"
_EXISTS = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"


def restore(
    service: Annotated[list[str], typer.Argument(help="Which services' databases.")],
    *,
    backup: Annotated[Path | None, typer.Option("--from", metavar="DIRECTORY", help="A backup.")] = None,
    by: ByName = "operator",
    lost_at: Annotated[
        datetime | None,
        typer.Option(
            "--lost-at", formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"], metavar="INSTANT",
            help="Since when (UTC) the service has surely done nothing; by default since it was stopped for this.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be set back.")] = False,
    settled: Annotated[
        bool, typer.Option("--settled", help="People have seen to what the last restore left to them.")
    ] = False,
    server: AdminOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    stack: Annotated[str, typer.Option("--stack", metavar="NAME", help="Which local stack.")] = "default",
) -> None:  # fmt: skip
    """Set databases back to a backup; each service recalls what it told since, and lives through what came in since.

    The service is stopped for that, the others go on. The database of before is kept beside it under another name.
    Broken off, the same command goes on. What people typed since and no event says stays lost: `attune status`.
    """
    from rich.console import Console

    from attune.upkeep import chosen

    console = Console(highlight=False, stderr=as_json)

    async def all_of_them() -> dict[str, Any]:
        if settled:
            return await _settle(stack, chosen(service), by)
        if backup is None:
            raise NotReachable("say which backup: --from DIRECTORY")
        taken = read_manifest(backup)
        url, local = admin_url(server, stack), stack if server is None else None
        ended = lost_at.replace(tzinfo=UTC) if lost_at is not None else None
        ones = [(s, Restore(console, url, s, backup / taken[s]["file"], taken[s]["taken_at"])) for s in chosen(service)]
        return {s: await one.run(by=by, lost_at=ended, local=local, dry_run=dry_run) for s, one in ones}

    with readable_errors():
        report = asyncio.run(all_of_them())
    if as_json:
        typer.echo(json.dumps(report, indent=2, default=str))


async def _settle(stack: str, services: Sequence[str], by: str) -> dict[str, Any]:
    from attune.asking import Asking
    from attune.upkeep import OPERATOR_HEADER

    async with Asking(Addresses.running(stack)) as asking:
        route, headers = "POST /recalled/settlement", {OPERATOR_HEADER: by}
        return {s: await asking.send(route, s, None, role="operator", headers=headers) for s in services}


class Restore:
    """One database of one service. Until it is swapped nothing has changed but that the service stands still."""

    def __init__(self, console: Console, url: str, service: str, file: Path, taken_at: str) -> None:
        self._console, self._url, self._service, self._file = console, url, service, file
        self._taken_at = datetime.fromisoformat(taken_at)
        self._fresh, self._app = f"{service}_restored", f"{service}_app"
        self._before = f"{service}_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"

    async def run(self, *, by: str, lost_at: datetime | None, local: str | None, dry_run: bool) -> dict[str, Any]:
        """What was done, or with `dry_run` what would be. Raises NotReachable."""
        since, under_way = await self._as_it_is()
        age = datetime.now(UTC) - self._taken_at
        self._say(f"back to {self._taken_at:%Y-%m-%d %H:%M:%S} UTC, {age.total_seconds() / 3600:.1f} hours ago")
        if since is None:
            self._say("its database is not there")
        elif not under_way:
            self._say(f"its database knows {since} events that the backup does not; those in Kafka are recalled")
        if dry_run:
            return {"taken_at": self._taken_at, "told_since": since, "under_way": under_way}
        if under_way:
            self._say("was set back to this backup already and is on its way: nothing is done twice")
            return await self._up_again()
        await self._load()
        await self._shut_out(local)
        await self._swap(lost_at or datetime.now(UTC), by)
        self._say(f"set back; the database of before is {self._before}" if since is not None else "set back")
        if local is None:
            self._say("start it now: it lives up to the present before it opens its doors")
        return {"before": self._before if since is not None else None} | await self._up_again()

    async def _as_it_is(self) -> tuple[int | None, bool]:
        """Events that the backup lacks, None without a database; whether this backup is being lived up already."""
        from chassis import recovery

        if not await self._exists():
            return None, False
        async with self._connected(self._service) as connection:
            query = "SELECT count(*) FROM journal WHERE recorded_at > $1"
            row = await recovery.latest(connection)
            under_way = row is not None and row["state"] == "open" and row["taken_at"] == self._taken_at
            return int(await connection.fetchval(query, self._taken_at)), under_way

    async def _load(self) -> None:
        """Into a database of its own."""
        async with self._connected("postgres") as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{self._fresh}" WITH (FORCE)')
            await connection.execute(f'CREATE DATABASE "{self._fresh}" OWNER "{self._service}_owner"')
            await connection.execute(f'REVOKE ALL ON DATABASE "{self._fresh}" FROM PUBLIC')
            await connection.execute(f"ALTER DATABASE \"{self._fresh}\" SET log_error_verbosity = 'terse'")
        with self._console.status(f"{self._service}: loading") as said:
            arguments = ("--exit-on-error", "--single-transaction", str(self._file))
            loading = asyncio.create_task(
                asyncio.to_thread(run, "pg_restore", *arguments, url=self._url, database=self._fresh)
            )
            async with self._connected("postgres") as connection:
                while not (await asyncio.wait([loading], timeout=0.5))[0]:
                    size = await connection.fetchval("SELECT pg_size_pretty(pg_database_size($1::text))", self._fresh)
                    said.update(f"{self._service}: loading, {size}")
            await loading

    async def _shut_out(self, local: str | None) -> None:
        """The service must not go on with what it knows: nobody may connect until its new process may."""
        async with self._connected("postgres") as connection:
            exists = await self._exists()
            if exists:
                await connection.execute(f'REVOKE CONNECT ON DATABASE "{self._service}" FROM "{self._app}"')
            self._stop_process(local)
            deadline = time.monotonic() + STOPS_WITHIN_S
            while await connection.fetchval(_OF_APP, self._service, self._app):
                if time.monotonic() > deadline:
                    await connection.execute(f'GRANT CONNECT ON DATABASE "{self._service}" TO "{self._app}"')
                    raise NotReachable(f"{self._service} is still connected to its database: stop all of its processes")
                await asyncio.sleep(0.2)

    def _stop_process(self, local: str | None) -> None:
        if local is None:
            self._say("waiting until every process of it is stopped")
            return
        from attune.stack.stack import Stack

        with contextlib.suppress(ProcessLookupError):
            os.kill(int(Stack.running(local).summary["pids"][self._service]), signal.SIGTERM)
        self._say("stopped; its supervisor starts it again")

    async def _swap(self, lost_at: datetime, by: str) -> None:
        """All at once: the intent to live up to the present, the names, and who may connect."""
        from uuid_utils.compat import uuid7

        from chassis import recovery

        async with self._connected(self._fresh) as fresh:
            await recovery.ask(fresh, uuid7(), self._taken_at, lost_at, by)
        async with self._connected("postgres") as connection:
            await connection.execute(_END_ALL, [self._service, self._fresh])
            async with connection.transaction():
                if await self._exists():
                    await connection.execute(f'ALTER DATABASE "{self._service}" RENAME TO "{self._before}"')
                await connection.execute(f'ALTER DATABASE "{self._fresh}" RENAME TO "{self._service}"')
                await connection.execute(f'GRANT CONNECT ON DATABASE "{self._service}" TO "{self._app}"')

    async def _up_again(self) -> dict[str, Any]:
        """Until the service has lived up to the present, whoever starts it."""
        from chassis import recovery

        deadline = time.monotonic() + BACK_WITHIN_S
        with self._console.status(f"{self._service}: waiting for it") as said:
            while True:
                async with self._connected(self._service) as connection:
                    row = await recovery.latest(connection) or {}
                    left = await connection.fetch("SELECT type, count(*) FROM recalled GROUP BY type ORDER BY 1")
                if row.get("state") == "done":
                    break
                if time.monotonic() > deadline:
                    raise NotReachable(f"{self._service} has not come up yet; the same command looks again")
                lived = f"recalled {row['recalled']} events, lived through {row['relived']} of {row['total']} inputs"
                said.update(f"{self._service}: {lived}")
                await asyncio.sleep(0.3)
        self._say(f"recalled {row['recalled']} events that it had told, lived through {row['relived']} inputs again")
        apart = {r[0]: r[1] for r in left}
        if apart:
            told = ", ".join(f"{n} {kind.split('.')[2]}" for kind, n in apart.items())
            self._console.print(
                f"[yellow]told, and not so here any more[/]: {told}; `attune status` names the families"
            )
        return {"recalled": row["recalled"], "relived": row["relived"], "apart": apart}

    async def _exists(self) -> bool:
        async with self._connected("postgres") as connection:
            return bool(await connection.fetchval(_EXISTS, self._service))

    def _connected(self, database: str) -> contextlib.AbstractAsyncContextManager[Connection]:
        dsn = urlsplit(self._url)._replace(path=f"/{database}").geturl()
        return connected(dsn, f"the database {database} does not answer", name="attune-restore", statement_timeout="0")

    def _say(self, what: str) -> None:
        self._console.print(f"{self._service}: {what}")
