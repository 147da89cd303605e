"""HTTP to the services in a role's name, with answers and refusals that a person can read."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from attune.addresses import SERVICES, Addresses, NotReachable

_PATIENCE_SECONDS = 15.0


class Refusal(RuntimeError):
    """A service said no; `status` and `rule` say why, `errors` which fields."""

    def __init__(self, what: str, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.errors: list[dict[str, Any]] = list(problem.get("errors") or ())
        self.rule = str(problem.get("type", "")).rpartition(":")[2] or f"http-{status}"
        detail = problem.get("detail") or problem.get("title") or ""
        fields = ", ".join(f"{e.get('field')}: {e.get('rule')}" for e in problem.get("errors") or ())
        super().__init__(f"{what}: {status} {self.rule}. {detail}{f' ({fields})' if fields else ''}".rstrip())


class Asking:
    """A client of all services of one system."""

    def __init__(self, addresses: Addresses, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.addresses = addresses
        self._client = httpx.AsyncClient(timeout=_PATIENCE_SECONDS, transport=transport, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, service: str, path: str, *, role: str, **parameters: Any) -> Any:
        """The JSON answer of a read. Raises Refusal or NotReachable."""
        return await self._ask("GET", service, path, role, params=parameters)

    async def send(
        self, route: str, service: str, body: dict[str, Any] | None, *, role: str, headers: dict[str, str] | None = None
    ) -> Any:
        """The JSON answer to a command such as `POST /births`. Raises Refusal or NotReachable."""
        method, _, path = route.partition(" ")
        return await self._ask(method, service, path, role, json=body, headers=headers)

    async def _ask(
        self, method: str, service: str, path: str, role: str, headers: dict[str, str] | None = None, **what: Any
    ) -> Any:
        if service not in self.addresses.services:
            raise NotReachable(f"stack {self.addresses.name or '?'} has no service {service}; it has {_names(self)}")
        url = self.addresses.services[service]
        signed = {"authorization": f"Bearer {self.addresses.token(role)}"} | (headers or {})
        try:
            answer = await self._client.request(method, f"{url}{path}", headers=signed, **what)
        except httpx.HTTPError as error:
            raise NotReachable(f"{service} does not answer at {url} ({type(error).__name__})") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        raise Refusal(f"{service} {method} {path}", answer.status_code, problem if isinstance(problem, dict) else {})


def _names(asking: Asking) -> str:
    return ", ".join(s for s in SERVICES if s in asking.addresses.services) or "none"
