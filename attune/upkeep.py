"""One service's machinery as an operator reaches it: by HTTP, or in its database while the service does not run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attune.addresses import SERVICES, Addresses, NotReachable
from attune.databases import connected
from attune_contracts.catalogue import CATALOGUE, topic

if TYPE_CHECKING:
    from attune.asking import Asking
    from chassis.database import Connection

OPERATOR_HEADER = "X-Operator"


def readers_of(service: str) -> list[str]:
    """Who reads the topic of `service`, as the catalogue says."""
    return sorted({reader for e in CATALOGUE.values() if e.service == service for reader in e.readers})


def read_by(service: str) -> list[str]:
    """The topics that `service` reads, as the catalogue says."""
    return [topic(writer) for writer in SERVICES if service in readers_of(writer)]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What may be asked of one service. Raises Refusal, or NotReachable where neither way is open."""

    service: str
    asking: Asking

    @property
    def _addresses(self) -> Addresses:
        return self.asking.addresses

    async def complete_since(self) -> datetime:
        """Since when this service's inbox knows every event that it handled."""
        try:
            return datetime.fromisoformat((await self._get("/standing"))["inbox_since"])
        except NotReachable:
            async with self._database() as connection:
                found: datetime = await connection.fetchval("SELECT inbox_since FROM kept")
                return found

    async def refill_plan(self, since: datetime) -> dict[str, Any]:
        try:
            return dict(await self._post("/refills", {"since": since.isoformat(), "dry_run": True}))
        except NotReachable:
            from chassis import refill

            async with self._database() as connection:
                return await refill.plan(connection, since)

    async def ask_refill(self, since: datetime, by: str) -> None:
        """Records the intent. The service works it through, now or when it starts."""
        try:
            await self._post("/refills", {"since": since.isoformat()}, by)
        except NotReachable:
            from chassis import refill

            async with self._database() as connection:
                await refill.ask(connection, since, by)

    async def cancel(self, what: str, by: str) -> None:
        """`what` is refills or replays."""
        await self._post(f"/{what}/cancellation", None, by)

    async def latest(self, what: str) -> dict[str, Any] | None:
        """The refill or replay (`what` in the plural) that is under way, or the last one."""
        try:
            rows = await self._get(f"/{what}")
        except NotReachable:
            from chassis import refill, replay

            async with self._database() as connection:
                rows = await (refill if what == "refills" else replay).listed(connection)
        return rows[0] if rows else None

    async def ask_replay(self, wanted: Mapping[str, Any], by: str | None) -> dict[str, Any]:
        """Records the intent to read again, or tells what that would be. The service need not be stopped."""
        try:
            return dict(await self._post("/replays", wanted, by))
        except NotReachable:
            return await self._replay_at_start(wanted, by)

    async def _replay_at_start(self, wanted: Mapping[str, Any], by: str | None) -> dict[str, Any]:
        from chassis import replay
        from chassis.topics import group_of, stretches

        if wanted.get("offset") is not None:
            raise NotReachable(f"{self.service} does not run: start it to read again from an offset")
        since = datetime.fromisoformat(wanted["since"]) if wanted.get("since") else None
        topics = wanted.get("topics") or read_by(self.service)
        found = await stretches(self._addresses.broker(), group_of(self.service), topics, since=since)
        told = {"records": sum(s.ends - s.starts for s in found)}
        if not wanted.get("dry_run") and found:
            async with self._database() as connection:
                await replay.ask(connection, found, by or "")
        return told

    async def _get(self, path: str) -> Any:
        return await self.asking.get(self.service, path, role="operator")

    async def _post(self, path: str, body: Mapping[str, Any] | None, by: str | None = None) -> Any:
        headers = {OPERATOR_HEADER: by} if by else None
        given = dict(body) if body is not None else None
        return await self.asking.send(f"POST {path}", self.service, given, role="operator", headers=headers)

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[Connection]:
        dsn = self._addresses.postgres.get(self.service)
        if dsn is None:
            raise NotReachable(f"{self.service} does not answer, and no database of it is named here")
        otherwise = f"neither {self.service} nor its database answers"
        async with connected(dsn, otherwise, name="attune-upkeep") as connection:
            yield connection


def chosen(names: Sequence[str] | None) -> tuple[str, ...]:
    """The services that are named, or all. Raises NotReachable for another name."""
    for name in names or ():
        if name not in SERVICES:
            raise NotReachable(f"there is no service {name}: {', '.join(SERVICES)}")
    return tuple(s for s in SERVICES if not names or s in names)


def instant(text: str) -> datetime:
    """An instant as it was typed: a date or a date with time, in local time unless it says another. NotReachable."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotReachable(f"{text} is no instant: write 2026-11-23 or 2026-11-23T14:30") from None
    return found.astimezone()
