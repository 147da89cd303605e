"""What is wrong with an answer: a failure, a hang, a shape that is not documented, a value that comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs

from fuzz.documents import PROBLEM, Operation
from fuzz.wire import Answer, Request

OVERLOADED = {"unavailable", "too-many-connections", "overloaded"}
"""Rules of a true 503: the service says that it cannot take work now, and when to come again."""
_SHORTEST = 5
_OUTSIDE = {405, 404, 400, 408, 413, 415}
"""May come from any route: the path or the head of a request need not be one of this operation any more."""


def faults(operation: Operation | None, request: Request, answer: Answer) -> list[str]:
    """Everything that is wrong with an answer, in words; the operation is None where the request matches none."""
    found = list(_of_any(answer))
    if found or answer.status == 0:
        return found
    if operation is not None:
        found += _undocumented(operation, request, answer)
        found += _wrongly_taken(operation, request, answer)
    if answer.status >= 400:
        ours = operation.vocabulary if operation is not None else frozenset()
        found += [f"echoes {value!r}" for value in sorted(echoed(request, answer)) if value.lower() not in ours]
    return found


def _of_any(answer: Answer) -> Iterator[str]:
    if answer.hung:
        yield "hangs"
    elif answer.status == 0:
        yield "no answer"
    elif answer.status >= 400 and not _aside(answer):
        yield from _not_a_problem(answer)


def _aside(answer: Answer) -> bool:
    """A body that is not a problem on purpose: what /livez and /readyz say with 503, and the answer to HEAD."""
    return answer.status == 503 and answer.header("content-type") == "application/json"


def _not_a_problem(answer: Answer) -> Iterator[str]:
    if answer.header("content-type") != "application/problem+json":
        yield f"{answer.status} as {answer.header('content-type')}"
        return
    try:
        problem = answer.json()
    except ValueError:
        if answer.body:
            yield f"{answer.status} is not JSON"
        return
    if not problem.keys() <= PROBLEM or problem.get("status") != answer.status:
        yield f"{answer.status} with {sorted(problem)}"
    rule = str(problem.get("type", "")).removeprefix("urn:attune:problem:")
    if answer.status >= 500 and not (answer.status == 503 and rule in OVERLOADED and answer.header("retry-after")):
        yield f"{answer.status} {rule} {problem.get('instance', '')}"


def _undocumented(operation: Operation, request: Request, answer: Answer) -> Iterator[str]:
    documented = operation.response(answer.status)
    if documented is None:
        if answer.status not in _OUTSIDE:
            yield f"{answer.status} is not documented"
        return
    if request.method == "HEAD":
        return
    media_type = (answer.header("content-type") or "").partition(";")[0]
    if media_type not in documented.get("content", {media_type: {}}):
        yield f"{answer.status} as {media_type} is not documented"
        return
    validator = operation.validator(answer.status, media_type)
    if validator is not None and (error := next(validator.iter_errors(answer.json()), None)) is not None:
        yield f"{answer.status} differs from its description at {_where(error)}: {error.message[:200]}"


def _wrongly_taken(operation: Operation, request: Request, answer: Answer) -> Iterator[str]:
    if answer.status >= 300:
        return
    if operation.roles is not None and request.dress in ("other_role", "no_token", "wrong_token"):
        yield f"{answer.status} for {request.dress}"
    if request.body and operation.body is not None:
        try:
            error = next(operation.body.iter_errors(json.loads(request.body)), None)
        except ValueError:
            yield f"{answer.status} for what is not JSON"
            return
        if error is not None:
            yield f"{answer.status} for what the description forbids at {_where(error)}: {error.message[:200]}"


def _where(error: jsonschema_rs.ValidationError) -> str:
    return "/" + "/".join(map(str, error.instance_path))


def echoed(request: Request, answer: Answer) -> set[str]:
    """Values of the request that its refusal repeats: in the body, or in a header."""
    said = "\n".join([*_texts(_json(answer.body)), *(value for _, value in answer.headers)])
    own = {unquote(part) for part in urlsplit(request.target.decode("latin-1")).path.split("/")}
    own |= {value for _, value in parse_qsl(urlsplit(request.target.decode("latin-1")).query)}
    own |= set(_texts(_json(request.body), keys=False))
    own |= {value.decode("latin-1") for name, value in request.headers if name.lower() not in _PLAIN}
    return {value for value in own if len(value) >= _SHORTEST and value in said}


_PLAIN = {b"content-type", b"connection", b"accept", b"accept-encoding", b"host", b"user-agent"}


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _texts(content: Any, *, keys: bool = True) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            if keys:
                yield key
            yield from _texts(value, keys=keys)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value, keys=keys)
    elif isinstance(content, str):
        yield content
