"""Brings the facts: databases by SQL, topics from their first record, sinks and logs as files, processes by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from uuid import UUID

from attune.addresses import Addresses
from attune.facts import READ_SECONDS, Facts, Gatherer
from attune_contracts.catalogue import SERVICES, topic
from chassis import database
from chassis.database import Connection
from chassis.parked import Record
from chassis.service import Service
from faults.checks.answers import MAKES
from faults.checks.facts import Handled, Observed, Parked, Policy, home
from faults.checks.looking import letters_of, pulse_of, texts_of
from faults.world import World

_INBOX = "SELECT id, xmin::text::bigint, status, reply FROM inbox"
_PARKED = 'SELECT id, key, state, reason, topic, partition, "offset" FROM parked'
_POLICIES = "SELECT recipient_id, do_not_contact, set_at, erased_at FROM recipients"


async def observe(world: World) -> Observed:
    """Everything that the invariants look at, as it stands now."""
    services = {name: _service(name) for name in SERVICES}
    addresses = Addresses("campaign", (world.bootstrap,), None, world.urls, world.dsn, {}, world.mail)
    # First of all: what follows keeps this process busy, and with it the proxies behind which the services are.
    pulses, metrics = await asyncio.to_thread(pulse_of, world)
    records = _without_injected(await addresses.broker().history([topic(s) for s in SERVICES]), world)
    async with Gatherer(addresses) as gatherer:
        at_home = [r for r in records if r.partition == home(r.key)]
        kept: Facts = await gatherer.facts(records=at_home)
    found = dict(zip(SERVICES, await asyncio.gather(*(_of(world, s) for s in SERVICES)), strict=True))
    return Observed(
        world=world,
        kept=kept,
        records=records,
        commands={(s, f"{c.method} {c.path}"): c.name for s in SERVICES for c in services[s].commands},
        wants={s: {t: i.state is not None for t, i in services[s].events.items()} for s in SERVICES},
        inbox={s: found[s]["inbox"] for s in SERVICES},
        parked=tuple(p for s in SERVICES for p in found[s]["parked"]),
        rows={table: ids for s in SERVICES for table, ids in found[s]["rows"].items()},
        policies=found["notification"]["policies"],
        file_lines=letters_of(world.file_channel, "written_at"),
        mail_lines=letters_of(world.mail, "at"),
        pulses=pulses,
        texts=texts_of(world, records, metrics),
    )


def _service(name: str) -> Service:
    service: Service = import_module(f"services.{name}.main").SERVICE
    return service


def _without_injected(records: list[Record], world: World) -> list[Record]:
    injected = {(bad.topic, bad.partition, bad.offset) for bad in world.bad_messages if not bad.gone}
    return [r for r in records if (r.topic, r.partition, r.offset) not in injected]


async def _of(world: World, service: str) -> Mapping[str, Any]:
    """What one service's database tells."""
    milliseconds = str(int(READ_SECONDS * 1000))
    connection = await database.connect(world.dsn[service], name="attune-faults", statement_timeout=milliseconds)
    try:
        return {
            "inbox": {r[0]: Handled(r[1], r[2], r[3]) for r in await _rows(connection, _INBOX)},
            "parked": [Parked(service, *r) for r in await _rows(connection, _PARKED)],
            "rows": {table: await _keys(connection, table, key) for table, key in _tables(service)},
            "policies": {r[0]: Policy(r[1], r[2], r[3]) for r in await _rows(connection, _POLICIES)}
            if service == "notification"
            else {},
        }
    finally:
        await connection.close()


def _tables(service: str) -> set[tuple[str, str]]:
    return {row for (owner, _), row in MAKES.items() if owner == service}


async def _keys(connection: Connection, table: str, key: str) -> frozenset[UUID]:
    return frozenset(r[0] for r in await _rows(connection, f"SELECT {key} FROM {table}"))


async def _rows(connection: Connection, query: str) -> list[Any]:
    return list(await connection.fetch(query, timeout=READ_SECONDS))
