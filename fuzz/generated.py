"""Requests made from the published descriptions: valid, broken, as everybody and nobody, with ids that exist."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import jwt
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from attune.stack.stack import Stack
from attune.stack.tokens import ROLES, Issuer
from fuzz import odd
from fuzz.documents import Operation, Published
from fuzz.known import Known
from fuzz.wire import Request

DRESSES = ("allowed", "known", "known", "known", "flipped", "other_role", "no_token", "wrong_token")
_NOT_OURS = {"host", "content-length", "connection", "transfer-encoding", "user-agent", "accept-encoding", "accept"}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    covering: int | None
    """Cases of the systematic part for each operation; None takes all."""
    random: int
    """Cases by chance for each operation and mode."""
    dresses: int
    """How often each case is sent, each time as another caller or with another change."""


class Wardrobe:
    """Tokens: one for every role, and many that must not work."""

    def __init__(self, stack: Stack) -> None:
        issuer = Issuer(stack.layout.keys)
        self.by_role = {role: stack.token(role) for role in ROLES}
        good = self.by_role["team_lead"]
        head, claims, signature = good.split(".")
        unsigned = jwt.encode({"roles": list(ROLES), "sub": str(uuid4())}, "", algorithm="none")
        other_key = jwt.encode(jwt.decode(good, options={"verify_signature": False}), "s" * 32, algorithm="HS256")
        expired = issuer.token(*ROLES, lifetime=timedelta(days=-1))
        self.wrong = [
            f"Bearer {head}.{claims}.{signature[:-6]}AAAAAA",
            f"Bearer {unsigned}",
            f"Bearer {other_key}",
            f"Bearer {expired}",
            f"Bearer {good} {good}",
            f"Basic {good}",
            "Bearer",
            "Bearer \xff\xfe",
            "Bearer " + "a" * 9000,
            f"Bearer {head}.{claims}.",
            "Bearer null",
        ]


class Generator:
    """Cases for one service."""

    def __init__(self, published: Published, wardrobe: Wardrobe, known: Known, rng: random.Random) -> None:
        self._published, self._wardrobe, self._known, self._rng = published, wardrobe, known, rng
        self._schema = schemathesis.openapi.from_dict(published.document)
        self._base = f"http://127.0.0.1:{published.port}"

    def asked(self, operation: Operation, size: Size) -> list[Request]:
        """All requests for one operation."""
        source = self._schema[operation.path][operation.method]
        cases = [*self._covering(source, size.covering), *self._by_chance(source, size.random)]
        made: list[Request] = []
        for case in cases:
            wire = self._wire(case)
            if wire is not None:
                dresses = self._rng.sample(DRESSES, min(size.dresses, len(DRESSES)))
                made += (self._dressed(operation, wire, dress) for dress in dresses)
        return made

    def _covering(self, source: APIOperation[Any, Any, Any, Any], limit: int | None) -> list[Case[Any]]:
        modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
        generation = self._schema.config.generation_for(operation=source)
        found = list(self._schema.iter_coverage_cases(source, generation_modes=modes, generation_config=generation))
        return found if limit is None or len(found) <= limit else self._rng.sample(found, limit)

    def _by_chance(self, source: APIOperation[Any, Any, Any, Any], count: int) -> Iterator[Case[Any]]:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                yield from drawn(source.as_strategy(generation_mode=mode), count, self._rng.getrandbits(32))
            except Unsatisfiable:  # nothing can be wrong with a route that takes nothing
                continue

    def _wire(self, case: Case[Any]) -> requests.PreparedRequest | None:
        try:
            given_ = case.as_transport_kwargs(base_url=self._base)
            return requests.Request(**{k: v for k, v in given_.items() if k != "cookies"}).prepare()
        except (ValueError, requests.RequestException):  # it cannot even be written
            return None

    def _dressed(self, operation: Operation, wire: requests.PreparedRequest, dress: str) -> Request:
        body = wire.body.encode() if isinstance(wire.body, str) else cast("bytes", wire.body or b"")
        target = wire.path_url
        if dress == "known":
            target, body = self._with_known(operation, target, body)
        elif dress == "flipped":
            body = flipped(body, self._rng)
        headers = [
            (name.lower().encode("latin-1"), _encoded(value))
            for name, value in wire.headers.items()
            if name.lower() not in _NOT_OURS | {"authorization"}
        ]
        token = self._token(operation, dress)
        if token is not None:
            headers.append((b"authorization", token.encode("latin-1")))
        safe = target.encode("latin-1", "replace").replace(b" ", b"%20").replace(b"\r", b"").replace(b"\n", b"")
        method = wire.method or operation.method
        return Request(operation.service, operation.label, method, safe, tuple(headers), body, dress)

    def _token(self, operation: Operation, dress: str) -> str | None:
        if dress == "no_token":
            return None
        if dress == "wrong_token":
            return self._rng.choice(self._wardrobe.wrong)
        allowed = operation.roles if operation.roles is not None else frozenset(ROLES)
        others = [role for role in ROLES if role not in allowed]
        if dress == "other_role" and others:
            return f"Bearer {self._wardrobe.by_role[self._rng.choice(others)]}"
        held = sorted(allowed & self._wardrobe.by_role.keys())
        return f"Bearer {self._wardrobe.by_role[self._rng.choice(held)]}" if held else None

    def _with_known(self, operation: Operation, target: str, body: bytes) -> tuple[str, bytes]:
        path, _, query = target.partition("?")
        template, parts = operation.path.split("/"), path.split("/")
        if len(template) == len(parts):
            mixed = [
                quote(str(self._known.mixed_in(part, self._rng, named.strip("{}"))), safe="%")
                if named.startswith("{")
                else part
                for named, part in zip(template, parts, strict=True)
            ]
            path = "/".join(mixed)
        with contextlib.suppress(ValueError):
            body = json.dumps(self._known.mixed_in(json.loads(body), self._rng)).encode()
        return f"{path}?{query}" if query else path, body


def drawn(strategy: SearchStrategy[Case[Any]], count: int, number: int) -> list[Case[Any]]:
    """So many values of a strategy, the same for the same number."""
    found: list[Case[Any]] = []
    if count:

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def collect(case: Case[Any]) -> None:
            found.append(case)

        collect()
    return found[:count]


def flipped(body: bytes, rng: random.Random) -> bytes:
    """The same bytes with a few changed, doubled, left out or put in."""
    made = bytearray(body or b"{}")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(made) + 1)
        change = rng.randrange(5)
        if change == 0 and at < len(made):
            made[at] = rng.randrange(256)
        elif change == 1:
            del made[at : at + rng.randint(1, 8)]
        elif change == 2:
            made[at:at] = made[at : at + rng.randint(1, 16)]
        elif change == 3:
            made[at:at] = rng.choice(odd.SPICES)
        else:
            made[at:] = b""
    return bytes(made)


def _encoded(value: Any) -> bytes:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b"")
