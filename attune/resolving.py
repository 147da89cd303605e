"""What was parked is retried or discarded, one or all that failed for a reason, and what became of it is looked up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from attune.addresses import Addresses, NotReachable

if TYPE_CHECKING:
    from attune.asking import Asking

SEEN_WITHIN_SECONDS = 5.0


async def of_all(asking: Asking, services: Sequence[str], path: str, **asked: Any) -> list[dict[str, Any]]:
    """The rows of one list of several services, each with its service."""
    answers = await asyncio.gather(*(asking.get(s, path, role="operator", **asked) for s in services))
    return [{"service": s, **row} for s, answer in zip(services, answers, strict=True) for row in answer]


async def _ending(asking: Asking, services: Sequence[str], wanted: str) -> list[dict[str, Any]]:
    """The open parked inputs whose ids end so."""
    ending = wanted.replace("-", "").lower()
    return await of_all(asking, services, "/parked", ending=ending) if re.fullmatch("[0-9a-f]{1,32}", ending) else []


async def act_on_all(
    addresses: Addresses, services: Sequence[str], reason: str, action: str, headers: dict[str, str]
) -> None:
    """Everything that failed for a reason. Raises Exit when some of it failed again."""
    from urllib.parse import quote

    from attune.asking import Asking

    failed = False
    async with Asking(addresses) as asking:
        for service in services:
            groups = await of_all(asking, (service,), "/parked/groups")
            # No more than there are now: what fails again would be tried again for ever.
            done, there = 0, sum(int(g["count"]) for g in groups if (g["state"], g["reason"]) == ("failed", reason))
            route = f"POST /parked/{action}?reason={quote(reason)}"
            while done < there and (
                count := (await asking.send(route, service, None, role="operator", headers=headers))["count"]
            ):
                done += count
                typer.echo(f"{action}: {done} of {service}")
            if not done:
                typer.echo(f"nothing of {service} failed for {reason}")
            elif action == "retry" and (again := await _failed_again(asking, service, reason)):
                typer.echo(f"failed again: {again} of {service}")
                failed = True
    if failed:
        raise typer.Exit(1)


async def _failed_again(asking: Asking, service: str, reason: str) -> int:
    """How many stand there for the reason again, once none is being tried any more or some seconds have passed."""
    deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_SECONDS
    while True:
        groups = await of_all(asking, (service,), "/parked/groups")
        if asyncio.get_running_loop().time() > deadline or not any(g["state"] == "retry" for g in groups):
            return sum(int(g["count"]) for g in groups if (g["state"], g["reason"]) == ("failed", reason))
        await asyncio.sleep(0.1)


async def act(addresses: Addresses, services: Sequence[str], wanted: str, action: str, headers: dict[str, str]) -> str:
    """One, by its id or the end of it: what became of it, in words."""
    from attune.asking import Asking

    async with Asking(addresses) as asking:
        row = chosen(await _ending(asking, services, wanted), wanted)
        service, id_ = row["service"], row["id"]
        await asking.send(f"POST /parked/{id_}/{action}", service, None, role="operator", headers=headers)
        if action == "discard":
            return f"discarded {id_} of {service}"
        return await _outcome(asking, service, id_, int(row["attempts"]))


async def _outcome(asking: Asking, service: str, id_: str, attempts: int) -> str:
    """What became of the retry, if that is known soon."""
    deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        rows = {row["id"]: row for row in await _ending(asking, (service,), id_)}
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
