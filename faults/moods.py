"""How each fault on the mail server is made: down, slow, refusing for now or for good, silent after a letter."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from faults.clocks import go_to_work
from faults.plan import Fault
from faults.site import Site, until
from faults.strikes import Strike, Told

FELT_WITHIN = 12.0
"""Seconds beyond what a bad mood lasts, until somebody has felt it at least once."""


async def mail_down(site: Site, fault: Fault) -> Told:
    site.proxies.smtp.make("refuse")
    try:
        await asyncio.sleep(fault.lasts)
    finally:
        site.proxies.smtp.heal()
    return {}


async def mail_slow(site: Site, fault: Fault) -> Told:
    site.proxies.smtp.make("latency", fault.numbers["milliseconds"])
    try:
        await asyncio.sleep(fault.lasts)
    finally:
        site.proxies.smtp.heal()
    return {}


def mail_says(mood: str) -> Strike:
    """The mail server refuses every recipient."""

    async def strike(site: Site, fault: Fault) -> Told:
        proxy, postbox = site.proxies.smtp, site.proxies.postbox
        before, real = postbox.refused, proxy.upstream
        postbox.mood, proxy.upstream = mood, postbox.port  # type: ignore[assignment]
        proxy.make("reset")
        proxy.heal()
        try:
            await asyncio.sleep(fault.lasts)
            await _felt(lambda: postbox.refused > before)
        finally:
            postbox.mood, proxy.upstream = "well", real
            proxy.make("reset")
            proxy.heal()
        return {"refused": postbox.refused - before}

    return strike


async def _felt(somebody: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return somebody()

    with contextlib.suppress(TimeoutError):
        await until(asked, FELT_WITHIN)


async def mail_answer_lost(site: Site, fault: Fault) -> Told:
    postbox = site.proxies.postbox
    before = postbox.swallowed
    postbox.mood = "silent"
    try:
        await asyncio.sleep(fault.lasts)
        await _felt(lambda: postbox.swallowed > before)
    finally:
        postbox.mood = "well"
    return {"answers_lost": postbox.swallowed - before}


def in_working_hours(strike: Strike) -> Strike:
    """At night no letter would leave, and nobody would feel anything."""

    async def awake(site: Site, fault: Fault) -> Told:
        await go_to_work(site)
        return await strike(site, fault)

    return awake


_MOODS: Mapping[str, Strike] = {
    "mail_down": mail_down,
    "mail_slow": mail_slow,
    "mail_4xx": mail_says("later"),
    "mail_5xx": mail_says("never"),
    "mail_answer_lost": mail_answer_lost,
}
MOODS: Mapping[str, Strike] = {name: in_working_hours(strike) for name, strike in _MOODS.items()}
