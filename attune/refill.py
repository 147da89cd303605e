"""`attune refill`: an emptied broker, or a lost topic, gets its events again from the services' journals."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attune.addresses import Addresses, NotReachable, StackOption, readable_errors
from attune_contracts.catalogue import PARTITIONS, topic

if TYPE_CHECKING:
    from rich.console import Console

    from attune.asking import Asking

EVERYTHING = datetime(2000, 1, 1, tzinfo=UTC)
BROKER_WITHIN_SECONDS = 60.0
HEARD_WITHIN_SECONDS = 2.0
"""Within this every process of a service has heard that a refill is wanted, and publishes nothing new before it."""
TOPIC_DAYS = 14
ByName = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who decides: recorded. Lower case letters, digits and '_.-'.")
]


def refill(
    service: Annotated[list[str] | None, typer.Argument(help="Whose topics; by default all four.")] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="INSTANT", help="How far back: an instant, or 'all'. By default 14 days."),
    ] = None,
    by: ByName = "operator",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop what is under way.")] = False,
    make_topics: Annotated[
        int | None, typer.Option("--make-topics", metavar="N", help="Make missing topics first, with N replicas.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    stack: StackOption = "default",
) -> None:
    """Send events again from the journals: same ids, headers, order and sequence of each key.

    Nothing need be stopped. Each service records the intent and works it through before it publishes anything new, also
    after a crash; Ctrl-C here ends the watching, not the refill, and the same command shows it again. Afterwards the
    readers go back to the beginning of the topics: what they handled before they know, and nothing happens twice.
    """
    from rich.console import Console

    from attune.asking import Asking, Refusal
    from attune.upkeep import chosen

    console = Console(highlight=False, stderr=as_json)

    async def run() -> dict[str, Any]:
        addresses = Addresses.running(stack)
        replicas = make_topics or (None if stack.endswith(".json") else 1)
        async with Asking(addresses) as asking:
            work = _Refill(asking, chosen(service), console, by)
            if cancel:
                return await work.cancel()
            back_to = await work.back_to(since)
            if dry_run:
                return await work.planned(back_to)
            return await work.done(back_to, replicas)

    with readable_errors(Refusal):
        report = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(report, indent=2, default=str))


class _Refill:
    def __init__(self, asking: Asking, services: Sequence[str], console: Console, by: str) -> None:
        from attune.upkeep import Upkeep, readers_of

        self._asking, self._services, self._console, self._by = asking, services, console, by
        self._of = {s: Upkeep(s, asking) for s in ("screening", "referral", "notification", "workforce")}
        self._readers = {s: readers_of(s) for s in services}

    async def back_to(self, since: str | None) -> datetime:
        """The instant that is asked for, as far as every reader would still know what it handled. NotReachable."""
        from attune.upkeep import instant

        wanted = EVERYTHING if since == "all" else instant(since) if since else _days_ago(TOPIC_DAYS)
        readers = sorted({reader for found in self._readers.values() for reader in found})
        known = {reader: await self._of[reader].complete_since() for reader in readers}
        latest = max(known, key=lambda reader: known[reader], default=None)
        if latest is None or known[latest] <= wanted:
            return wanted
        if since == "all":
            return known[latest]
        raise NotReachable(
            f"{latest} has forgotten what it handled before {known[latest]:%Y-%m-%d %H:%M}: older events would take "
            "effect a second time there. Ask for a later instant."
        )

    async def planned(self, since: datetime) -> dict[str, Any]:
        plans = {s: await self._of[s].refill_plan(since) for s in self._services}
        missing = await self._missing()
        self._console.print(_table(plans, self._readers, missing, since))
        return {"since": since, "plan": plans, "missing_topics": missing}

    async def cancel(self) -> dict[str, Any]:
        from attune.asking import Refusal

        cancelled = []
        for s in self._services:
            try:
                await self._of[s].cancel("refills", self._by)
                cancelled.append(s)
            except Refusal as refusal:
                if refusal.rule != "nothing-to-cancel":
                    raise
        self._console.print(f"cancelled: {', '.join(cancelled) or 'nothing was under way'}")
        return {"cancelled": cancelled}

    async def done(self, since: datetime, replicas: int | None) -> dict[str, Any]:
        from attune.progress import followed

        for s in self._services:
            under_way = await self._of[s].latest("refills")
            if under_way is not None and under_way["state"] == "open":
                self._console.print(f"{s}: the refill asked for by {under_way['asked_by'].partition('/')[0]} goes on")
            else:
                await self._of[s].ask_refill(since, self._by)
        # The intent comes first: a topic that is there again takes nothing new before what it lost.
        if missing := await self._missing():
            await asyncio.sleep(HEARD_WITHIN_SECONDS)
            await self._make_topics(missing, replicas)
        refills = await followed(self._console, "refill", self._services, self._latest("refills"), "sent")
        sent = sum(row["sent"] for row in refills.values())
        self._console.print(f"sent again: {sent:,} events of {', '.join(self._services)}")
        return {"since": since, "refills": refills, "replays": await self._readers_go_back()}

    def _latest(self, what: str) -> Any:
        async def look(service: str) -> Mapping[str, Any] | None:
            try:
                return await self._of[service].latest(what)
            except NotReachable:
                return None  # it is being started again: the intent is in its database

        return look

    async def _readers_go_back(self) -> dict[str, Any]:
        """To the beginning: a place in a log that was lost says nothing about the new one."""
        from attune.asking import Refusal
        from attune.progress import followed

        topics: dict[str, list[str]] = {}
        for s, readers in self._readers.items():
            for reader in readers:
                topics.setdefault(reader, []).append(topic(s))
        going = []
        for reader, lost in topics.items():
            try:
                await self._of[reader].ask_replay({"topics": lost}, self._by)
                going.append(reader)
            except Refusal as refusal:
                if refusal.rule == "replay-under-way":
                    going.append(reader)
                elif refusal.rule != "nothing-to-read-again":
                    raise
        replays = await followed(self._console, "replay", going, self._latest("replays"), "read")
        read = sum(row["read"] for row in replays.values())
        self._console.print(
            f"read again: {read:,} records by {', '.join(going) or 'nobody'}; what was known had no effect"
        )
        return replays

    async def _missing(self) -> list[str]:
        """A broker that has just lost everything is often still on its way up."""
        deadline = time.monotonic() + BROKER_WITHIN_SECONDS
        while True:
            try:
                return await self._asking.addresses.broker().missing_topics([topic(s) for s in self._services])
            except Exception as error:
                if time.monotonic() > deadline:
                    raise NotReachable(f"Kafka does not answer ({type(error).__name__})") from None
            await asyncio.sleep(0.5)

    async def _make_topics(self, missing: Sequence[str], replicas: int | None) -> None:
        for name in missing:
            if replicas is None:
                self._console.print(f"[yellow]{name} is missing[/]: run `python -m services.{name[7:]} topics`; I wait")
            else:
                await self._asking.addresses.broker().create_topic(name, partitions=PARTITIONS, replication=replicas)
                self._console.print(f"{name} made with {PARTITIONS} partitions")


def _days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _table(
    plans: Mapping[str, Mapping[str, Any]],
    readers: Mapping[str, Sequence[str]],
    missing: Sequence[str],
    since: datetime,
) -> Any:
    from rich.table import Table

    table = Table(
        title=f"Would be sent again: what was told since {since:%Y-%m-%d %H:%M}", title_justify="left", box=None
    )
    for name in ("topic", "events", "about", "KiB", "oldest", "then read again by"):
        table.add_column(name, justify="right" if name in ("events", "about", "KiB") else "left")
    for s, p in plans.items():
        oldest = str(p["oldest"] or "")[:16].replace("T", " ")
        name = topic(s) + (" (missing)" if topic(s) in missing else "")
        table.add_row(
            name, f"{p['events']:,}", f"{p['keys']:,}", f"{p['bytes'] // 1024:,}", oldest, ", ".join(readers[s])
        )
    return table
