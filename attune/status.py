"""`attune status`: in one look whether every service is well, which family waits where, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attune.addresses import SERVICES, Addresses, NotReachable, StackOption, readable_errors

if TYPE_CHECKING:
    from rich.console import RenderableType

    from attune.asking import Asking

SHOWN = 40

HELP = {
    "unpublished": "Kafka or the relay: attune doctor; runbook OutboxOld",
    "parked": "attune parked; retry or discard it, by name",
    "clock_late": "the service's log; runbook ClockLate",
    "unsettled": "the referral service's log; runbook ClockLate",
    "no_consultation": "the task of the team's leads; attune case CHILD: was it parked at referral?",
    "breached": "the owner of the task",
    "task_overdue": "the owner of the task, or the team's lead",
    "doubtful": "ask whether it arrived: POST /messages/ID/doubt",
    "suppressed": "PUT /recipients/ID or PUT /duties/DUTY, then POST /messages/ID/repeat",
    "failed": "mend the address: POST /messages/ID/repeat",
    "unsent": "readiness of notification: channels_failing",
    "told_before": "told before the restore: enter it again, or tell people",
}
"""What to do about each kind of what must not be so."""


def status(
    *,
    every: Annotated[bool, typer.Option("--all", help="Also what waits as it should.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    stack: StackOption = "default",
) -> None:
    """Show whether every service is well and which families are stuck, where, since when, why, and what to do.

    Exit status 1 when a service is not ready or something is stuck that must not be.
    """
    from attune.asking import Refusal

    with readable_errors(Refusal):
        found = asyncio.run(look(Addresses.running(stack)))
    wrong = [row for row in found["stuck"] if row["wrong"]]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        from rich.console import Console

        Console(highlight=False).print(shown(found, every=every))
    if wrong or not all(s["ready"] for s in found["services"].values()):
        raise typer.Exit(1)


async def look(addresses: Addresses) -> dict[str, Any]:
    """Standing and stuck families of all services; one that does not answer is shown as that. Raises Refusal."""
    from attune.asking import Asking

    async with Asking(addresses) as asking:
        answers = await asyncio.gather(*(_of(asking, s) for s in SERVICES))
    stuck = [{"service": s, **row} for s, (_, rows) in zip(SERVICES, answers, strict=True) for row in rows]
    stuck.sort(key=lambda row: (not row["wrong"], row["since"]))
    return {"services": {s: standing for s, (standing, _) in zip(SERVICES, answers, strict=True)}, "stuck": stuck}


async def _of(asking: Asking, service: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        standing = await asking.get(service, "/standing", role="operator")
        return standing, await asking.get(service, "/stuck", role="operator")
    except NotReachable as error:
        return {"ready": False, "unreachable": str(error)}, []


def shown(found: Mapping[str, Any], *, every: bool) -> RenderableType:
    """Services first, then what is stuck, the longest first."""
    from rich.console import Group
    from rich.text import Text

    rows = [row for row in found["stuck"] if row["wrong"] or every]
    waiting = sum(not row["wrong"] for row in found["stuck"])
    parts: list[RenderableType] = [_services(found["services"]), Text()]
    silent = [name for name, standing in found["services"].items() if "unreachable" in standing]
    if rows:
        parts.append(_stuck(rows[:SHOWN], found["services"]))
    if silent:
        parts.append(Text(f"which families are stuck at {', '.join(silent)} is not known", "bold red"))
    elif not rows:
        parts.append(Text("no family is stuck", "green"))
    if len(rows) > SHOWN:
        parts.append(Text(f"... and {len(rows) - SHOWN} more: --json", "dim"))
    if waiting and not every:
        parts.append(Text(f"{waiting} wait as they should: --all", "dim"))
    return Group(*parts)


def _services(services: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from attune.wording import SERVICE_STYLES

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("service", "ready", "outbox", "parked", "what else"):
        table.add_column(name, no_wrap=name != "what else")
    for s, standing in services.items():
        who = Text(s, SERVICE_STYLES.get(s, ""))
        if "unreachable" in standing:
            table.add_row(who, Text("no answer", "bold red"), "", "", standing["unreachable"])
            continue
        ready = Text("yes", "green") if standing["ready"] else Text("no", "bold red")
        parked = standing["parked_failed"]
        behind = f" +{standing['parked_behind']}" if standing["parked_behind"] else ""
        table.add_row(who, ready, _outbox(standing), f"{parked}{behind}", "; ".join(_else(standing)))
    return table


def _outbox(standing: Mapping[str, Any]) -> str:
    from attune.wording import lasting

    if not standing["outbox_events"]:
        return "0"
    return (
        f"{standing['outbox_events']} for {lasting(_at(standing) - datetime.fromisoformat(standing['outbox_since']))}"
    )


def _at(standing: Mapping[str, Any]) -> datetime:
    """The time of the service, which may be set ahead."""
    return datetime.fromisoformat(standing["at"])


def _else(standing: Mapping[str, Any]) -> list[str]:
    said = [f"{part} says no" for part, well in standing["detail"].get("parts", {}).items() if not well]
    if (refill := standing.get("refill")) is not None:
        said.append(f"refilling: {refill['sent']} of {refill['total']}")
    if (replay := standing.get("replay")) is not None:
        said.append(f"reading again: {replay['read']} of {replay['total']}")
    said += [
        f"channel {name} fails: {why['reason']}" for name, why in standing["detail"].get("channels_failing", {}).items()
    ]
    return said


def _stuck(rows: Sequence[Mapping[str, Any]], services: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from attune.wording import SERVICE_STYLES, lasting

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("child", "service", "for", "what", "why", "what to do"):
        table.add_column(name, no_wrap=name in ("child", "service", "for", "what"))
    for row in rows:
        who = row["child_id"] or row["about"] or ""
        table.add_row(
            str(who).replace("-", "")[-8:],
            Text(row["service"], SERVICE_STYLES.get(row["service"], "")),
            lasting(_at(services[row["service"]]) - datetime.fromisoformat(row["since"])),
            Text(row["what"].replace("_", " "), "bold red" if row["wrong"] else "yellow"),
            row["detail"] or "",
            Text(HELP.get(row["what"], "") if row["wrong"] else "", "dim"),
        )
    return table
