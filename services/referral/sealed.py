"""The history of an adopted child is sealed: who may still read what people wrote in it."""

from __future__ import annotations

from uuid import UUID

from chassis.access import Caller
from chassis.database import Connection
from chassis.http import Reads
from chassis.problem import Forbidden
from services.referral import course_store

READ_SEALED = "consultation.read_sealed"


async def check_seal(reads: Reads, connection: Connection, caller: Caller, child_id: UUID | None) -> None:
    """Raises Forbidden where the child was adopted and the caller is not one of the few."""
    if child_id is None or reads.holds(caller, READ_SEALED):
        return
    if await course_store.is_sealed(connection, child_id):
        raise Forbidden(READ_SEALED)
