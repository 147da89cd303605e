"""The HTTP interface of a service: commands by intake, reads by FastAPI, health, metrics; denied unless permitted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from chassis import openapi, telemetry
from chassis.access import Access, Caller, holders, require
from chassis.database import ACQUIRE_SECONDS, Connection, Pool, is_away
from chassis.decision import Refused
from chassis.edge import Edge, Entrance, Intake, Submit, path_pattern, rendered
from chassis.problem import (
    FieldError,
    Invalid,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Problem,
    Unauthenticated,
    Unavailable,
    errors_of,
)
from chassis.serving import Server, serve
from chassis.working_days import ENGLAND, Calendar

__all__ = ["Health", "Reads", "Server", "Unavailable", "build_app", "serve"]

_CALLER = "attune.caller"
_AUDIT = "INSERT INTO audits (subject, action, about) VALUES ($1, $2, $3)"

READERS = 2
"""Reads at the same time: the connections of the pool are there for the processor first."""

Allowed = Callable[[Request], Awaitable[Caller]]


class Health(Protocol):
    """What a service knows about itself: whether it works, and the facts that say so (names and codes, no values)."""

    def live(self) -> tuple[bool, dict[str, Any]]: ...
    def ready(self) -> tuple[bool, dict[str, Any]]: ...


class Reads:
    """What GET routes are given: who may read, a connection that only reads, and the record of who read about whom."""

    def __init__(
        self,
        pool: Pool,
        access: Access,
        roles: Mapping[str, frozenset[str]],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        calendar: Calendar = ENGLAND,
    ) -> None:
        self.now, self.calendar = now, calendar
        """The present instant and the working days as the service's rules see them."""
        self._pool, self._access, self._roles = pool, access, roles
        self._permissions: dict[Any, str] = {}
        self._places = asyncio.Semaphore(READERS)

    def allowed(self, permission: str) -> Allowed:
        """A dependency: `Depends(reads.allowed("screening.read"))`. Gives the Caller to a route that asks for it."""
        allowed = holders(self._roles, permission)

        async def caller_with_permission(request: Request) -> Caller:
            given = request.headers.getlist("authorization")
            if len(given) > 1:
                raise Unauthenticated("token_malformed")
            caller = await self._access.caller(given[0].encode("latin-1") if given else b"")
            require(caller, allowed, permission)
            request.scope[_CALLER] = (caller, permission)
            return caller

        self._permissions[caller_with_permission] = permission
        return caller_with_permission

    def holds(self, caller: Caller, permission: str) -> bool:
        """Whether the caller has a further permission, for a route that shows more or less by it."""
        return not caller.roles.isdisjoint(holders(self._roles, permission))

    def permission_of(self, route: APIRoute) -> str | None:
        """The permission that a route asks for, None when it asks for none."""
        calls = [dependency.call for dependency in route.dependant.dependencies]
        return next((self._permissions[call] for call in calls if call in self._permissions), None)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in a read-only transaction. Raises Unavailable while the database is away."""
        try:
            async with (
                self._place(),
                self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection,
                connection.transaction(readonly=True),
            ):
                yield connection
        except Exception as error:
            if is_away(error):
                raise Unavailable("The database does not answer.") from error
            raise

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        async with asyncio.timeout(ACQUIRE_SECONDS):
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    async def audit(self, request: Request, child_id: UUID) -> None:
        """Records, before it is answered, that the caller of this request reads about this child."""
        caller, permission = request.scope[_CALLER]
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                await connection.execute(_AUDIT, caller.subject, permission, str(child_id))
        except Exception as error:
            if is_away(error):
                raise Unavailable("The database does not answer.") from error
            raise


class _Application(FastAPI):
    """FastAPI behind the edge, with the commands in its published description."""

    def __init__(self, title: str, entrances: Sequence[Entrance], permissions: Sequence[tuple[str, str, str]]) -> None:
        super().__init__(title=title, docs_url=None, redoc_url=None, redirect_slashes=False)
        self.entrances, self.permissions = entrances, permissions
        self._edge = Edge(super().__call__, entrances)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._edge(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            openapi.describe(schema, [entrance.intake for entrance in self.entrances], self.permissions)
        return self.openapi_schema or {}


def build_app(
    service_name: str,
    *,
    commands: Sequence[Intake],
    roles: Mapping[str, frozenset[str]],
    access: Access,
    submit: Submit,
    reads: Reads,
    routers: Sequence[APIRouter],
    health: Health,
) -> FastAPI:
    """The ASGI application of a service. Raises ValueError for a route that asks for no permission."""
    entrances = [Entrance(intake, roles, access, submit) for intake in commands]
    permissions = [permission for router in routers for permission in _permissions(router, reads)]
    app = _Application(f"Attune {service_name}", entrances, permissions)
    for router in (_about_itself(health), *routers):
        app.include_router(router)
    known = [(entrance.pattern, {entrance.intake.method}) for entrance in entrances]
    known += [(path_pattern(path), {method, "HEAD"}) for method, path, _ in permissions if method == "GET"]
    known += [(path_pattern(path), {method}) for method, path, _ in permissions if method != "GET"]
    known += [(path_pattern(path), {"GET", "HEAD"}) for path in ("/livez", "/readyz", "/metrics", "/openapi.json")]
    _answer_errors(app, known)
    return app


def _routes(router: APIRouter) -> Iterator[Any]:
    """The routes of a router and of those that it includes, which FastAPI leaves as they are."""
    for route in router.routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from _routes(included)


def _permissions(router: APIRouter, reads: Reads) -> list[tuple[str, str, str]]:
    found = []
    for route in _routes(router):
        permission = reads.permission_of(route) if isinstance(route, APIRoute) else None
        if not isinstance(route, APIRoute) or permission is None:
            raise ValueError(f"{getattr(route, 'path', route)} asks for no permission")
        found += [(method, route.path, permission) for method in sorted(route.methods or ())]
    return found


def _about_itself(health: Health) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="Whether the process works", response_class=JSONResponse)
    async def livez() -> Response:
        well, facts = health.live()
        return JSONResponse(facts, 200 if well else 503)

    @router.get("/readyz", summary="Whether the service takes work", response_class=JSONResponse)
    async def readyz() -> Response:
        well, facts = health.ready()
        return JSONResponse(facts, 200 if well else 503)

    @router.get(
        "/metrics",
        summary="Metrics in the Prometheus text format",
        response_class=Response,
        responses={422: {"$ref": "#/components/responses/Problem422"}},
    )
    async def metrics(names: list[str] = Query([], alias="name[]", max_length=100)) -> Response:
        """All of them; with `name[]`, as in Prometheus itself, those only."""
        return Response(telemetry.metrics_text(names), media_type=telemetry.METRICS_TYPE)

    return router


def _answer_errors(app: FastAPI, known: Sequence[tuple[Any, set[str]]]) -> None:
    def respond(error: Exception) -> Response:
        status, body, headers = rendered(error)
        response = Response(body, status)
        for name, value in headers:
            response.headers[name.decode()] = value.decode()
        return response

    async def any_error(_: Request, error: Exception) -> Response:
        return respond(error)

    async def invalid(_: Request, error: Exception) -> Response:
        details = error.errors() if isinstance(error, RequestValidationError) else []
        if any(detail["type"] == "json_invalid" for detail in details):
            return respond(Malformed(errors=(FieldError(None, "json_invalid"),)))
        return respond(Invalid(errors=errors_of(details, skip=1)))

    async def http_error(request: Request, error: Exception) -> Response:
        allowed = {m for pattern, methods in known if pattern.fullmatch(request.scope["path"]) for m in methods}
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404 and "endpoint" in request.scope:  # a route's own answer
            return respond(NotFound())
        if status in (404, 405):
            return respond(MethodNotAllowed(allowed) if allowed else NotFound())
        problem = Problem(rule=f"http-{status}")
        problem.status = status
        return respond(problem)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)
    for kind in (Problem, Refused, Exception):
        app.add_exception_handler(kind, any_error)
