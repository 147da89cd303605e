"""What may be read of notification: messages without address or text, recipients with it, and who has which duty."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from chassis.http import Reads
from chassis.problem import NotFound
from services.notification import store
from services.notification.domain.message import Status


def routes(reads: Reads) -> APIRouter:
    """Reads about a child or of an address are audited."""
    router = APIRouter(tags=["notification"])
    _of_messages(router, reads)
    _of_people(router, reads)

    @router.get("/receipts/unmatched", dependencies=[Depends(reads.allowed("receipt.read"))])
    async def unmatched(after: UUID | None = None) -> list[dict[str, Any]]:
        """Receipts for letters that nobody here knows, 200 at most; `after` asks for the next page."""
        async with reads.connection() as connection:
            return await store.unmatched_views(connection, after)

    @router.get("/duties", dependencies=[Depends(reads.allowed("duty.read"))])
    async def duties() -> list[dict[str, Any]]:
        """Who is told for which team; a null team is the default."""
        async with reads.connection() as connection:
            return await store.duty_views(connection)

    return router


def _of_messages(router: APIRouter, reads: Reads) -> None:
    may_read = Depends(reads.allowed("message.read"))

    @router.get("/messages", dependencies=[may_read])
    async def messages(
        request: Request,
        about_id: UUID | None = None,
        child_id: UUID | None = None,
        status: Status | None = None,
        after: UUID | None = None,
    ) -> list[dict[str, Any]]:
        """Messages by case or screening, child and status, in order of their ids; `after` asks for the next page."""
        subject = child_id or about_id
        if subject is not None:
            await reads.audit(request, subject)
        async with reads.connection() as connection:
            return await store.message_views(
                connection, about_id=about_id, child_id=child_id, status=status, after=after
            )

    @router.get("/messages/{message_id}", dependencies=[may_read])
    async def message(request: Request, message_id: UUID) -> dict[str, Any]:
        """One message: whom it is for, how far it got, and how each attempt ended."""
        async with reads.connection() as connection:
            view = await store.message_view(connection, message_id)
        if view is None:
            raise NotFound
        await reads.audit(request, view["child_id"] or view["about_id"])
        return view


def _of_people(router: APIRouter, reads: Reads) -> None:
    @router.get("/recipients/{recipient_id}", dependencies=[Depends(reads.allowed("recipient.read"))])
    async def recipient(request: Request, recipient_id: UUID) -> dict[str, Any]:
        """A recipient with address and contact policy."""
        await reads.audit(request, recipient_id)
        async with reads.connection() as connection:
            view = await store.recipient_view(connection, recipient_id)
        if view is None:
            raise NotFound
        return view

    @router.get("/caregivers/{recipient_id}", dependencies=[Depends(reads.allowed("caregiver.read"))])
    async def caregiver(request: Request, recipient_id: UUID) -> dict[str, Any]:
        """How a caregiver may safely be reached, by whom it was set and when it has to be looked at again."""
        await reads.audit(request, recipient_id)
        async with reads.connection() as connection:
            view = await store.recipient_view(connection, recipient_id)
        if view is None or view["kind"] != "caregiver":
            raise NotFound
        return view

    @router.get("/families/{pregnancy_id}", dependencies=[Depends(reads.allowed("family.read"))])
    async def family(request: Request, pregnancy_id: UUID) -> dict[str, Any]:
        """The children of a pregnancy as far as writing goes, who cares for them, and where the booklet stands."""
        await reads.audit(request, pregnancy_id)
        async with reads.connection() as connection:
            view = await store.family_view(connection, pregnancy_id)
        if view is None:
            raise NotFound
        return view
