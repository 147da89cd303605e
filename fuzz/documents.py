"""The published description of each service, as what requests are made from and answers are held against."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema_rs

from attune.stack.stack import Stack

SERVICES = ("screening", "referral", "notification", "workforce")
PROBLEM = {"type", "title", "status", "detail", "instance", "errors"}


@dataclass(frozen=True)
class Operation:
    """One documented route."""

    service: str
    method: str
    path: str
    content: dict[str, Any]
    document: dict[str, Any]
    roles: frozenset[str] | None
    """Who may; None where everybody may."""

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    def response(self, status: int) -> dict[str, Any] | None:
        """The documented answer with this status."""
        found: dict[str, Any] | None = self.content["responses"].get(str(status))
        if found and "$ref" in found:
            found = self.document["components"]["responses"][found["$ref"].rpartition("/")[2]]
        return found

    def validator(self, status: int, media_type: str) -> jsonschema_rs.Draft202012Validator | None:
        """For the body of an answer; None where no schema is documented."""
        schema = ((self.response(status) or {}).get("content", {}).get(media_type) or {}).get("schema")
        return self._validators(schema, (status, media_type)) if schema else None

    @property
    def body(self) -> jsonschema_rs.Draft202012Validator | None:
        """For the body of a request."""
        content = self.content.get("requestBody", {}).get("content", {}).get("application/json")
        return self._validators(content["schema"], ("body",)) if content else None

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of the description: a generated value that is one of them came from us, not from a person."""
        return frozenset(re.findall(r"[a-z0-9_.-]+", json.dumps(self.document).lower()))

    @cached_property
    def _made(self) -> dict[tuple[Any, ...], jsonschema_rs.Draft202012Validator]:
        return {}

    def _validators(self, schema: dict[str, Any], key: tuple[Any, ...]) -> jsonschema_rs.Draft202012Validator:
        if key not in self._made:
            whole = {**schema, "components": self.document["components"]}
            self._made[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._made[key]


@dataclass(frozen=True, slots=True)
class Published:
    """A service's description and the roles that it knows."""

    service: str
    port: int
    document: dict[str, Any]
    roles: dict[str, frozenset[str]]

    def operations(self) -> Iterator[Operation]:
        for path, methods in self.document["paths"].items():
            for method, content in methods.items():
                needed = re.search(r"Needs the permission `([^`]+)`", content.get("description", ""))
                may = needed and frozenset(r for r, permissions in self.roles.items() if needed[1] in permissions)
                yield Operation(self.service, method.upper(), path, content, self.document, may)


def read(stack: Stack) -> list[Published]:
    """The descriptions of all services of a running stack."""
    token = stack.token("operator")
    found = []
    for service in SERVICES:
        url = stack.url(service)
        described = _get(f"{url}/describe", token)
        roles = {role: frozenset(permissions) for role, permissions in described["roles"].items()}
        found.append(Published(service, int(url.rpartition(":")[2]), _get(f"{url}/openapi.json", token), roles))
    return found


def _get(url: str, token: str) -> Any:
    asked = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
        return json.load(answer)
