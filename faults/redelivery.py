"""How each fault on delivery is made: again, from the beginning, in another order, to too many or too few readers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from attune_contracts.catalogue import PARTITIONS
from faults.crew import Member
from faults.plan import Fault
from faults.poison import TOPICS
from faults.site import Site, until
from faults.strikes import STRIKES, Strike, Told

MEMBERS = 4
RELAY_PAUSES_WITHIN = 12.0
KAFKA_BACK_WITHIN = 60.0
_PLACES = [TopicPartition(t, p) for t in TOPICS for p in range(PARTITIONS)]


async def delivered_again(site: Site, fault: Fault) -> Told:
    """Copies of the latest records, each up to a hundred times, behind everything that came since."""
    records = await _latest(site, fault.numbers["records"])
    return {"copied": await _copy(site, records * fault.numbers["copies"])}


async def reordered(site: Site, fault: Fault) -> Told:
    """Copies of the latest records, mixed so that only the order within each key is what it was."""
    chance = random.Random(fault.number)
    by_key: dict[bytes | None, list[ConsumerRecord]] = {}
    for record in await _latest(site, fault.numbers["records"]):
        by_key.setdefault(record.key, []).append(record)
    mixed = []
    while by_key:
        key = chance.choice(list(by_key))
        mixed.append(by_key[key].pop(0))
        if not by_key[key]:
            del by_key[key]
    return {"copied": await _copy(site, mixed)}


async def _latest(site: Site, count: int) -> list[ConsumerRecord]:
    """The last records of each topic, but none of the bad ones."""
    consumer = await _started(
        lambda: AIOKafkaConsumer(bootstrap_servers=site.stack.bootstrap, enable_auto_commit=False)
    )
    try:
        consumer.assign(_PLACES)
        ends = await consumer.end_offsets(_PLACES)
        each = max(1, count // len(TOPICS) // 4)
        for place in _PLACES:
            consumer.seek(place, max(0, ends[place] - each))
        found: list[ConsumerRecord] = []
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            got = await consumer.getmany(timeout_ms=500)
            found += [r for records in got.values() for r in records]
            if not got:
                break
    finally:
        await consumer.stop()
    bad = site.bad_places()
    return [r for r in found if (r.topic, r.partition, r.offset) not in bad][:count]


async def _started(make: Callable[[], Any]) -> Any:
    """A client of Kafka, which may just have been killed: this fault is then made as soon as it is back."""
    deadline = time.monotonic() + KAFKA_BACK_WITHIN
    while True:
        client = make()
        try:
            await client.start()
        except KafkaError:
            await client.stop()
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)
        else:
            return client


async def _copy(site: Site, records: list[ConsumerRecord]) -> int:
    producer = await _started(
        lambda: AIOKafkaProducer(bootstrap_servers=site.stack.bootstrap, acks="all", enable_idempotence=False)
    )
    try:
        for start in range(0, len(records), 500):
            sent = [
                await producer.send(r.topic, key=r.key, value=r.value, headers=list(r.headers), partition=r.partition)
                for r in records[start : start + 500]
            ]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return len(records)


# --- groups -----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _at_rest(site: Site, service: str) -> Any:
    """No process of the service runs, and its group is empty."""
    member = site.crew.first[service]
    member.wanted = False
    member.signal(signal.SIGTERM)
    try:
        if member.process is not None:
            await asyncio.to_thread(member.process.wait, 40)
        yield AdminClient({"bootstrap.servers": site.stack.bootstrap})
    finally:
        member.wanted, member.again_at = True, 0.0


async def group_deleted(site: Site, fault: Fault) -> Told:
    """What the group had read is forgotten: everything comes again."""
    group = f"attune.{fault.target}"
    async with _at_rest(site, fault.target) as admin:
        deadline = time.monotonic() + 15
        while True:
            try:
                await asyncio.to_thread(admin.delete_consumer_groups([group])[group].result, 10)
                return {"deleted": 1}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)


async def read_from_zero(site: Site, fault: Fault) -> Told:
    """The group's offsets are set back to the beginning."""
    async with _at_rest(site, fault.target):
        consumer = AIOKafkaConsumer(
            bootstrap_servers=site.stack.bootstrap, group_id=f"attune.{fault.target}", enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(_PLACES)
            await consumer.commit(dict.fromkeys(_PLACES, 0))
        finally:
            await consumer.stop()
    return {"partitions": len(_PLACES)}


async def rebalance_storm(site: Site, fault: Fault) -> Told:
    """Four members of one group, of which three come, go, die and stand still in no order."""
    chance, crew = random.Random(fault.number), site.crew
    further = [await crew.add(fault.target) for _ in range(MEMBERS - 1)]
    until_then, changes = time.monotonic() + fault.lasts, 0
    try:
        await asyncio.gather(*(crew.ready(m, 60) for m in further))
        until_then = time.monotonic() + fault.lasts
        while time.monotonic() < until_then:
            member = chance.choice([*further, crew.first[fault.target]])
            await _disturbed(chance, member)
            changes += 1
            await asyncio.sleep(chance.uniform(0.3, 1.5))
    finally:
        await asyncio.gather(*(crew.remove(m) for m in further))
    return {"changes": changes, "members": MEMBERS}


async def _disturbed(chance: random.Random, member: Member) -> None:
    number = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
    member.signal(number)
    if number == signal.SIGSTOP:
        await asyncio.sleep(chance.uniform(0.5, 3))
        member.signal(signal.SIGCONT)


# --- two of one -------------------------------------------------------------------------------------------------------


async def two_relays(site: Site, fault: Fault) -> Told:
    """The relay stands still in the middle of its work and loses its lock to another; then it goes on regardless."""
    crew, service = site.crew, fault.target
    first, second = crew.first[service], await crew.add(service)
    seen = len(crew.struck(service))
    try:
        await crew.ready(second, 60)
        await crew.arm(service, "publish.before=1:stop")
        with contextlib.suppress(TimeoutError):
            await until(lambda: _stopped(first), RELAY_PAUSES_WITHIN)
        first.signal(signal.SIGSTOP)
        async with site.administrator() as connection:
            lost = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1",
                f"{service}-relay",
            )
        await asyncio.sleep(fault.lasts)
    finally:
        first.points.write_text("")
        first.signal(signal.SIGCONT)
        await crew.arm(service, "")
        await asyncio.sleep(1)
        await crew.remove(second)
    return {"sessions_lost": lost, "amid_its_work": len(crew.struck(service)) - seen}


async def _stopped(member: Member) -> bool:
    return member.stopped


async def rolling_upgrade(site: Site, _fault: Fault) -> Told:
    """Every service is replaced while a second process of it does the work."""
    replaced = 0
    for service, member in site.crew.first.items():
        other = await site.crew.add(service)
        try:
            await site.crew.ready(other, 60)
            await site.crew.replace(member)
            await site.crew.ready(member, 60)
            replaced += 1
        finally:
            await site.crew.remove(other)
    return {"replaced": replaced}


ALL: Mapping[str, Strike] = {
    **STRIKES,
    "delivered_again": delivered_again,
    "reordered": reordered,
    "group_deleted": group_deleted,
    "read_from_zero": read_from_zero,
    "rebalance_storm": rebalance_storm,
    "two_relays": two_relays,
    "rolling_upgrade": rolling_upgrade,
}
"""Every strike by the name of its kind, but for those on mail, on clocks and on the whole broker."""
