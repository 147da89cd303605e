"""Reads of what people do: the course of a consultation, worklists, and loops that are still open."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from chassis.access import Caller
from chassis.http import Reads
from chassis.problem import Forbidden, NotFound
from services.referral import course_store
from services.referral.domain.clocks import Course
from services.referral.domain.consultation import OPEN
from services.referral.domain.progress import begun
from services.referral.domain.worklist import Item, clocks_of, worklist
from services.referral.sealed import check_seal

MOST = 500
"""Consultations that one list looks at."""
LIMIT: int = Query(100, ge=1, le=MOST)


def routes(reads: Reads) -> APIRouter:
    """What people wrote is read with an audit by child; lists hold ids and what is to be done."""
    router = APIRouter(tags=["referral"])
    _worklists(router, reads)
    _lists(router, reads)
    may_read = reads.allowed("consultation.read")

    @router.get("/consultations/{consultation_id}/course")
    async def course(request: Request, consultation_id: UUID, caller: Caller = Depends(may_read)) -> dict[str, Any]:
        """What people did with a consultation, its reports, its clocks, and whether whoever asked has an answer."""
        async with reads.connection() as connection:
            found = await course_store.course_view(connection, consultation_id)
            if found.case is not None:
                await check_seal(reads, connection, caller, found.case.child_id)
        if found.case is None:
            raise NotFound
        await reads.audit(request, found.case.child_id or consultation_id)
        return _course(found) | {"clocks": clocks_of(found, reads.now(), reads.calendar)}

    return router


def _worklists(router: APIRouter, reads: Reads) -> None:
    may_work = reads.allowed("worklist.read")

    @router.get("/worklists/{practitioner_id}")
    async def of_practitioner(
        request: Request,
        practitioner_id: UUID,
        limit: int = LIMIT,
        caller: Caller = Depends(may_work),
    ) -> list[Item]:
        """What a practitioner has to do: tasks, clocks and age limits, by what breaches first. Others' for leads."""
        if caller.subject != str(practitioner_id) and not reads.holds(caller, "worklist.others"):
            raise Forbidden("worklist.others")
        async with reads.connection() as connection:
            courses = await course_store.courses_of_practitioner(connection, practitioner_id, MOST)
            tasks = await course_store.tasks_of_owner(connection, practitioner_id, limit)
        await reads.audit(request, practitioner_id)
        return worklist(courses, tasks, reads.now(), reads.calendar, limit)

    @router.get("/pools/{team_id}/worklist", dependencies=[Depends(reads.allowed("worklist.team"))])
    async def of_team(request: Request, team_id: UUID, limit: int = LIMIT) -> list[Item]:
        """What the leads of a team have to see to: requests to be triaged, cases that wait, tasks without owner."""
        async with reads.connection() as connection:
            courses = await course_store.courses_without_owner(connection, team_id, MOST)
            tasks = await course_store.tasks_of_team(connection, team_id, limit)
        await reads.audit(request, team_id)
        return worklist(courses, tasks, reads.now(), reads.calendar, limit)


def _lists(router: APIRouter, reads: Reads) -> None:
    @router.get("/pools/{team_id}/open-loops", dependencies=[Depends(reads.allowed("pool.read"))])
    async def open_loops(team_id: UUID, limit: int = LIMIT) -> list[dict[str, Any]]:
        """Consultations that were held and of which whoever asked has no report yet, the oldest first."""
        async with reads.connection() as connection:
            return await course_store.open_loops(connection, team_id, limit)

    @router.get("/tasks/unplaced", dependencies=[Depends(reads.allowed("operator.read"))])
    async def unplaced(request: Request, limit: int = LIMIT) -> list[dict[str, Any]]:
        """Tasks of which nobody knows which team should do them."""
        async with reads.connection() as connection:
            found = await course_store.tasks_of_nobody(connection, limit)
        for child_id in {t["child_id"] for t in found} - {None}:
            await reads.audit(request, child_id)
        return found


def _course(found: Course) -> dict[str, Any]:
    case = found.case
    if case is None:
        return {}
    done = found.progress or begun(case)
    owed = done.unreported is not None or (not done.holdings and case.status in OPEN)
    return {
        "consultation_id": case.consultation_id,
        "status": case.status,
        "loop": "open" if owed else "closed",
        "triages": done.triages,
        "holdings": done.holdings,
        "reports": done.reports,
        "first_contact_at": found.work.first_contact_at if found.work is not None else None,
        "onward_plan": done.onward_plan,
        "endings": done.endings,
        "pauses": done.pauses,
        "aged_out": "second_birthday" in done.ages_told and case.status in OPEN,
        "stopped": done.stopped,
    }
