"""`attune replay`: one service reads its topics once more, or part of them, while it works."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from attune.addresses import Addresses, StackOption, readable_errors
from attune.refill import ByName


def replay(
    service: Annotated[str, typer.Argument(help="Which service reads again.")],
    *,
    topics: Annotated[list[str] | None, typer.Option("--topic", help="Only of this topic; may be given again.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="From an instant; by default from the beginning.")
    ] = None,
    partition: Annotated[int | None, typer.Option("--partition", help="Only of this partition, with --offset.")] = None,
    offset: Annotated[int | None, typer.Option("--offset", help="From this offset of the partition.")] = None,
    by: ByName = "operator",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be read.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop what is under way.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    stack: StackOption = "default",
) -> None:
    """Let a service read again what Kafka still has: what it handled before it knows, and has no effect again.

    Nothing need be stopped; a service that does not run begins with it when it starts. The intent is recorded in the
    service's database: it goes on after a crash and when partitions change hands, and Ctrl-C ends only the watching.
    """
    from rich.console import Console

    from attune.asking import Asking, Refusal
    from attune.progress import followed
    from attune.upkeep import Upkeep, chosen, instant

    console = Console(highlight=False, stderr=as_json)

    async def run() -> dict[str, Any]:
        async with Asking(Addresses.running(stack)) as asking:
            of = Upkeep(chosen([service])[0], asking)
            if cancel:
                await of.cancel("replays", by)
                return {"cancelled": service}
            given: dict[str, Any] = {"topics": topics, "partition": partition, "offset": offset}
            given["since"] = instant(since).isoformat() if since else None
            wanted = {name: value for name, value in given.items() if value is not None}
            if dry_run:
                plan = await of.ask_replay(wanted | {"dry_run": True}, None)
                console.print(f"{service} would read {plan['records']:,} records again")
                for s in plan.get("partitions", ()):
                    console.print(
                        f"  {s['topic']}/{s['partition']}: from {s['starts']} to before {s['ends']}", style="dim"
                    )
                return plan
            under_way = await of.latest("replays")
            if under_way is None or under_way["state"] != "open":
                await of.ask_replay(wanted, by)
            rows = await followed(console, "replay", [service], lambda _: of.latest("replays"), "read")
            console.print(f"read again: {rows[service]['read']:,} records; what was known had no effect")
            return dict(rows[service])

    with readable_errors(Refusal):
        report = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(report, indent=2, default=str))
