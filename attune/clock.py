"""`attune clock`: what time it is for the services, and setting it ahead where a stack allows that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from attune.addresses import SERVICES, StackOption, complain, readable_errors
from attune.asking import Asking, Refusal

ROUTE = "/operator/clock"
NOT_ALLOWED = (
    "this stack goes by the machine's time, which cannot be set: `attune down`, then `attune up --time-can-be-set`"
)


async def time_of(asking: Asking, service: str | None = None) -> datetime:
    """The present instant of one service, or of the system: that of its latest. Raises Refusal or NotReachable."""
    asked = [service] if service is not None else asking.addresses.services
    told = await asyncio.gather(*(asking.get(s, ROUTE, role="operator") for s in asked))
    return max(datetime.fromisoformat(answer["now"]) for answer in told)


async def present(asking: Asking) -> datetime:
    """The instant that the system goes by: this machine's where its time cannot be set. Raises as `time_of`."""
    try:
        return await time_of(asking)
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        return datetime.now(UTC)


async def set_ahead(asking: Asking, to: datetime, *, settle: Callable[[], Awaitable[None]] | None = None) -> None:
    """Sets the time of every service ahead; only then one after the other does what has come due.

    `settle` is awaited after each service that had something to do: whoever needs the same events each time gives it.
    Raises Refusal or NotReachable, and what `settle` raises.
    """
    services = [s for s in SERVICES if s in asking.addresses.services]
    body = {"now": to.isoformat()}
    hold = body | {"clocks": "hold"}
    await asyncio.gather(*(asking.send(f"PUT {ROUTE}", s, hold, role="operator") for s in services))
    for service in services:
        answer = await asking.send(f"PUT {ROUTE}", service, body, role="operator")
        if settle is not None and answer["came_due"] != 0:
            await settle()


async def let_pass(asking: Asking, time: timedelta) -> datetime:
    """Lets so much time pass at once; the instant that it is then."""
    to = await time_of(asking) + time
    await set_ahead(asking, to)
    return to


def clock(
    to: Annotated[datetime | None, typer.Option(help="Set it ahead to this instant (UTC).")] = None,
    days: Annotated[float, typer.Option(min=0, help="Let so many days pass.")] = 0,
    hours: Annotated[float, typer.Option(min=0, help="Let so many hours pass.")] = 0,
    stack: StackOption = "default",
) -> None:
    """Show the time that the services go by, or set it ahead: for demonstrations, never for production."""
    from attune.addresses import Addresses

    async def told() -> datetime:
        async with Asking(Addresses.running(stack)) as asking:
            passing = timedelta(days=days, hours=hours)
            if to is not None:
                await set_ahead(asking, to.replace(tzinfo=UTC))
            elif passing:
                await let_pass(asking, passing)
            return await present(asking)

    with readable_errors():
        try:
            typer.echo(f"{asyncio.run(told()):%Y-%m-%d %H:%M:%S} UTC")
        except Refusal as refusal:
            complain(NOT_ALLOWED if refusal.status == 404 else str(refusal))
