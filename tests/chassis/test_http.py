"""The HTTP edge on a real server: who may, what is taken, and one shape for every answer."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import httpx
import pytest
import structlog
from fastapi import APIRouter, Depends, HTTPException, Query

from chassis import serving
from chassis.access import Access, Caller
from chassis.commands import MAX_BODY, Command, ShortText
from chassis.decision import Refused
from chassis.http import Reads, Server, Unavailable, build_app, serve
from chassis.key_set import KeySet
from chassis.logs import set_up
from chassis.problem import NotFound
from tests.chassis.issuer import AUDIENCE, ISSUER, Issuer, written

SECRET = "Marigold"
CHILD = "018f2f6e-7c00-7000-8000-000000000002"
ROLES = {"health_visitor": frozenset({"note.write", "note.read"}), "operator": frozenset({"operator.read"})}
GUARDS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


class WriteNote(Command):
    """Writes a note about a child."""

    child_id: UUID
    text: ShortText


class CloseNote(Command):
    """Closes a note."""

    note_id: UUID
    reason: ShortText | None = None


class NoteAlreadyClosed(Refused):
    """The note is closed."""

    field = "note_id"


class Intake(NamedTuple):
    method: str
    path: str
    model: type[Command]
    may: str
    status: int
    reply: Any = Any

    @property
    def name(self) -> str:
        return self.model.__name__


class Answer(NamedTuple):
    status: int
    body: bytes


class Submitted:
    """Stands in for the processor: keeps what arrives, answers what it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[Command, dict[str, Any]]] = []
        self.raises: Exception | None = None
        self.hold: asyncio.Event | None = None

    async def __call__(self, intake: Intake, command: Command, **given: Any) -> Answer:
        if self.hold is not None:
            await self.hold.wait()
        if self.raises is not None:
            raise self.raises
        self.taken.append((command, given))
        return Answer(intake.status, b'{"done":true}')


class Health:
    well = True

    def live(self) -> tuple[bool, dict[str, Any]]:
        return True, {"loop_late_seconds": 0}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        return self.well, {"database": "away"}


class Edge:
    """A running service without a processor."""

    def __init__(
        self, server: Server, client: httpx.AsyncClient, issuer: Issuer, submitted: Submitted, health: Health
    ) -> None:
        self.server, self.client, self.issuer = server, client, issuer
        self.submitted, self.health = submitted, health

    def as_(self, *roles: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.issuer.token(*roles)}"}

    async def post(self, path: str, content: Any, *, role: str = "health_visitor", **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        given = {
            "content-type": "application/json",
            **self.as_(role),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        return await self.client.post(path, content=body, headers=given)

    async def raw(self, *parts: bytes, pause_s: float = 0.0) -> bytes:
        """Everything that the server says to these bytes before it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b"reset"
        finally:
            writer.close()


def notes(reads: Reads) -> APIRouter:
    router = APIRouter()
    may_read = Depends(reads.allowed("note.read"))

    @router.get("/notes/{note_id}", dependencies=[may_read])
    async def note(note_id: UUID, limit: Annotated[int, Query(ge=1, le=10)] = 1) -> dict[str, Any]:
        if note_id.int % 2:
            raise NotFound
        return {"note_id": note_id, "limit": limit}

    @router.get("/me")
    async def me(caller: Caller = may_read) -> dict[str, Any]:
        return {"subject": caller.subject}

    @router.get("/broken", dependencies=[may_read])
    async def broken() -> None:
        raise ValueError(SECRET)

    @router.get("/gone", dependencies=[may_read])
    async def gone() -> None:
        raise HTTPException(404, SECRET)

    @router.get("/refused", dependencies=[may_read])
    async def refused() -> None:
        raise NoteAlreadyClosed

    @router.post("/parked/{parked_id}/retry", dependencies=[Depends(reads.allowed("operator.read"))])
    async def retry(parked_id: UUID, content: dict[str, Any]) -> dict[str, Any]:
        return {"parked_id": parked_id, **content}

    return router


COMMANDS = (
    Intake("POST", "/notes", WriteNote, "note.write", 201),
    Intake("POST", "/notes/{note_id}/closing", CloseNote, "note.write", 200),
    Intake("PUT", "/secret", WriteNote, "nobody.may", 200),
)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Edge]:
    issuer, submitted, health = Issuer(), Submitted(), Health()
    keys = KeySet(written(folder / "keys.json", issuer.public))
    access = Access(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), keys=keys)
    pool: Any = None
    reads = Reads(pool, access, ROLES)
    app = build_app(
        "test",
        commands=COMMANDS,
        roles=ROLES,
        access=access,
        submit=submitted,
        reads=reads,
        routers=[notes(reads)],
        health=health,
    )
    server = serve(app, "127.0.0.1", 0)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag
        await asyncio.sleep(0.01)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield Edge(server, client, issuer, submitted, health)
    server.should_exit = True
    await asyncio.wait_for(running, 10)
    assert server.closed


@pytest.fixture(scope="module")
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, stream = (root.handlers[:], root.level), io.StringIO()
    set_up("test", "json", stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, log: io.StringIO) -> AsyncIterator[Edge]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "REQUEST_SECONDS", 0.4)
        async with started(tmp_path_factory.mktemp("edge")) as edge:
            yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.submitted.taken.clear()
    running.submitted.raises, running.health.well = None, True
    return running


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem in an answer, with all that every answer must have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert SECRET not in response.text + str(response.headers)
    assert GUARDS.items() <= dict(response.headers).items()
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert found["type"].startswith("urn:attune:problem:")
    return found


def rule(response: httpx.Response, status: int) -> tuple[str | None, str]:
    (error,) = problem(response, status)["errors"]
    return error["field"], error["rule"]


NOTE = {"child_id": CHILD, "text": SECRET}


async def test_a_command_is_submitted_with_all_that_belongs_to_it(edge: Edge) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    answer = await edge.post("/notes", NOTE, Idempotency_Key="a-key", traceparent=trace)
    assert (answer.status_code, answer.json()) == (201, {"done": True})
    assert answer.headers["content-type"] == "application/json"
    assert GUARDS.items() <= dict(answer.headers).items()
    ((command, given),) = edge.submitted.taken
    assert command == WriteNote(child_id=UUID(CHILD), text=SECRET)
    assert given == {
        "caller": "018f2f6e-7c00-7000-8000-000000000001",
        "idempotency_key": "a-key",
        "body": given["body"],
        "traceparent": trace,
    }


async def test_path_parameters_belong_to_the_command(edge: Edge) -> None:
    other = CHILD[:-1] + "3"
    assert (await edge.post(f"/notes/{CHILD}/closing", {})).status_code == 200
    assert (await edge.client.post(f"/notes/{other}/closing", headers=edge.as_("health_visitor"))).status_code == 200
    (first, given), (second, _) = edge.submitted.taken
    assert (first, second) == (CloseNote(note_id=UUID(CHILD)), CloseNote(note_id=UUID(other)))
    assert (given["idempotency_key"], given["traceparent"]) == (None, None)
    assert rule(await edge.post("/notes/nonsense/closing", {}), 422) == ("note_id", "uuid_parsing")


async def test_who_is_unknown_is_401_and_who_may_not_is_403(edge: Edge) -> None:
    json_ = {"content-type": "application/json"}
    answer = await edge.client.post("/notes", json=NOTE)
    assert rule(answer, 401) == ("authorization", "token_missing")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = await edge.client.post("/notes", json=NOTE, headers={"authorization": f"Bearer {SECRET}"})
    assert rule(answer, 401) == ("authorization", "token_malformed")
    assert (
        problem(await edge.post("/notes", NOTE, role="operator"), 403)["detail"] == "Needs the permission note.write."
    )
    answer = await edge.client.put("/secret", json=NOTE, headers=edge.as_(*ROLES) | json_)
    problem(answer, 403)
    assert edge.submitted.taken == []
    token = edge.as_("health_visitor")["authorization"]
    answer = await edge.client.post("/notes", json=NOTE, headers=[("authorization", token), ("authorization", token)])
    assert rule(answer, 400) == ("authorization", "header_repeated")


async def test_reads_are_denied_unless_permitted(edge: Edge) -> None:
    problem(await edge.client.get("/me"), 401)
    problem(await edge.client.get("/me", headers=edge.as_("operator")), 403)
    problem(await edge.client.get("/notes/nonsense"), 401)
    answer = await edge.client.get("/me", headers=edge.as_("health_visitor"))
    assert answer.json() == {"subject": "018f2f6e-7c00-7000-8000-000000000001"}
    assert GUARDS.items() <= dict(answer.headers).items()


async def test_a_route_that_asks_for_no_permission_stops_the_start(tmp_path: Path) -> None:
    access = Access(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), keys=KeySet(str(tmp_path)))
    pool: Any = None
    reads, router = Reads(pool, access, ROLES), APIRouter()

    @router.get("/open")
    async def open_to_all() -> None: ...

    with pytest.raises(ValueError, match="/open asks for no permission"):
        build_app(
            "test",
            commands=(),
            roles=ROLES,
            access=access,
            submit=Submitted(),
            reads=reads,
            routers=[router],
            health=Health(),
        )


@pytest.mark.parametrize(
    ("content", "status", "field", "broken"),
    [
        (b"", 400, None, "not_an_object"),
        (b"[1]", 400, None, "not_an_object"),
        (b'{"text": "Marigold"', 400, None, "json_invalid"),
        (b'{"text": NaN}', 400, None, "json_invalid"),
        (b'{"text": "Marigold", "text": "Marigold"}', 400, "text", "duplicate_key"),
        (b'{"text":' + b"[" * 50 + b"]" * 50 + b"}", 400, None, "too_deep"),
        (b'\xff\xfe{"text": 1}', 400, None, "not_utf8"),
        (b'{"text": "Marigold\\u0000"}', 422, "text", "control_character"),
        (b'{"child_id": "Marigold", "text": "x"}', 422, "child_id", "uuid_parsing"),
        (b'{"child_id": "%s", "text": 7}' % CHILD.encode(), 422, "text", "string_type"),
        (b'{"child_id": "%s", "text": "x", "colour": "Marigold"}' % CHILD.encode(), 422, "colour", "extra_forbidden"),
        (b'{"child_id": "%s"}' % CHILD.encode(), 422, "text", "missing"),
    ],
)
async def test_bad_bodies_name_field_and_rule(
    edge: Edge, content: bytes, status: int, field: str | None, broken: str
) -> None:
    assert rule(await edge.post("/notes", content), status) == (field, broken)
    assert edge.submitted.taken == []


async def test_only_json_is_taken(edge: Edge) -> None:
    problem(await edge.post("/notes", NOTE, content_type="text/plain"), 415)
    problem(await edge.post("/notes", NOTE, content_type="application/json-patch"), 415)
    problem(await edge.post("/notes", NOTE, content_encoding="gzip"), 415)
    token = edge.as_("health_visitor")
    problem(await edge.client.post("/notes", content=b"{}", headers=token), 415)
    assert (await edge.post("/notes", NOTE, content_type="Application/JSON; charset=utf-8")).status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "t\tb"])
async def test_a_key_is_short_and_visible(edge: Edge, key: str) -> None:
    assert rule(await edge.post("/notes", NOTE, idempotency_key=key), 400)[0] == "idempotency-key"


async def test_refusals_and_failures_of_the_service(edge: Edge) -> None:
    edge.submitted.raises = NoteAlreadyClosed()
    found = problem(await edge.post("/notes", NOTE), 409)
    assert found["type"] == "urn:attune:problem:note-already-closed"
    assert found["detail"] == "The note is closed."
    edge.submitted.raises = Unavailable("The queue is full.", retry_after=2)
    answer = await edge.post("/notes", NOTE)
    problem(answer, 503)
    assert answer.headers["retry-after"] == "2"
    edge.submitted.raises = KeyError(SECRET)
    found = problem(await edge.post("/notes", NOTE), 500)
    assert found["instance"].startswith("urn:uuid:")
    assert "detail" not in found


async def test_the_same_shape_comes_from_reads(edge: Edge, log: io.StringIO) -> None:
    token = edge.as_("health_visitor")
    get = edge.client.get
    answer = await get("/notes/Marigold?limit=Marigold", headers=token)
    assert problem(answer, 422)["errors"] == [
        {"field": "note_id", "rule": "uuid_parsing"},
        {"field": "limit", "rule": "int_parsing"},
    ]
    assert rule(await get(f"/notes/{CHILD}?limit=11", headers=token), 422) == ("limit", "less_than_equal")
    problem(await get(f"/notes/{CHILD[:-1]}3", headers=token), 404)
    problem(await get("/gone", headers=token), 404)
    problem(await get("/refused", headers=token), 409)
    found = problem(await get("/broken", headers=token), 500)
    logged = json.loads(log.getvalue().splitlines()[-1])
    assert (logged["event"], f"urn:uuid:{logged['error_id']}") == ("request_failed", found["instance"])
    assert logged["exception"]["type"] == "builtins.ValueError"
    assert SECRET not in log.getvalue()


async def test_unknown_paths_and_methods(edge: Edge) -> None:
    problem(await edge.client.get(f"/{SECRET}"), 404)
    problem(await edge.client.get("/docs"), 404)
    problem(await edge.client.post("/notes/"), 404)
    for method, path, allowed in (
        ("GET", "/notes", "POST"),
        ("DELETE", f"/notes/{CHILD}", "GET, HEAD"),
        ("GET", f"/notes/{CHILD}/closing", "POST"),
        ("OPTIONS", "/notes", "POST"),
        ("POST", "/livez", "GET, HEAD"),
    ):
        answer = await edge.client.request(method, path)
        problem(answer, 405)
        assert answer.headers["allow"] == allowed


async def test_head_is_get_without_the_body(edge: Edge) -> None:
    for path in ("/livez", "/metrics", "/openapi.json", "/me"):
        answer = await edge.client.head(path, headers=edge.as_("health_visitor"))
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0
    answer = await edge.client.head("/nowhere")
    assert (answer.status_code, answer.content) == (404, b"")
    answer = await edge.client.head("/notes")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_health_and_metrics_are_open(edge: Edge) -> None:
    assert (await edge.client.get("/livez")).json() == {"loop_late_seconds": 0}
    assert (await edge.client.get("/readyz")).status_code == 200
    edge.health.well = False
    answer = await edge.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"database": "away"})
    await edge.post("/notes", NOTE)
    text = (await edge.client.get("/metrics")).text
    assert 'attune_http_requests_total{method="POST",route="/notes",status="201"}' in text
    assert CHILD not in text


async def test_only_the_metrics_that_are_asked_for(edge: Edge) -> None:
    asked = [("name[]", "attune_outbox_rows"), ("name[]", "attune_published_events_total"), ("name[]", "none")]
    text = (await edge.client.get("/metrics", params=asked)).text
    told = {line.split()[0] for line in text.splitlines() if not line.startswith("#")}
    assert told == {"attune_published_events_total", "attune_outbox_rows"}


# --- limits -----------------------------------------------------------------------------------------------------------


def request(edge: Edge, *headers: str, path: str = "/notes", role: str = "health_visitor") -> bytes:
    token = edge.as_(role)["authorization"]
    lines = (f"POST {path} HTTP/1.1", "host: x", f"authorization: {token}", "content-type: application/json", *headers)
    return "\r\n".join((*lines, "", "")).encode()


async def test_a_body_over_64_kib_is_refused_before_it_is_read(edge: Edge) -> None:
    problem(await edge.post("/notes", b" " * (MAX_BODY + 1)), 413)
    said = await edge.raw(request(edge, "content-length: 99999999"))
    assert said.startswith(b"HTTP/1.1 413")


async def test_a_chunked_body_is_counted_while_it_arrives(edge: Edge) -> None:
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    said = await edge.raw(request(edge, "transfer-encoding: chunked"), *[chunk] * 5)
    assert said.startswith(b"HTTP/1.1 413") or said == b"reset"
    body = json.dumps(NOTE).encode()
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    said = await edge.raw(request(edge, "transfer-encoding: chunked", "connection: close"), whole)
    assert said.startswith(b"HTTP/1.1 201")


async def test_the_limit_holds_for_other_routes_too(edge: Edge) -> None:
    path = f"/parked/{CHILD}/retry"
    problem(await edge.post(path, b'"' + b" " * MAX_BODY + b'"', role="operator"), 413)
    answer = await edge.post(path, {"a": 1}, role="operator")
    assert answer.json() == {"parked_id": CHILD, "a": 1}
    assert rule(await edge.post(path, b'{"Marigold', role="operator"), 400) == (None, "json_invalid")
    problem(await edge.post(path, b'["Marigold"]', role="operator"), 422)


async def test_a_length_that_lies_is_cut_off(edge: Edge) -> None:
    body = json.dumps(NOTE).encode()
    said = await edge.raw(request(edge, f"content-length: {len(body) + 50}"), body)
    assert said.startswith(b"HTTP/1.1 408")
    said = await edge.raw(request(edge, f"content-length: {len(body) - 5}"), body)
    assert said.startswith(b"HTTP/1.1 400")
    for length in ("-1", "1e3", "0x10", "1" * 30):
        said = await edge.raw(request(edge, f"content-length: {length}"), body)
        assert said.startswith(b"HTTP/1.1 4") or said == b""
    assert edge.submitted.taken == []


async def test_two_lengths_or_a_length_and_chunks_are_refused(edge: Edge) -> None:
    body = json.dumps(NOTE).encode()
    said = await edge.raw(request(edge, f"content-length: {len(body)}", "content-length: 5"), body)
    assert said.startswith(b"HTTP/1.1 400")
    said = await edge.raw(request(edge, f"content-length: {len(body)}", "transfer-encoding: chunked"), body)
    assert said.startswith(b"HTTP/1.1 400")
    assert edge.submitted.taken == []


async def test_slow_senders_are_cut_off(edge: Edge) -> None:
    assert await edge.raw() == b""
    assert await edge.raw(b"POST /notes HT") == b""
    head = request(edge, "content-length: 100")
    said = await edge.raw(head, *[b" "] * 4, pause_s=0.05)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in said


async def test_a_request_is_not_late_because_the_server_stood_still(edge: Edge) -> None:
    """As after SIGSTOP: uvloop calls timers before it reads what has arrived in time."""
    body = json.dumps(NOTE).encode()
    before = set(edge.server.server_state.connections)
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.server.port)
    writer.write(request(edge, f"content-length: {len(body)}", "connection: close") + body[:5])
    await asyncio.sleep(0.1)
    (protocol,) = edge.server.server_state.connections - before
    assert isinstance(protocol, serving.Protocol)
    protocol._disarm()
    protocol._due -= serving.REQUEST_SECONDS + serving.STALLED_SECONDS
    protocol._late()
    writer.write(body[5:])
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 201")
    writer.close()


async def test_an_endless_head_is_cut_off(edge: Edge) -> None:
    said = await edge.raw(b"GET / HTTP/1.1\r\n", *[b"x: " + b"y" * 8000 + b"\r\n"] * 10)
    assert said.startswith(b"HTTP/1.1 400") or said == b"reset"
    said = await edge.raw(b"GET /" + b"y" * 30_000, b"y" * 30_000, b"y" * 30_000)
    assert said.startswith(b"HTTP/1.1 400") or said == b"reset"


async def test_a_head_in_one_piece_has_the_same_limit(edge: Edge) -> None:
    for size, status in ((serving.LARGEST_HEAD - 200, b"200"), (serving.LARGEST_HEAD, b"400"), (60_000, b"400")):
        padding = b"x: " + b"y" * size + b"\r\n"
        said = await edge.raw(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + padding + b"\r\n")
        assert said.startswith(b"HTTP/1.1 " + status), (size, said[:60])
        assert (status == b"200") or b"head-too-large" in said


async def test_a_large_body_does_not_count_as_the_head_of_what_follows(edge: Edge) -> None:
    body = json.dumps(NOTE).encode() + b" " * 50_000
    first = request(edge, f"content-length: {len(body)}") + body
    half, rest = b"GET /livez HTTP/1.1\r\nhost: x\r\n", b"connection: close\r\n\r\n"
    said = await edge.raw(first + half, rest, pause_s=0.1)
    assert (said.count(b"HTTP/1.1 201"), said.count(b"HTTP/1.1 200")) == (1, 1)


async def test_what_is_not_http_behind_a_request_does_not_answer_for_it(edge: Edge) -> None:
    """A refusal written at once would be read as the answer to the request that is still in hand."""
    edge.submitted.hold = asyncio.Event()
    body = json.dumps(NOTE).encode()
    before = set(edge.server.server_state.connections)
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.server.port)
    writer.write(request(edge, f"content-length: {len(body)}") + body + b"\x00\x00\r\n\r\n")
    async with asyncio.timeout(10):
        while not any(p.cycle and not p.cycle.keep_alive for p in edge.server.server_state.connections - before):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    edge.submitted.hold.set()
    said = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert said.startswith(b"HTTP/1.1 201")
    assert (said.count(b"HTTP/1.1"), b"connection: close" in said.lower()) == (1, True)


async def test_too_many_connections_are_told_so_and_health_is_still_answered(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "CONNECTIONS", 2)
    idle = [await asyncio.open_connection("127.0.0.1", edge.server.port) for _ in range(2)]
    said = await edge.raw(b"GET /me HTTP/1.1\r\nhost: x\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in head.lower()
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "urn:attune:problem:too-many-connections"
    said = await edge.raw(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(serving, "TURNED_AWAY", 0)
    assert await edge.raw(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n") in (b"", b"reset")
    for _, writer in idle:
        writer.close()


async def test_an_empty_line_after_an_answer_does_not_hold_a_connection_for_ever(edge: Edge) -> None:
    get = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    assert (await edge.raw(get, b"\r\n", pause_s=0.1)).startswith(b"HTTP/1.1 200")
    assert await edge.raw(b"\r\n") == b""


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET\r\n\r\n", b"{}\r\n\r\n", b"\x00" * 9],
    ids=lambda g: g[:4].hex(),
)
async def test_what_is_not_http_is_answered_as_a_problem(edge: Edge, garbage: bytes) -> None:
    said = await edge.raw(garbage)
    assert said.startswith(b"HTTP/1.1 400")
    assert b'"urn:attune:problem:malformed-http"' in said


async def test_a_client_that_goes_away_leaves_nothing_behind(edge: Edge) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", edge.server.port)
    writer.write(request(edge, "content-length: 100") + b"{")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.1)
    assert edge.server.server_state.tasks == set()
    assert edge.submitted.taken == []


async def test_requests_one_after_the_other_on_one_connection(edge: Edge) -> None:
    body = json.dumps(NOTE).encode()
    one = request(edge, f"content-length: {len(body)}") + body
    last = request(edge, f"content-length: {len(body)}", "connection: close") + body
    said = await edge.raw(one + one + last)
    assert said.count(b"HTTP/1.1 201") == 3


async def test_a_stop_answers_what_is_in_hand(tmp_path: Path) -> None:
    async with started(tmp_path) as edge:
        edge.submitted.hold = asyncio.Event()
        answer = asyncio.create_task(edge.post("/notes", NOTE))
        await asyncio.sleep(0.1)
        edge.server.should_exit = True
        await asyncio.sleep(0.3)
        assert not edge.server.closed
        edge.submitted.hold.set()
        assert (await answer).status_code == 201


async def test_an_address_in_use_is_an_error_of_the_starter(edge: Edge) -> None:
    with pytest.raises(OSError, match="in use"):
        await serve(edge.server.config.app, "127.0.0.1", edge.server.port).serve()


# --- the published description ----------------------------------------------------------------------------------------


async def test_commands_and_reads_are_described_alike(edge: Edge) -> None:
    document = (await edge.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    write = document["paths"]["/notes"]["post"]
    assert write["operationId"] == "WriteNote"
    assert "Writes a note about a child." in write["description"]
    assert "`note.write`" in write["description"]
    assert write["security"] == [{"bearer": []}]
    assert {"201", "400", "401", "403", "409", "413", "422", "503"} <= set(write["responses"])
    assert [p["name"] for p in write["parameters"]] == ["Idempotency-Key"]
    close = document["paths"]["/notes/{note_id}/closing"]["post"]
    assert [(p["name"], p["in"]) for p in close["parameters"]] == [("note_id", "path"), ("Idempotency-Key", "header")]
    inside = close["requestBody"]["content"]["application/json"]["schema"]
    assert set(inside["properties"]) == {"reason"}
    read = document["paths"]["/notes/{note_id}"]["get"]
    assert "`note.read`" in read["description"]
    assert read["security"] == [{"bearer": []}]
    assert "security" not in document["paths"]["/livez"]["get"]


async def test_every_reference_of_the_description_leads_somewhere(edge: Edge) -> None:
    document = (await edge.client.get("/openapi.json")).json()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [v for k, v in node.items() if k == "$ref"] + [r for v in node.values() for r in references(v)]
        return [r for v in node for r in references(v)] if isinstance(node, list) else []

    found = references(document)
    assert found
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
