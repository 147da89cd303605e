"""A stand-in for GOV.UK Notify over HTTP: checks the token, keeps what it took, and answers badly when told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt

SERVICE, SECRET = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
NEUTRAL_SERVICE = "33333333-3333-4333-8333-333333333333"
API_KEY, NEUTRAL_KEY = f"own-{SERVICE}-{SECRET}", f"neutral-{NEUTRAL_SERVICE}-{SECRET}"
TEMPLATE = "44444444-4444-4444-8444-444444444444"
_ADDRESSED = {"email": "email_address", "sms": "phone_number", "letter": "personalisation"}


class NotifyServer:
    """Takes every notification. `answers` are statuses for the next posts; `cut`: it is taken and nothing is said."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.answers: list[int | str] = []
        self.asked: list[str] = []
        self.lock = threading.Lock()
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        outer = self

        class Handler(_Handler):
            notify = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    notify: NotifyServer
    protocol_version = "HTTP/1.0"  # as if a connection were never kept: what is closed is closed for good

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind = self.path.rpartition("/")[2]
        service = self._caller()
        if service is None:
            return self._answer(403, {"status_code": 403, "errors": [{"error": "AuthError"}]})
        with self.notify.lock:
            answer = self.notify.answers.pop(0) if self.notify.answers else 201
            if answer in (201, "cut"):
                assert _ADDRESSED[kind] in body
                made = {"id": str(uuid4()), "kind": kind, "service": service, "status": "created"} | body
                self.notify.taken.append(made)
        if answer == "cut":
            self.close_connection = True
            return None
        return self._answer(int(answer), {"id": str(uuid4()), "errors": [{"error": "X", "message": "no"}]})

    def do_GET(self) -> None:
        service = self._caller()
        (reference,) = parse_qs(urlsplit(self.path).query)["reference"]
        with self.notify.lock:
            self.notify.asked.append(reference)
            found = [n for n in self.notify.taken if (n["reference"], n["service"]) == (reference, service)]
            answer = self.notify.answers.pop(0) if self.notify.answers and self.notify.answers[0] == 500 else 200
        self._answer(int(answer), {"notifications": found, "links": {}})

    def _caller(self) -> str | None:
        token = self.headers["authorization"].removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["iss", "iat"]})
        except jwt.PyJWTError:
            return None
        return claims["iss"] if claims["iss"] in (SERVICE, NEUTRAL_SERVICE) else None

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def notify_server() -> Iterator[NotifyServer]:
    server = NotifyServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
