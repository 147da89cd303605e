"""Asks the services as their callers do: again with the same key while there is no answer; every answer is kept."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from attune.stack.tokens import Issuer
from faults.world import Answer
from services.notification.main import SERVICE as NOTIFICATION
from services.referral.main import SERVICE as REFERRAL
from services.screening.main import SERVICE as SCREENING
from services.workforce.main import SERVICE as WORKFORCE

MAPS = (SCREENING, REFERRAL, NOTIFICATION, WORKFORCE)
OWNER: Mapping[str, str] = {f"{i.method} {i.path}": s.name for s in MAPS for i in s.commands}
"""Which service takes a command, by its route."""
PATIENCE_SECONDS = 180.0
"""How long a caller tries before the request counts as never answered."""
_CODES = frozenset({"kind", "reason", "instrument", "competence", "role", "priority", "consent", "duty", "birth"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a token of their own."""

    id: UUID
    role: str
    token: str = field(repr=False)


@dataclass(slots=True)
class Ledger:
    """What was asked and answered in the whole campaign."""

    answers: list[Answer] = field(default_factory=list)
    error_bodies: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)
    """Requests sent twice at once under one key that were answered differently."""
    server_errors: list[str] = field(default_factory=list)
    canaries: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Request:
    who: Person
    route: str
    body: Mapping[str, Any] | bytes
    key: UUID
    case: int
    bad: bool
    names: Mapping[str, Any]


class Asking:
    """One client for all callers. `offset` is what the services' clocks are ahead of this machine's."""

    def __init__(self, urls: Mapping[str, str], issuer: Issuer) -> None:
        self.urls, self.issuer = urls, issuer
        self.ledger = Ledger()
        self.offset = timedelta()
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=40)
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(12, pool=None), limits=limits, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    def now(self) -> datetime:
        """As the services see it."""
        return datetime.now(UTC) + self.offset

    def person(self, role: str) -> Person:
        id_ = uuid7()
        return Person(id_, role, self.issuer.token(role, subject=id_))

    async def ask(
        self,
        who: Person,
        route: str,
        body: Mapping[str, Any] | bytes,
        *,
        case: int = -1,
        bad: bool = False,
        key: UUID | None = None,
        twice: bool = False,
        **names: Any,
    ) -> Answer:
        """The last answer to a command. `names` fill the path; `twice` sends it a second time at the same moment."""
        request = _Request(who, route, body, key or uuid7(), case, bad, names)
        answer = await (self._twice(request) if twice else self._ask(request))
        self.ledger.answers.append(answer)
        return answer

    async def _twice(self, request: _Request) -> Answer:
        """Both at once: one effect, one success. A refusal is not remembered, so that what was refused may succeed."""
        pair = await asyncio.gather(self._ask(request), self._ask(request))
        answered = [a for a in pair if a.status is not None] or [pair[0]]
        kept = next((a for a in answered if a.status is not None and a.status < 300), answered[0])
        if any((a.status, a.got) != (kept.status, kept.got) for a in answered):
            await self._one_of(request, answered)
        return kept

    async def _one_of(self, request: _Request, answered: list[Answer]) -> None:
        """They differ: a success must be the answer from now on, and nothing else may have been one."""
        later = await self._ask(request)
        succeeded = [a for a in (*answered, later) if a.status is not None and a.status < 300]
        told = {(a.status, json.dumps(a.got, sort_keys=True)) for a in succeeded}
        if len(told) > 1 or (succeeded and later not in succeeded and later.status is not None):
            kinds = [f"{a.status} {a.got.get('type', '')}" for a in (*answered, later)]
            self.ledger.mismatches.append(f"{request.route} {request.key}: {', '.join(kinds)}")

    async def _ask(self, r: _Request) -> Answer:
        method, _, template = r.route.partition(" ")
        service, path = OWNER[r.route], re.sub(r"\{(\w+)\}", lambda m: str(r.names[m[1]]), template)
        content = r.body if isinstance(r.body, bytes) else json.dumps(r.body, default=str).encode()
        headers = {"authorization": f"Bearer {r.who.token}", "idempotency-key": str(r.key)}
        headers["content-type"] = "application/json"
        first_at, deadline, tries = datetime.now(UTC), time.monotonic() + PATIENCE_SECONDS, 0
        while True:
            tries += 1
            found = await self._try(method, self.urls[service] + path, headers, content)
            if found is not None or time.monotonic() > deadline:
                break
            await asyncio.sleep(random.uniform(0.1, 0.6))
        if found is not None and found.status_code >= 500:
            self.ledger.server_errors.append(f"{r.route}: {found.status_code}")
        sent = {**_told(r.body), **{name: str(value) for name, value in r.names.items()}}
        return Answer(
            service, r.route, path, r.key, None if found is None else found.status_code, sent, _json(found), tries,
            r.who.id, r.bad, r.case, first_at, None if found is None else datetime.now(UTC),
        )  # fmt: skip

    async def _try(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None
    ) -> httpx.Response | None:
        """None where the service cannot take it now, or nobody knows whether it did."""
        try:
            answer = await self._client.request(method, url, headers=headers, content=content)
        except (httpx.HTTPError, AttributeError):
            # The latter is how a line that is closed in the moment of connecting shows itself under uvloop.
            return None
        if not answer.is_success:
            self.ledger.error_bodies.append(answer.text)
        return None if answer.status_code in (429, 503) else answer

    async def get(self, who: Person, service: str, path: str) -> Any:
        """The JSON of a read, None where there is none now."""
        answer = await self._try("GET", self.urls[service] + path, {"authorization": f"Bearer {who.token}"}, None)
        return _json(answer) if answer is not None and answer.is_success else None

    async def put(
        self, who: Person, service: str, path: str, body: Any, *, method: str = "PUT"
    ) -> httpx.Response | None:
        """A request that is no command of the service's map, such as those of its operator."""
        headers = {"authorization": f"Bearer {who.token}", "content-type": "application/json"}
        return await self._try(method, self.urls[service] + path, headers, json.dumps(body, default=str).encode())


def _told(body: Mapping[str, Any] | bytes) -> dict[str, str]:
    """Ids and codes, nothing personal."""
    if isinstance(body, bytes):
        return {}
    return {
        name: str(value)
        for name, value in body.items()
        if isinstance(value, UUID) or (name in _CODES and isinstance(value, str)) or name.endswith("_id")
    }


def _json(answer: httpx.Response | None) -> Any:
    if answer is None or not answer.content:
        return {}
    try:
        return answer.json()
    except ValueError:
        return {}
