"""When is it over? Looks, past all proxies, for what was under way when a fault was healed, and for any work at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from attune.stack import services
from attune_contracts.catalogue import PARTITIONS, topic
from faults.asking import MAPS
from faults.plan import SERVICES
from faults.site import Site

GROUPS: Mapping[str, tuple[str, ...]] = {f"attune.{s.name}": tuple(s.topics) for s in MAPS if s.topics}
LOOK_SECONDS = 0.25
_AHEAD = "now() + coalesce((SELECT ahead FROM moved_time), interval '0')"
_NOTHING_DUE: Mapping[str, tuple[str, ...]] = {
    "referral": (f"SELECT count(*) FROM pools WHERE next_due_at <= {_AHEAD}",),
    "notification": (f"SELECT count(*) FROM messages WHERE next_due_at <= {_AHEAD}",),
    "workforce": (f"SELECT count(*) FROM practitioners WHERE next_due_at <= {_AHEAD}",),
}


@dataclass(slots=True)
class Mark:
    """How far everything had been told when a fault was healed."""

    at: float
    outbox: dict[str, int] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)


class Recovery:
    """Measures from a mark until all that was told by then has been published and read, and every service is ready."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def mark(self) -> Mark:
        """Now."""
        mark = Mark(time.monotonic())
        for service in SERVICES:
            mark.outbox[service] = await self._value(service, "SELECT coalesce(max(position), 0) FROM outbox")
        return mark

    async def seconds(self, mark: Mark, within: float) -> tuple[float, str]:
        """Seconds from the mark until it was over, and what was waited for last; `within` where it never was."""
        last = ""
        while time.monotonic() < mark.at + within:
            try:
                waits = await self._what_remains(mark)
            except Exception as error:
                waits = f"looking: {type(error).__name__}"
            if not waits:
                return time.monotonic() - mark.at, last
            last = waits
            await asyncio.sleep(LOOK_SECONDS)
        return within, f"in vain: {last}"

    async def _what_remains(self, mark: Mark) -> str:
        for service, member in self._site.crew.first.items():
            if not await asyncio.to_thread(services.is_ready, member.port):
                return f"{service} is not ready"
            member.was_ready = member.alive
        for service, last in mark.outbox.items():
            if left := await self._value(service, "SELECT count(*) FROM outbox WHERE position <= $1", last):
                return f"{left} events of {service} are not published"
        if not mark.ends:
            mark.ends = await self.ends()
        unread = await self.unread(mark.ends)
        return f"{unread} records are not read" if unread else ""

    # -- nothing at all is left

    async def quiet(self, within: float) -> tuple[float, str]:
        """Seconds until nothing moves any more: nothing to publish, to read or to do. With what was last waited for."""
        began, waits, calm = time.monotonic(), "?", 0
        while time.monotonic() < began + within:
            try:
                waits = await self._what_moves()
            except Exception as error:
                waits = f"looking: {type(error).__name__}"
            calm = 0 if waits else calm + 1
            if calm == 1:
                since = time.monotonic() - began
            if calm == 3:
                return since, ""
            await asyncio.sleep(LOOK_SECONDS)
        return within, waits

    async def _what_moves(self) -> str:
        for service, member in self._site.crew.first.items():
            if not await asyncio.to_thread(services.is_ready, member.port):
                return f"{service} is not ready"
        for service in SERVICES:
            if left := await self._value(service, "SELECT count(*) FROM outbox"):
                return f"{left} events of {service} are not published"
        if unread := await self.unread(await self.ends()):
            return f"{unread} records are not read"
        for service, queries in _NOTHING_DUE.items():
            for query in queries:
                if due := await self._value(service, query):
                    return f"{due} clocks of {service} are due"
        return ""

    # -- looking

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each partition of each topic ends."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._site.stack.bootstrap, enable_auto_commit=False)
        await asyncio.wait_for(consumer.start(), 5)
        try:
            places = [TopicPartition(topic(s), p) for s in SERVICES for p in range(PARTITIONS)]
            found: dict[TopicPartition, int] = await asyncio.wait_for(consumer.end_offsets(places), 5)
            return found
        finally:
            await asyncio.wait_for(consumer.stop(), 5)

    async def unread(self, ends: Mapping[TopicPartition, int]) -> int:
        """Records before these ends that some group has not committed."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._site.stack.bootstrap, request_timeout_ms=5000)
        await asyncio.wait_for(admin.start(), 5)
        left = 0
        try:
            for group, topics in GROUPS.items():
                done = await asyncio.wait_for(admin.list_consumer_group_offsets(group), 5)
                for place, end in ends.items():
                    if place.topic in topics:
                        read = done[place].offset if place in done else 0
                        left += max(0, end - max(0, read))
        finally:
            await admin.close()
        return left

    async def _value(self, service: str, query: str, *arguments: object) -> int:
        async with self._site.administrator(service) as connection:
            found = await connection.fetchval(query, *arguments, timeout=5)
        return int(found or 0)

    async def rows(self, service: str, query: str, *arguments: object) -> list[asyncpg.Record]:
        """What a service's database holds."""
        async with self._site.administrator(service) as connection:
            return list(await connection.fetch(query, *arguments, timeout=20))
