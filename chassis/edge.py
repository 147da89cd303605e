"""The outermost layer of HTTP: takes commands straight to their intake, and gives every answer the same guards."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol
from uuid import uuid4

import structlog

from chassis import telemetry
from chassis.access import Access, holders, require
from chassis.commands import MAX_BODY, Command, parse
from chassis.limits import (
    ClientGone,
    Message,
    Receive,
    Scope,
    Send,
    check_json,
    head_of,
    idempotency_key,
    read_body,
)
from chassis.problem import MEDIA_TYPE, Problem, problem_of

log = structlog.get_logger(__name__)

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

GUARDING: Headers = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
"""On every answer: it may be about a child, so it is nobody's to keep, to guess at or to frame."""
_JSON = [(b"content-type", b"application/json"), *GUARDING]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Answered(Protocol):
    """The durable answer to a command."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...


class Intake(Protocol):
    """A command that comes in by HTTP."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def model(self) -> type[Command]: ...
    @property
    def may(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def reply(self) -> Any: ...


Submit = Callable[..., Awaitable[Answered]]
"""submit(intake, command, *, caller, idempotency_key, body, traceparent): raises Refused or Unavailable."""


class Counted:
    """The metrics of one route, looked up once."""

    __slots__ = ("_labels", "_seconds", "_statuses")

    def __init__(self, method: str, route: str) -> None:
        self._labels = (method if method in _METHODS else "other", route)
        self._seconds = telemetry.HTTP_SECONDS.labels(*self._labels)
        self._statuses: dict[int, Any] = {}

    def note(self, status: int, started: float) -> None:
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._statuses[status] = telemetry.HTTP_REQUESTS.labels(*self._labels, str(status))
        counter.inc()
        self._seconds.observe(perf_counter() - started)


class Entrance:
    """Where one command comes in: who may, what it must look like, where it goes."""

    def __init__(self, intake: Intake, roles: Mapping[str, frozenset[str]], access: Access, submit: Submit) -> None:
        self.intake, self._access, self._submit = intake, access, submit
        self._allowed = holders(roles, intake.may)
        self.has_parameters = "{" in intake.path
        self.pattern = path_pattern(intake.path)
        self.counted = Counted(intake.method, intake.path)

    async def answer(self, scope: Scope, receive: Receive, parameters: Mapping[str, str] | None) -> Answered:
        """Raises Problem or Refused when the command is not taken."""
        head = head_of(scope["headers"])
        access, intake = self._access, self.intake
        authorization = head.get(b"authorization", b"")
        caller = access.known(authorization)
        if caller is None:
            caller = await access.caller(authorization)
        require(caller, self._allowed, intake.may)
        body = await read_body(scope, receive, head.get(b"content-length"), MAX_BODY)
        if body or not parameters:
            check_json(head.get(b"content-type"), head.get(b"content-encoding"))
        command = parse(intake.model, body, parameters)
        trace = head.get(b"traceparent")
        return await self._submit(
            intake,
            command,
            caller=caller.subject,
            idempotency_key=idempotency_key(head.get(b"idempotency-key")),
            # What makes two requests the same: the values in the path belong to it.
            body=b"\0".join((scope["path"].encode(), body)) if parameters else body,
            traceparent=trace.decode("latin-1") if trace else None,
        )


def path_pattern(path: str) -> re.Pattern[str]:
    """The paths that a template such as `/consultations/{consultation_id}` stands for."""
    pieces = re.split(r"\{([a-z_]+)\}", path)
    made = "".join(f"(?P<{p}>[^/]+)" if index % 2 else re.escape(p) for index, p in enumerate(pieces))
    return re.compile(made)


class Edge:
    """ASGI application around FastAPI's: commands take the short way, everything else goes through."""

    def __init__(self, inner: App, entrances: Sequence[Entrance]) -> None:
        self._inner = inner
        self._fixed = {(e.intake.method, e.intake.path): e for e in entrances if not e.has_parameters}
        self._templates = [e for e in entrances if e.has_parameters]
        self._counted: dict[tuple[str, str], Counted] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        entrance, parameters = self._fixed.get((scope["method"], scope["path"])), None
        if entrance is None:
            entrance, parameters = self._by_template(scope["method"], scope["path"])
        if entrance is None:
            await self._through(scope, receive, send)
        else:
            await self._command(entrance, parameters, scope, receive, send)

    def _by_template(self, method: str, path: str) -> tuple[Entrance | None, Mapping[str, str] | None]:
        for entrance in self._templates:
            if entrance.intake.method == method and (match := entrance.pattern.fullmatch(path)):
                return entrance, match.groupdict()
        return None, None

    async def _command(
        self, entrance: Entrance, parameters: Mapping[str, str] | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        started = perf_counter()
        try:
            answer = await entrance.answer(scope, receive, parameters)
            status, body, headers = answer.status, answer.body, _JSON
        except ClientGone:
            entrance.counted.note(499, started)
            return
        except Exception as error:
            status, body, headers = rendered(error)
        entrance.counted.note(status, started)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, method = perf_counter(), scope["method"]
        inner_scope = {**scope, "method": "GET"} if method == "HEAD" else scope
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in GUARDING}
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in own]
                message = {**message, "headers": [*kept, *GUARDING]}
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            if method not in ("GET", "HEAD"):
                length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
                receive = _again(await read_body(scope, receive, length, MAX_BODY), receive)
            await self._inner(inner_scope, receive, guarded)
        except ClientGone:
            status = 499
        except Exception as error:
            if not status:  # otherwise answered, and logged, by the application's own handler
                status, body, headers = rendered(error)
                headers = [*headers, (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
        self._count(method, inner_scope, status, started)

    def _count(self, method: str, scope: Scope, status: int, started: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        key = (method if method in _METHODS else "other", route)
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = Counted(*key)
        counted.note(status, started)


def rendered(error: Exception) -> tuple[int, bytes, Headers]:
    """Status, body and headers of the answer to an error; an unexpected one is logged under the id that it answers."""
    problem = problem_of(error)
    if problem is None:
        error_id = uuid4()
        log.error("request_failed", error_id=error_id, exc_info=error)
        problem = Problem(instance=f"urn:uuid:{error_id}")
    headers = [(name.encode(), value.encode()) for name, value in problem.headers]
    return problem.status, problem.body(), [(b"content-type", MEDIA_TYPE.encode()), *GUARDING, *headers]


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be received once more; afterwards whatever comes on the connection."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
