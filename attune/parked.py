"""`attune parked`: inputs that could not be handled, and their way out by an operator with a name."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attune.addresses import SERVICES, Addresses, StackOption, complain, readable_errors
from attune.resolving import act, act_on_all, of_all

if TYPE_CHECKING:
    from rich.console import RenderableType

    from attune.asking import Asking

OPERATOR_HEADER = "X-Operator"
REASON_HEADER = "X-Reason"
CODE = r"[a-z0-9][a-z0-9_.-]{0,63}"
LISTED = 100
"""When more are parked they are shown in groups: what they are, and why."""

parked = typer.Typer(help="List what could not be handled; retry or discard it, by name.", invoke_without_command=True)

OfService = Annotated[str | None, typer.Option("--service", help="Only of this service.")]
ById = Annotated[str | None, typer.Argument(metavar="[ID]", help="The id as listed, or the last part of it.")]
AllOf = Annotated[
    str | None, typer.Option("--all-of", metavar="REASON", help="Instead of one: all that failed for this reason.")
]
ByName = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who decides: recorded. Lower case letters, digits and '_.-'.")
]


@parked.callback()
def listed(
    context: typer.Context,
    *,
    service: OfService = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    resolved: Annotated[
        bool, typer.Option("--all", help="Also those that were retried with success or discarded.")
    ] = False,
    rows: Annotated[bool, typer.Option("--rows", help="Each one, however many there are.")] = False,
    stack: StackOption = "default",
) -> None:
    """List parked inputs, oldest first, with the reason; the first of a key holds those behind it.

    Where there are many, they are shown in groups by what they are and why they are parked.
    """
    context.obj = stack, service
    if context.invoked_subcommand is not None:
        return
    from attune.asking import Refusal

    of = (service,) if service else SERVICES
    each = rows or as_json or resolved
    with readable_errors(Refusal):
        found, groups = asyncio.run(_list(Addresses.running(stack), of, resolved=resolved, each=each))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console

    now = datetime.now(UTC)
    Console(highlight=False).print(grouped(groups, now) if groups else shown(found, now))


@parked.command()
def retry(
    by: ByName, context: typer.Context, id_: ById = None, service: OfService = None, all_of: AllOf = None
) -> None:
    """Try a parked input again, and after it those of its key that wait behind it."""
    _resolve(context, service=service, id_=id_, all_of=all_of, action="retry", headers={OPERATOR_HEADER: by})


@parked.command()
def discard(
    *,
    by: ByName,
    context: typer.Context,
    id_: ById = None,
    service: OfService = None,
    all_of: AllOf = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="CODE", help="Why, as a word such as 'not_ours': recorded, never a text."),
    ] = None,
) -> None:
    """Give a parked input up for good; those of its key that wait behind it go on."""
    headers = {OPERATOR_HEADER: by} | ({REASON_HEADER: reason} if reason else {})
    _resolve(context, service=service, id_=id_, all_of=all_of, action="discard", headers=headers)


def _resolve(
    context: typer.Context,
    *,
    service: str | None,
    id_: str | None,
    all_of: str | None,
    action: str,
    headers: dict[str, str],
) -> None:
    from attune.asking import Refusal

    for header, value in headers.items():
        if not re.fullmatch(CODE, value):
            complain(f"{value!r} cannot be recorded as {header}: lower case letters, digits and '_.-' only", 2)
    if (id_ is None) == (all_of is None):
        complain("name one by its id, or all that failed for a reason with --all-of", 2)
    stack, of = context.obj
    services = tuple(filter(None, (service or of,))) or SERVICES
    with readable_errors(Refusal):
        if id_ is not None:
            typer.echo(asyncio.run(act(Addresses.running(stack), services, id_, action, headers)))
        else:
            asyncio.run(act_on_all(Addresses.running(stack), services, all_of or "", action, headers))


async def _list(
    addresses: Addresses, services: Sequence[str], *, resolved: bool, each: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The parked inputs, or, where they are many and not each is asked for, groups of them."""
    from attune.asking import Asking

    async with Asking(addresses) as asking:
        if not each:
            groups = await of_all(asking, services, "/parked/groups")
            if sum(int(group["count"]) for group in groups) > LISTED:
                return [], sorted(groups, key=lambda group: -int(group["count"]))
        rows = await asyncio.gather(*(_pages(asking, service, resolved=resolved) for service in services))
        return sorted((row for of in rows for row in of), key=lambda row: str(row["parked_at"])), []


async def _pages(asking: Asking, service: str, *, resolved: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        after = {"after": rows[-1]["id"]} if rows else {}
        page = await asking.get(service, "/parked", role="operator", resolved=resolved, limit=2000, **after)
        rows += ({"service": service, **row} for row in page)
        if len(page) < 2000:
            return rows


def shown(rows: Sequence[Mapping[str, Any]], now: datetime) -> RenderableType:
    """Parked inputs as a table."""
    from rich.table import Table
    from rich.text import Text

    from attune.wording import SERVICE_STYLES, lasting

    if not rows:
        return Text("nothing is parked", "green")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("id", "service", "since", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("what, and why")
    styles = {"failed": "bold red", "queued": "yellow", "retry": "cyan"}
    for row in rows:
        service, state = str(row["service"]), str(row["state"])
        since = now - datetime.fromisoformat(str(row["parked_at"]))
        table.add_row(
            _end(row["id"]),
            Text(service, SERVICE_STYLES.get(service, "")),
            lasting(since),
            Text(state, styles.get(state, "dim")),
            why(row),
        )
    return table


def grouped(groups: Sequence[Mapping[str, Any]], now: datetime) -> RenderableType:
    """How many are parked of what and why, as a table."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from attune.wording import SERVICE_STYLES, kind_of, lasting, words

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("count", "service", "since", "state", "what, and why"):
        table.add_column(name, no_wrap=name != "what, and why", justify="right" if name == "count" else "left")
    for group in groups:
        service = str(group["service"])
        what = kind_of(group["type"]) if group.get("type") else str(group["intake"])
        detail = f" ({group['detail']})" if group["detail"] else ""
        since = lasting(now - datetime.fromisoformat(str(group["since"])))
        table.add_row(
            str(group["count"]),
            Text(service, SERVICE_STYLES.get(service, "")),
            since,
            str(group["state"]),
            f"{what}: {words(group['reason'])}{detail}",
        )
    total = sum(int(group["count"]) for group in groups)
    return Group(table, Text(f"{total} in all; --rows lists each, --all-of REASON resolves all of one reason", "dim"))


def why(row: Mapping[str, Any]) -> str:
    """What it was and what is wrong with it, in one line."""
    from attune.wording import kind_of, words

    what = kind_of(row["type"]) if row.get("type") else str(row["intake"])
    key = str(row["key"] or "")
    if what == "unreadable":
        what = f"record {row['topic']}/{row['partition']}/{row['offset']}"
    if key and not key.startswith("raw:"):
        what += f" about {_end(key)}"
    if row["state"] == "queued":
        return f"{what}: waits for the one before it"
    detail = f" ({row['detail']})" if row["detail"] else ""
    tries = f", tried {row['attempts']} times" if int(row["attempts"]) > 1 else ""
    by = f", {row['state']} by {str(row['resolved_by']).partition('/')[0]}" if row.get("resolved_by") else ""
    return f"{what}: {words(row['reason'])}{detail}{tries}{by}"


def _end(id_: object) -> str:
    return str(id_).replace("-", "")[-8:]
