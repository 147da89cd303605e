"""`attune clock`: what time it is for the services, and setting it ahead where a stack allows that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from attune.addresses import SERVICES, StackOption, complain, readable_errors
from attune.asking import Asking, Refusal

ROUTE = "/operator/clock"
NOT_ALLOWED = "the time of this stack cannot be set: start it with `attune up --time-can-be-set`"


async def time_of(asking: Asking) -> datetime:
    """The present instant of the system: that of its latest service. Raises Refusal or NotReachable."""
    told = await asyncio.gather(*(asking.get(s, ROUTE, role="operator") for s in asking.addresses.services))
    return max(datetime.fromisoformat(answer["now"]) for answer in told)


async def set_ahead(asking: Asking, to: datetime) -> None:
    """Sets the time of every service ahead, all at once. Raises Refusal or NotReachable."""
    body = {"now": to.isoformat()}
    services = [s for s in SERVICES if s in asking.addresses.services]
    await asyncio.gather(*(asking.send(f"PUT {ROUTE}", s, body, role="operator") for s in services))


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
            return await time_of(asking)

    with readable_errors():
        try:
            typer.echo(f"{asyncio.run(told()):%Y-%m-%d %H:%M:%S} UTC")
        except Refusal as refusal:
            complain(NOT_ALLOWED if refusal.status == 404 else str(refusal))
