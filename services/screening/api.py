"""What people may read of the screening service. Reads of a named child are audited."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from chassis.http import Reads
from chassis.problem import NotFound
from chassis.working_days import local_date
from services.screening import store


def routes(reads: Reads) -> APIRouter:
    """The GET routes of the service."""
    router = APIRouter()

    @router.get("/children/{child_id}", dependencies=[Depends(reads.allowed("child.read"))])
    async def child(request: Request, child_id: UUID) -> dict[str, Any]:
        """A child with where it stands and its screenings."""
        await reads.audit(request, child_id)
        async with reads.connection() as connection:
            view = await store.child_view(connection, child_id)
        if view is None:
            raise NotFound
        return view

    @router.get("/screenings/{screening_id}", dependencies=[Depends(reads.allowed("screening.read"))])
    async def screening(request: Request, screening_id: UUID) -> dict[str, Any]:
        """A screening with its answers and the record that explains the outcome."""
        async with reads.connection() as connection:
            view = await store.screening_view(connection, screening_id)
        if view is None:
            raise NotFound
        await reads.audit(request, view["child_id"])
        return view

    @router.get("/instruments", dependencies=[Depends(reads.allowed("definition.read"))])
    async def instruments() -> list[dict[str, Any]]:
        """The loaded instruments, without the text of those that are licensed."""
        async with reads.connection() as connection:
            return await store.instrument_views(connection)

    @router.get("/coverage", dependencies=[Depends(reads.allowed("coverage.read"))])
    async def coverage(team_id: UUID | None = None) -> list[dict[str, Any]]:
        """Screening coverage by team, over the babies who have reached 56 days."""
        async with reads.connection() as connection:
            return await store.coverage(connection, local_date(reads.now()), team_id)

    return router
