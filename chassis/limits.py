"""What a request may carry: one media type, a bounded body that arrives in time, one of each header that counts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from chassis.problem import BodyTimeout, BodyTooLarge, FieldError, Malformed, UnsupportedMediaType
from chassis.serving import LATE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientGone(Exception):
    """The client closed the connection before its request was whole: there is nobody to answer."""


LOOKED_AT = frozenset(
    {b"authorization", b"idempotency-key", b"content-length", b"content-type", b"content-encoding", b"traceparent"}
)
_KEY = re.compile(rb"[!-~]{1,255}")


def head_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers that a command looks at. Raises Malformed for a repeated one."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in LOOKED_AT:
            if name in found:
                raise Malformed(errors=(FieldError(name.decode(), "header_repeated"),))
            found[name] = value
    return found


def idempotency_key(value: bytes | None) -> str | None:
    """The key as text: 1 to 255 visible characters. Raises Malformed."""
    if value is None:
        return None
    if not _KEY.fullmatch(value):
        raise Malformed(errors=(FieldError("idempotency-key", "visible_ascii_1_to_255"),))
    return value.decode("ascii")


def check_json(media_type: bytes | None, encoding: bytes | None) -> None:
    """Raises UnsupportedMediaType unless the body is declared as JSON and not compressed."""
    if encoding is not None and encoding != b"identity":
        raise UnsupportedMediaType
    if media_type != b"application/json" and (
        media_type is None or media_type.partition(b";")[0].strip().lower() != b"application/json"
    ):
        raise UnsupportedMediaType


async def read_body(scope: Scope, receive: Receive, declared: bytes | None, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as that is known, BodyTimeout, or ClientGone."""
    if declared is not None and (not declared.isdigit() or len(declared) > 12 or int(declared) > limit):
        raise BodyTooLarge(limit)
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        parts, size = [body], len(body)
        while message.get("more_body", False):
            if size > limit:
                raise BodyTooLarge(limit)
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
        body = b"".join(parts)
    if LATE in scope:
        raise BodyTimeout
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body
