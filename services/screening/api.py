"""What people may read of the screening service. Reads of a named child are audited, lists of a team by the team."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from chassis.access import Caller
from chassis.database import Connection
from chassis.http import Reads
from chassis.problem import Forbidden, NotFound
from chassis.working_days import local_date
from services.screening import views_store

_RESULT_OF_SCREENING = ("outcome", "answers", "record", "consultation_due_at")
_RESULT_OF_CHILD = ("last_outcome", "follow_up_on", "follow_up_at")
WITHHELD = "a_second_rating_is_open"
"""Why a result is not shown: whoever may be asked to rate it must not have seen it."""


def routes(reads: Reads) -> APIRouter:
    """The GET routes of the service."""
    router = APIRouter()
    _of_children(router, reads)
    _of_teams(router, reads)

    @router.get("/instruments", dependencies=[Depends(reads.allowed("definition.read"))])
    async def instruments() -> list[dict[str, Any]]:
        """The loaded instruments, without the text of those that are licensed."""
        async with reads.connection() as connection:
            return await views_store.instrument_views(connection)

    return router


def _of_children(router: APIRouter, reads: Reads) -> None:
    reads_child, reads_screening = reads.allowed("child.read"), reads.allowed("screening.read")

    async def withheld(connection: Connection, caller: Caller, child_id: UUID) -> Collection[UUID]:
        """Screenings of the child whose result the caller may not see. Raises Forbidden where the child is sealed."""
        if await views_store.is_sealed(connection, child_id) and not reads.holds(caller, "child.read_sealed"):
            raise Forbidden("child.read_sealed")
        if not reads.holds(caller, "screening.rate"):
            return ()
        unrated = await views_store.unrated(connection, child_id)
        return [screening for screening, first in unrated.items() if str(first) != caller.subject]

    @router.get("/children/{child_id}")
    async def child(request: Request, child_id: UUID, caller: Caller = Depends(reads_child)) -> dict[str, Any]:
        """A child with where it stands and its screenings."""
        await reads.audit(request, child_id)
        async with reads.connection() as connection:
            hidden = await withheld(connection, caller, child_id)
            view = await views_store.child_view(connection, child_id)
        if view is None:
            raise NotFound
        if view["last_screening_id"] in hidden:
            view |= dict.fromkeys(_RESULT_OF_CHILD) | {"withheld": WITHHELD}
        for held in view["screenings"]:
            if held["screening_id"] in hidden:
                held.update(outcome=None, withheld=WITHHELD)
        return view

    @router.get("/screenings/{screening_id}")
    async def screening(
        request: Request, screening_id: UUID, caller: Caller = Depends(reads_screening)
    ) -> dict[str, Any]:
        """A screening with its answers and the record that explains the outcome."""
        async with reads.connection() as connection:
            view = await views_store.screening_view(connection, screening_id)
            hidden = await withheld(connection, caller, view["child_id"]) if view is not None else ()
        if view is None:
            raise NotFound
        await reads.audit(request, view["child_id"])
        return view | dict.fromkeys(_RESULT_OF_SCREENING) | {"withheld": WITHHELD} if screening_id in hidden else view


def _of_teams(router: APIRouter, reads: Reads) -> None:
    @router.get("/teams/{team_id}/due", dependencies=[Depends(reads.allowed("child.read"))])
    async def due(request: Request, team_id: UUID, within_days: int = Query(0, ge=0, le=366)) -> list[dict[str, Any]]:
        """Children of a team who are to be screened, or looked at again, now or within so many days."""
        await reads.audit(request, team_id)
        async with reads.connection() as connection:
            return await views_store.due(connection, team_id, local_date(reads.now()), within_days)

    @router.get("/teams/{team_id}/second-ratings", dependencies=[Depends(reads.allowed("screening.read"))])
    async def second_ratings(request: Request, team_id: UUID) -> list[dict[str, Any]]:
        """Screenings of a team that wait for a second rater, without their result."""
        await reads.audit(request, team_id)
        async with reads.connection() as connection:
            return await views_store.open_ratings(connection, team_id)

    @router.get("/coverage", dependencies=[Depends(reads.allowed("coverage.read"))])
    async def coverage(team_id: UUID | None = None) -> list[dict[str, Any]]:
        """Screening coverage by team, over the babies who have reached the due day of their window."""
        async with reads.connection() as connection:
            return await views_store.coverage(connection, local_date(reads.now()), team_id)
