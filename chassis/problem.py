"""The one renderer of what goes wrong at the HTTP edge: problem details (RFC 9457) with field and rule, no value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from chassis.decision import Refused

MEDIA_TYPE = "application/problem+json"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_ERRORS = 20


class FieldError(NamedTuple):
    """One thing wrong: the path of the field (`members.0.points`, null for the whole body) and the rule it breaks."""

    field: str | None
    rule: str


class Problem(Exception):
    """An answer that is not a success. Subclasses state status and rule; `detail` is public, without values."""

    status = 500
    rule = "internal-error"
    detail: str | None = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        rule: str | None = None,
        errors: Iterable[FieldError] = (),
        headers: Sequence[tuple[str, str]] = (),
        instance: str | None = None,
    ) -> None:
        super().__init__(rule or self.rule)
        self.rule = rule or self.rule
        if detail is not None:
            self.detail = detail
        self.errors = tuple(errors)[:_MAX_ERRORS]
        self.headers = tuple(headers)
        self.instance = instance

    def body(self) -> bytes:
        """The problem as JSON."""
        content: dict[str, Any] = {
            "type": f"urn:attune:problem:{self.rule}",
            "title": self.rule.replace("-", " ").replace("_", " ").capitalize(),
            "status": self.status,
        }
        if self.detail:
            content["detail"] = self.detail
        if self.instance:
            content["instance"] = self.instance
        if self.errors:
            content["errors"] = [error._asdict() for error in self.errors]
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


class Malformed(Problem):
    """The body or a header cannot be read as what it claims to be."""

    status, rule = 400, "malformed-request"


class Invalid(Problem):
    """The input is readable and breaks a rule of its schema."""

    status, rule = 422, "invalid-input"

    @classmethod
    def of(cls, error: ValidationError) -> Invalid:
        """The location and the type of each error, nothing else."""
        return cls(errors=errors_of(error.errors(include_url=False, include_context=False, include_input=False)))


class Unauthenticated(Problem):
    """No token, or one that is not valid here: `errors` of the challenge follow RFC 6750."""

    status, rule = 401, "unauthenticated"

    def __init__(self, reason: str | None = None) -> None:
        challenge = 'Bearer realm="attune"'
        if reason:
            challenge += f', error="invalid_token", error_description="{reason}"'
        errors = (FieldError("authorization", reason or "token_missing"),)
        super().__init__(errors=errors, headers=(("www-authenticate", challenge),))


class Forbidden(Problem):
    """The caller is known and none of its roles permits this."""

    status, rule = 403, "forbidden"

    def __init__(self, permission: str) -> None:
        challenge = 'Bearer realm="attune", error="insufficient_scope"'
        super().__init__(f"Needs the permission {permission}.", headers=(("www-authenticate", challenge),))


class NotFound(Problem):
    """Nothing answers at this path, or nothing is known under the id that it names."""

    status, rule = 404, "not-found"


class MethodNotAllowed(Problem):
    """The path answers to other methods."""

    status, rule = 405, "method-not-allowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__(headers=(("allow", ", ".join(sorted(allowed))),))


class BodyTimeout(Problem):
    """The body did not arrive in time."""

    status, rule = 408, "body-timeout"

    def __init__(self) -> None:
        super().__init__(headers=(("connection", "close"),))


class BodyTooLarge(Problem):
    """The body is larger than the service takes."""

    status, rule = 413, "body-too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"At most {limit} bytes.", headers=(("connection", "close"),))


class UnsupportedMediaType(Problem):
    """The body is not declared as JSON."""

    status, rule = 415, "unsupported-media-type"
    detail = "Send application/json."


class Unavailable(Problem):
    """The service cannot take work now: it stops, its queue is full, or its database is away past the deadline."""

    status, rule = 503, "unavailable"

    def __init__(self, detail: str | None = None, *, rule: str | None = None, retry_after: int = 1) -> None:
        super().__init__(detail, rule=rule, headers=(("retry-after", str(retry_after)),))


class RefusedProblem(Problem):
    """A domain refusal as an answer: its class name in kebab-case is the rule, its public sentence the detail."""

    def __init__(self, refused: Refused) -> None:
        rule = kebab(type(refused).__name__)
        errors = (FieldError(refused.field, rule),) if refused.field else ()
        super().__init__(str(refused) or None, rule=rule, errors=errors)
        self.status = refused.status


def kebab(name: str) -> str:
    """`ConsultationAlreadyClosed` -> `consultation-already-closed`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<!^)(?=[A-Z][a-z])", "-", name).lower()


def safe_name(name: str) -> str | None:
    """The name if it can be one of our fields. Unknown names come from the caller and may be data: not repeated."""
    return name if _NAME.fullmatch(name) else None


def field_of(location: Sequence[int | str]) -> str | None:
    """Path of a field from the location that pydantic gives, without parts that may be data."""
    parts = (str(part) if isinstance(part, int) else safe_name(part) or "?" for part in location)
    return ".".join(parts) or None


def errors_of(details: Iterable[Any], skip: int = 0) -> tuple[FieldError, ...]:
    """Location and type of each of pydantic's errors; inputs, messages and contexts may hold values: left behind."""
    return tuple(FieldError(field_of(detail["loc"][skip:]), detail["type"]) for detail in details)


def problem_of(error: Exception) -> Problem | None:
    """The answer to an error that has one; None for the unexpected, which is a 500 without detail."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refused):
        return RefusedProblem(error)
    return None
