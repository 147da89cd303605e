"""`attune parked`: inputs that could not be handled, and their way out by an operator with a name."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attune.addresses import SERVICES, Addresses, NotReachable, StackOption, complain, readable_errors

if TYPE_CHECKING:
    from rich.console import RenderableType

    from attune.asking import Asking

OPERATOR_HEADER = "X-Operator"
REASON_HEADER = "X-Reason"
CODE = r"[a-z0-9][a-z0-9_.-]{0,63}"
SEEN_WITHIN_SECONDS = 5.0

parked = typer.Typer(help="List what could not be handled; retry or discard it, by name.", invoke_without_command=True)

OfService = Annotated[str | None, typer.Option("--service", help="Only of this service.")]
ById = Annotated[str, typer.Argument(metavar="ID", help="The id as listed, or the last part of it.")]
ByName = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who decides: recorded. Lower case letters, digits and '_.-'.")
]


@parked.callback()
def listed(
    context: typer.Context,
    service: OfService = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    resolved: Annotated[
        bool, typer.Option("--all", help="Also those that were retried with success or discarded.")
    ] = False,
    stack: StackOption = "default",
) -> None:
    """List parked inputs, oldest first, with the reason; the first of a key holds those behind it."""
    context.obj = stack, service
    if context.invoked_subcommand is not None:
        return
    from attune.asking import Refusal

    with readable_errors(Refusal):
        rows = asyncio.run(_list(Addresses.running(stack), (service,) if service else SERVICES, resolved=resolved))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console

    Console(highlight=False).print(shown(rows, datetime.now(UTC)))


@parked.command()
def retry(id_: ById, by: ByName, context: typer.Context, service: OfService = None) -> None:
    """Try a parked input again, and after it those of its key that wait behind it."""
    _resolve(context, service, id_, "retry", {OPERATOR_HEADER: by})


@parked.command()
def discard(
    id_: ById,
    by: ByName,
    context: typer.Context,
    service: OfService = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="CODE", help="Why, as a word such as 'not_ours': recorded, never a text."),
    ] = None,
) -> None:
    """Give a parked input up for good; those of its key that wait behind it go on."""
    _resolve(context, service, id_, "discard", {OPERATOR_HEADER: by} | ({REASON_HEADER: reason} if reason else {}))


def _resolve(context: typer.Context, service: str | None, id_: str, action: str, headers: dict[str, str]) -> None:
    from attune.asking import Refusal

    for header, value in headers.items():
        if not re.fullmatch(CODE, value):
            complain(f"{value!r} cannot be recorded as {header}: lower case letters, digits and '_.-' only", 2)
    stack, of = context.obj
    services = tuple(filter(None, (service or of,))) or SERVICES
    with readable_errors(Refusal):
        typer.echo(asyncio.run(_act(Addresses.running(stack), services, id_, action, headers)))


async def _list(addresses: Addresses, services: Sequence[str], *, resolved: bool = False) -> list[dict[str, Any]]:
    from attune.asking import Asking

    async with Asking(addresses) as asking:
        return await _rows(asking, services, resolved=resolved)


async def _rows(asking: Asking, services: Sequence[str], *, resolved: bool) -> list[dict[str, Any]]:
    asked = (asking.get(s, "/parked", role="operator", resolved=resolved) for s in services)
    answers = await asyncio.gather(*asked)
    rows = [{"service": s, **row} for s, answer in zip(services, answers, strict=True) for row in answer]
    return sorted(rows, key=lambda row: str(row["parked_at"]))


async def _act(addresses: Addresses, services: Sequence[str], wanted: str, action: str, headers: dict[str, str]) -> str:
    from attune.asking import Asking

    async with Asking(addresses) as asking:
        row = chosen(await _rows(asking, services, resolved=False), wanted)
        service, id_ = row["service"], row["id"]
        await asking.send(f"POST /parked/{id_}/{action}", service, None, role="operator", headers=headers)
        if action == "discard":
            return f"discarded {id_} of {service}"
        return await _outcome(asking, service, id_, int(row["attempts"]))


async def _outcome(asking: Asking, service: str, id_: str, attempts: int) -> str:
    """What became of the retry, if that is known soon."""
    deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        rows = {row["id"]: row for row in await _rows(asking, (service,), resolved=False)}
        row = rows.get(id_)
        if row is None or row["state"] == "done":
            return f"handled {id_} of {service}"
        if row["state"] == "failed" and int(row["attempts"]) > attempts:
            return f"failed again, {row['reason']} {row['detail']}: {id_} of {service} stays parked"
        await asyncio.sleep(0.1)
    return f"{id_} of {service} will be tried again"


def chosen(rows: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    """The one open parked input whose id is or ends with `wanted`. Raises NotReachable."""
    ending = wanted.replace("-", "").lower()
    found = [row for row in rows if ending and row["id"].replace("-", "").endswith(ending)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotReachable(f"no parked input has the id {wanted}: `attune parked` lists them")
    services = ", ".join(dict.fromkeys(row["service"] for row in found))
    if len({row["id"] for row in found}) == 1:
        raise NotReachable(f"{wanted} is parked in {services}: say which with --service")
    raise NotReachable(f"{len(found)} parked inputs have ids that end with {wanted}: give more of the id")


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
