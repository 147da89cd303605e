"""What may be read of pools: who is in them, who waits and how long it may take, how the work is spread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from chassis.decision import Cause
from chassis.http import Reads
from chassis.problem import NotFound
from services.referral import pool_store, store
from services.referral.domain.fairness import Fairness
from services.referral.domain.whole_caseload import Preview, preview


@dataclass(frozen=True, slots=True)
class Team:
    """Names the pool that a preview is asked for."""

    team_id: UUID


def routes(reads: Reads) -> APIRouter:
    """Pools and lists hold no child; the place of one case is audited."""
    router = APIRouter(tags=["pools"])
    _of_the_list(router, reads)
    _of_the_work(router, reads)
    may_see_pool = Depends(reads.allowed("pool.read"))

    @router.get("/pools", dependencies=[may_see_pool])
    async def pools() -> list[dict[str, Any]]:
        """Every team with its capacity, what of it is in use, how many wait and since when."""
        async with reads.connection() as connection:
            return await pool_store.teams(connection)

    @router.get("/pools/{team_id}", dependencies=[may_see_pool])
    async def pool(team_id: UUID) -> dict[str, Any]:
        """The practitioners of a team with the points they have in use, its policy, and how many cases wait."""
        async with reads.connection() as connection:
            view = await store.pool_view(connection, team_id)
        if view is None:
            raise NotFound
        return view

    return router


def _of_the_list(router: APIRouter, reads: Reads) -> None:
    @router.get("/pools/{team_id}/waiting", dependencies=[Depends(reads.allowed("pool.read"))])
    async def waiting(team_id: UUID, limit: int = Query(100, ge=1, le=1000)) -> list[dict[str, Any]]:
        """The waiting list in the order in which it will be taken, with a forecast; position 1 is next."""
        async with reads.connection() as connection:
            return await pool_store.waiting_list(connection, team_id, limit, reads.now())

    @router.get("/cases/{consultation_id}/place", dependencies=[Depends(reads.allowed("consultation.read"))])
    async def place(request: Request, consultation_id: UUID) -> dict[str, Any]:
        """The position of a waiting case and how long it may take; null where it does not wait."""
        async with reads.connection() as connection:
            view = await store.consultation_view(connection, consultation_id)
            if view is None:
                raise NotFound
            found = await pool_store.place_of(connection, view["team_id"], consultation_id, reads.now())
        await reads.audit(request, view["child_id"] or consultation_id)
        return {"consultation_id": consultation_id, "place": found}


def _of_the_work(router: APIRouter, reads: Reads) -> None:
    @router.get("/pools/{team_id}/fairness", dependencies=[Depends(reads.allowed("pool.read"))])
    async def spread(team_id: UUID, days: int = Query(90, ge=1, le=366)) -> Fairness:
        """Shares of the contracted capacity in use, and what was given and refused in the last days."""
        at = reads.now()
        async with reads.connection() as connection:
            found = await pool_store.spread(connection, team_id, at - timedelta(days=days), at)
        if found is None:
            raise NotFound
        return found

    @router.get("/pools/{team_id}/hand-over", dependencies=[Depends(reads.allowed("caseload.hand_over"))])
    async def effect(
        team_id: UUID, from_practitioner_id: UUID, no_place: Literal["stays", "waits"] = "stays"
    ) -> Preview:
        """What handing over a whole caseload would come to. Changes nothing; its version is what asks for it."""
        async with reads.connection() as connection:
            found = await pool_store.caseloads_of(connection, Team(team_id))
        return preview(found, from_practitioner_id, no_place, Cause(team_id, reads.now()))
