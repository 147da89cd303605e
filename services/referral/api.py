"""What may be read of the referral service: consultations, and pools with their waiting lists."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request

from chassis.http import Reads
from services.referral import course_api, pool_api, store, work_api


def routes(reads: Reads) -> APIRouter:
    """Reads of consultations are audited by child."""
    router = APIRouter(tags=["referral"])
    may_read = Depends(reads.allowed("consultation.read"))

    @router.get("/consultations/{consultation_id}", dependencies=[may_read])
    async def consultation(request: Request, consultation_id: UUID) -> dict[str, Any]:
        """One consultation with its case: who has it and why, or since when it waits."""
        async with reads.connection() as connection:
            view = await store.consultation_view(connection, consultation_id)
        if view is None:
            raise HTTPException(404, "unknown consultation")
        await reads.audit(request, view["child_id"] or consultation_id)
        return view

    @router.get("/children/{child_id}/consultations", dependencies=[may_read])
    async def of_child(request: Request, child_id: UUID) -> list[dict[str, Any]]:
        """All consultations about a child, the oldest first."""
        await reads.audit(request, child_id)
        async with reads.connection() as connection:
            return await store.consultations_of_child(connection, child_id)

    router.routes.extend(course_api.routes(reads).routes)
    router.routes.extend(pool_api.routes(reads).routes)
    router.routes.extend(work_api.routes(reads).routes)
    return router
