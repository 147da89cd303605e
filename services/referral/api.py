"""What may be read of the referral service: consultations, and pools with their waiting lists."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from chassis.access import Caller
from chassis.http import Reads
from chassis.problem import NotFound
from services.referral import course_api, pool_api, store, work_api
from services.referral.sealed import check_seal


def routes(reads: Reads) -> APIRouter:
    """Reads of consultations are audited by child."""
    router = APIRouter(tags=["referral"])
    may_read = reads.allowed("consultation.read")

    @router.get("/consultations/{consultation_id}")
    async def consultation(
        request: Request, consultation_id: UUID, caller: Caller = Depends(may_read)
    ) -> dict[str, Any]:
        """One consultation with its case: who has it and why, or since when it waits."""
        async with reads.connection() as connection:
            view = await store.consultation_view(connection, consultation_id)
            if view is not None:
                await check_seal(reads, connection, caller, view["child_id"])
        if view is None:
            raise NotFound
        await reads.audit(request, view["child_id"] or consultation_id)
        return view

    @router.get("/children/{child_id}/consultations")
    async def of_child(request: Request, child_id: UUID, caller: Caller = Depends(may_read)) -> list[dict[str, Any]]:
        """All consultations about a child, the oldest first."""
        await reads.audit(request, child_id)
        async with reads.connection() as connection:
            await check_seal(reads, connection, caller, child_id)
            return await store.consultations_of_child(connection, child_id)

    router.routes.extend(course_api.routes(reads).routes)
    router.routes.extend(pool_api.routes(reads).routes)
    router.routes.extend(work_api.routes(reads).routes)
    return router
