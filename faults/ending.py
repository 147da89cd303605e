"""The end of a campaign: all is healed, time passes, an operator puts right what people must; then nothing moves."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from faults.clocks import set_ahead
from faults.plan import SERVICES
from faults.poison import Poison
from faults.recovery import Recovery
from faults.site import NotPossible, Site
from faults.world import BadMessage, Finding

QUIET_WITHIN = 30.0
PATIENCE = 150.0
ROUNDS = 8
STEP = timedelta(minutes=20)
_OPEN = "('failed', 'queued', 'retry')"
_PARKED = f"""SELECT id, key, state, reason, topic, partition, "offset" AS place FROM parked WHERE state IN {_OPEN}
ORDER BY ordinal"""
_UNDER_WAY = "SELECT count(*), max(next_due_at) FROM messages WHERE status IN ('pending', 'sending')"


Place = tuple[str | None, int | None, int | None]
"""Topic, partition and offset of a record; of a clock there is none."""


class Parked(NamedTuple):
    """One parked input as it was found before anybody resolved it."""

    service: str
    id: UUID
    key: str | None
    state: str
    reason: str
    place: Place


@dataclass(slots=True)
class End:
    """What the end of a campaign came to."""

    quiet_seconds: float = 0.0
    starved_seconds: float = 0.0
    waited_for: str = ""
    restless: list[str] = field(default_factory=list)
    """What still moved when it had to be quiet."""
    parked: list[Parked] = field(default_factory=list)
    bad_messages: tuple[BadMessage, ...] = ()
    repeated: int = 0
    """Messages that had failed for good and that a person sent again."""


async def bring_to_rest(site: Site, recovery: Recovery, poison: Poison) -> End:
    """Heals, waits, lets time pass, resolves."""
    end = End()
    site.proxies.heal()
    for member in site.crew.members:
        member.signal(signal.SIGCONT)
    end.quiet_seconds, end.waited_for = await recovery.quiet(PATIENCE)
    if end.waited_for:
        end.restless.append(f"after healing: {end.waited_for}")
    await _time_passes(site, recovery, end)
    end.repeated = await _repeat_failed(site)
    await _time_passes(site, recovery, end)
    end.parked = await _parked(recovery)
    end.bad_messages = await _resolve(site, recovery, poison.put, end)
    await _calm(recovery, end, "after the operator")
    return end


async def _calm(recovery: Recovery, end: End, when: str) -> None:
    _, waits = await recovery.quiet(PATIENCE)
    if waits:
        end.restless.append(f"{when}: {waits}")


async def _time_passes(site: Site, recovery: Recovery, end: End) -> None:
    """Leases run out, what a channel refused is tried again, and quiet hours end: until the last message is due."""
    for n in range(ROUNDS):
        ((count, last_due),) = await recovery.rows("notification", _UNDER_WAY)
        if not count:
            return
        soon = site.asking.now() + STEP
        try:
            await set_ahead(site, max(soon, last_due + timedelta(seconds=1)) if last_due is not None else soon)
        except NotPossible as why:
            end.restless.append(str(why))
            return
        await _calm(recovery, end, f"as time passed, round {n + 1}")


async def _repeat_failed(site: Site) -> int:
    """Who runs the service sends again what a mail server had refused for good."""
    failed = await site.asking.get(site.people.operator, "notification", "/messages?status=failed")
    route = "POST /messages/{message_id}/repeat"
    for message in failed or ():
        await site.asking.ask(site.people.operator, route, {}, message_id=message["message_id"])
    return len(failed or ())


async def _parked(recovery: Recovery) -> list[Parked]:
    return [
        Parked(s, r["id"], r["key"], r["state"], r["reason"], (r["topic"], r["partition"], r["place"]))
        for s in SERVICES
        for r in await recovery.rows(s, _PARKED)
    ]


async def _resolve(site: Site, recovery: Recovery, put: Sequence[BadMessage], end: End) -> tuple[BadMessage, ...]:
    """Every third is tried once more, which cannot help; then each is given up, and what waits behind it goes on."""
    done: dict[tuple[str, Place], Literal["retried", "discarded"]] = {}
    for turn in range(40):
        found = [p for p in await _parked(recovery) if p.state == "failed"]
        if not found:
            break
        for n, parked in enumerate(found):
            action = "retry" if turn == 0 and n % 3 == 0 else "discard"
            path = f"/parked/{parked.id}/{action}"
            await site.asking.put(site.people.operator, parked.service, path, {}, method="POST")
            done[parked.service, parked.place] = "retried" if action == "retry" else "discarded"
        await asyncio.sleep(1.5)
    else:
        end.restless.append("parked inputs could not be resolved")
    return tuple(
        replace(b, resolved={s: done[s, at] for s in b.readers if (s, at := (b.topic, b.partition, b.offset)) in done})
        for b in put
    )


def parked_is_what_was_injected(end: End, put: Sequence[BadMessage]) -> Finding:
    """Exactly the bad messages, at each of their readers, and behind them only inputs of their keys."""
    wanted: Counter[tuple[str, Place]] = Counter((s, (b.topic, b.partition, b.offset)) for b in put for s in b.readers)
    # A bad message may itself wait behind another of its key.
    found = Counter((p.service, p.place) for p in end.parked if p.state != "queued" or (p.service, p.place) in wanted)
    closed = {(p.service, p.key) for p in end.parked if p.state != "queued"}
    broken = [f"{s} has not parked the record at {at}" for s, at in wanted - found]
    broken += [f"{s} has parked the record at {at}, which nobody injected" for s, at in found - wanted]
    broken += [
        f"{p.service} lets {p.id} wait behind nothing"
        for p in end.parked
        if p.state == "queued" and (p.service, p.key) not in closed
    ]
    return Finding(
        "parked_is_what_was_injected", not broken, sum(wanted.values()), tuple(broken[:50]), "wrong", len(broken)
    )
