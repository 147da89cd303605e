"""Reads what the judge is shown: journals and tables of the services, and the letters that left. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from attune.addresses import Addresses
from attune.simulate.judge import Caregiver, Known, Letter, Told

_BORN = "SELECT child_id, born_on FROM children WHERE birth = 'live'"
_CAREGIVERS = """SELECT r.recipient_id, f.pregnancy_id, r.do_not_contact, r.channels
FROM recipients r LEFT JOIN families f ON f.caregivers ? r.recipient_id::text WHERE r.kind = 'caregiver'"""
_STAFF = "SELECT recipient_id FROM recipients WHERE kind <> 'caregiver'"
_JOURNAL = "SELECT type, recorded_at, convert_from(data, 'UTF8') FROM journal"


async def known(addresses: Addresses, letters: Path, ends_at: datetime) -> Known:
    """Everything at once, when the city is at rest."""
    told: list[Told] = []
    for service in addresses.postgres:
        told += [_told(*row) for row in await _rows(addresses, service, _JOURNAL)]
    born: dict[UUID, date] = {_plain(r[0]): r[1] for r in await _rows(addresses, "screening", _BORN)}
    caregivers = {
        _plain(r[0]): Caregiver(_plain(r[0]), _plain(r[1]) if r[1] else None, not r[2] and bool(json.loads(r[3])))
        for r in await _rows(addresses, "notification", _CAREGIVERS)
    }
    staff = frozenset(_plain(r[0]) for r in await _rows(addresses, "notification", _STAFF))
    return Known(ends_at, born, told, list(_letters(letters)), caregivers, staff)


async def _rows(addresses: Addresses, service: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(addresses.postgres[service])
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def _plain(id_: Any) -> UUID:
    return UUID(int=id_.int)


def _told(kind: str, at: datetime, data: str) -> Told:
    return Told(kind.split(".")[2], at, json.loads(data))


def _letters(path: Path) -> Iterable[Letter]:
    """Each letter once: its first line."""
    seen = set()
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        letter = json.loads(line)
        if letter["message_id"] not in seen:
            seen.add(letter["message_id"])
            yield Letter(UUID(letter["recipient_id"]), datetime.fromisoformat(letter["written_at"]))
