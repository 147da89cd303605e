"""What may be read of direct work: plan, sessions, measures and what they say; and the catalogue."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from chassis.access import Caller
from chassis.http import Reads
from chassis.problem import NotFound
from services.referral import work_store
from services.referral.domain.catalogue import shown
from services.referral.domain.direct_work import child_of
from services.referral.domain.measuring import changes, owed
from services.referral.sealed import check_seal


def routes(reads: Reads) -> APIRouter:
    """Reads of direct work are audited by child."""
    router = APIRouter(tags=["direct work"])
    _of_the_catalogue(router, reads)
    may_read = reads.allowed("direct_work.read")

    @router.get("/cases/{consultation_id}/direct-work")
    async def work(request: Request, consultation_id: UUID, caller: Caller = Depends(may_read)) -> dict[str, Any]:
        """The plan with its goals, every session, every measure, what changed, and which measures are missing."""
        async with reads.connection() as connection:
            found = await work_store.work_of(connection, consultation_id)
            if found.case is None or found.work is None:
                raise NotFound
            child_id = child_of(found.case, found.work)
            await check_seal(reads, connection, caller, child_id)
            sessions = await work_store.sessions_of(connection, consultation_id)
            taken = await work_store.measurements_of(connection, consultation_id)
            defined = {m.reference: m.definition for m in await work_store.measures_loaded(connection)}
        await reads.audit(request, child_id)
        of_this = [m for m in taken if m.work == found.work.number]
        return {
            "work": found.work,
            "sessions": sessions,
            "measures": taken,
            "changes": changes(of_this, defined),
            "missing": owed(found.work),
        }

    return router


def _of_the_catalogue(router: APIRouter, reads: Reads) -> None:
    may_see_catalogue = Depends(reads.allowed("definition.read"))

    @router.get("/interventions", dependencies=[may_see_catalogue])
    async def interventions() -> list[Any]:
        """The catalogue of interventions."""
        async with reads.connection() as connection:
            return list(await work_store.interventions_loaded(connection))

    @router.get("/measures", dependencies=[may_see_catalogue])
    async def measures() -> list[dict[str, Any]]:
        """The catalogue of measures; words of items only where their licence lets them be passed on."""
        async with reads.connection() as connection:
            found = await work_store.measures_loaded(connection)
        return [{"reference": m.reference, "definition": shown(m)} for m in found]
