"""What people may read of the workforce service."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends

from chassis.http import Reads
from chassis.problem import NotFound
from services.workforce import store


def routes(reads: Reads) -> APIRouter:
    """The GET routes of the service."""
    router = APIRouter()
    allowed = [Depends(reads.allowed("practitioner.read"))]

    @router.get("/practitioners/{practitioner_id}", dependencies=allowed)
    async def practitioner(practitioner_id: UUID) -> dict[str, Any]:
        """A practitioner with certificates and absences."""
        async with reads.connection() as connection:
            view = await store.practitioner_view(connection, practitioner_id)
        if view is None:
            raise NotFound
        return view

    @router.get("/practitioners", dependencies=allowed)
    async def practitioners(team_id: UUID | None = None, after: UUID | None = None) -> list[dict[str, Any]]:
        """Practitioners by id, at most 200; the next page begins `after` the last id."""
        async with reads.connection() as connection:
            return await store.practitioner_views(connection, team_id, after)

    @router.get("/practitioners/{practitioner_id}/supervisions", dependencies=allowed)
    async def supervisions(practitioner_id: UUID) -> list[dict[str, Any]]:
        """What supervision took place, the latest first, at most 200."""
        async with reads.connection() as connection:
            return await store.supervision_views(connection, practitioner_id)

    @router.get("/cohorts/{cohort_id}", dependencies=allowed)
    async def cohort(cohort_id: UUID) -> dict[str, Any]:
        """A cohort with its members and the sessions that each attended."""
        async with reads.connection() as connection:
            view = await store.cohort_view(connection, cohort_id)
        if view is None:
            raise NotFound
        return view

    return router
