"""`attune case`: everything that happened to one child, across all services, and what waits."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from attune.addresses import SERVICES, Addresses, NotReachable, StackOption, complain, readable_errors
from attune.databases import connected

if TYPE_CHECKING:
    from rich.console import RenderableType

    from attune.timeline import Entry, Open

MOST_CANDIDATES = 10


def case(
    child_id: Annotated[str, typer.Argument(help="The child's id, or the last part of it that others do not share.")],
    as_json: Annotated[bool, typer.Option("--json", help="The timeline as one JSON document.")] = False,
    stack: StackOption = "default",
) -> None:
    """Show one child's timeline across all services, in causal order, and what is left open.

    An anonymous case has the id of its consultation.
    """
    from attune.asking import Refusal
    from attune.timeline import left_open

    with readable_errors(Refusal):
        addresses = Addresses.running(stack)
        found, entries, held_up, now = asyncio.run(_read(addresses, child_id))
    if not entries and not held_up:
        complain(f"no service knows anything about {found}")
    opens = left_open(entries, now) + held_up
    if as_json:
        typer.echo(json.dumps(document(found, entries, opens, now), indent=2))
    else:
        from rich.console import Console

        Console(highlight=False).print(shown(found, entries, opens, now))


_HELD_UP = ("parked", "unpublished", "clock_late")
"""What stands still in the machinery and is in no journal."""


async def _read(addresses: Addresses, wanted: str) -> tuple[UUID, list[Entry], list[Open], datetime]:
    from attune.asking import Asking
    from attune.clock import present
    from attune.timeline import Open
    from attune.wording import words

    child_id = await resolved(addresses, wanted)
    async with Asking(addresses) as asking:
        stuck = await asyncio.gather(*(asking.get(s, "/stuck", role="operator") for s in SERVICES))
        held_up = [
            Open(f"{words(row['what'])} at {s}: {row['detail']}", datetime.fromisoformat(row["since"]), wrong=True)
            for s, rows in zip(SERVICES, stuck, strict=True)
            for row in rows
            if row["child_id"] == str(child_id) and row["what"] in _HELD_UP
        ]
        return child_id, await timeline(addresses, child_id), held_up, await present(asking)


async def timeline(addresses: Addresses, child_id: UUID) -> list[Entry]:
    """What the journals of all services hold about this child, in order. Raises NotReachable or Refusal."""
    from attune.asking import Asking
    from attune.timeline import Entry, in_order

    async with Asking(addresses) as asking:
        answers = await asyncio.gather(
            *(asking.get(service, f"/timeline/{child_id}", role="operator") for service in SERVICES)
        )
    return in_order(Entry.of(service, row) for service, rows in zip(SERVICES, answers, strict=True) for row in rows)


async def resolved(addresses: Addresses, wanted: str) -> UUID:
    """The id that `wanted` is, or is the end of. Raises NotReachable when there is none or more than one."""
    ending = wanted.replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{4,32}", ending):
        raise NotReachable(f"{wanted} is not an id: give the whole of it, or at least its last four digits")
    if len(ending) == 32:
        return UUID(ending)
    found = sorted({id_ for service in ("screening", "referral") for id_ in await _keys(addresses, service, ending)})
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotReachable(f"no child and no case ends with {wanted}")
    listed = "\n  ".join(map(str, found[:MOST_CANDIDATES]))
    raise NotReachable(f"{len(found)} ids end with {wanted}:\n  {listed}")


async def _keys(addresses: Addresses, service: str, ending: str) -> list[UUID]:
    """Record keys with this ending; the one look into a database, since no service answers to parts of ids."""
    dsn = addresses.postgres.get(service)
    if dsn is None:
        raise NotReachable(f"only whole ids can be found here: stack {addresses.name} names no database")
    query = "SELECT key FROM streams WHERE right(replace(key::text, '-', ''), length($1)) = $1 LIMIT 50"
    async with connected(dsn, f"the database of {service} does not answer", name="attune-case") as connection:
        return [row["key"] for row in await connection.fetch(query, ending)]


def document(child_id: UUID, entries: Sequence[Entry], opens: Sequence[Open], now: datetime) -> dict[str, object]:
    """The same for machines."""
    return {
        "child_id": str(child_id),
        "at": now.isoformat(),
        "events": [e.as_dict() for e in entries],
        "open": [{"what": o.what, "since": o.since.isoformat(), "wrong": o.wrong} for o in opens],
    }


def shown(child_id: UUID, entries: Sequence[Entry], opens: Sequence[Open], now: datetime) -> RenderableType:
    """The timeline as a table, with what is left open below it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from attune.wording import SERVICE_STYLES, kind_of, lasting, style_of

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("when", "service", "event", "what"):
        table.add_column(name, no_wrap=name != "what")
    table.add_column("after", justify="right", no_wrap=True)
    before, day = None, None
    for e in entries:
        local = e.at.astimezone()
        when = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
        if local.date() != day:
            day = local.date()
            table.add_row(Text(f"{day:%a %d %b %Y}", "bold"))
        table.add_row(
            Text(when, "dim"),
            Text(e.service, SERVICE_STYLES.get(e.service, "")),
            kind_of(e.type),
            Text(e.said(), style_of(e.event)),
            Text(f"+{lasting(e.at - before)}" if before is not None else "", "dim"),
        )
        before = e.at
    lines = [Text(("!! " if o.wrong else "·  ") + o.said(now), "bold red" if o.wrong else "yellow") for o in opens]
    return Group(
        Text(f"child (or case) {child_id}", "bold"), table, Text(), *(lines or [Text("nothing is left open", "green")])
    )
