"""What we assume of uvicorn and httptools: chassis/serving.py fills what they leave open."""

from __future__ import annotations

import inspect
import resource
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chassis import serving


class Heard:
    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.url = b""
        self.whole = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, _value: bytes) -> None:
        self.names.append(name)

    def on_message_complete(self) -> None:
        self.whole += 1


def parsed(*pieces: bytes) -> Heard:
    heard = Heard()
    parser: Any = httptools.HttpRequestParser(heard)
    for piece in pieces:
        parser.feed_data(piece)
    return heard


def test_the_parser_has_no_limit_for_a_head() -> None:
    assert parsed(b"GET / HTTP/1.1\r\nx: " + b"y" * 5_000_000 + b"\r\n\r\n").whole == 1


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"content-length: 5\r\ncontent-length: 6",
        b"content-length: +5",
        b"content-length: 99999999999999999999999",
        b"x y: z",
        b"x\x00: z",
    ],
)
def test_the_parser_refuses_heads_that_two_readers_would_read_in_two_ways(head: bytes) -> None:
    with pytest.raises(httptools.HttpParserError):
        parsed(b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n")


def test_an_error_of_a_callback_is_an_error_of_the_parser() -> None:
    """chassis/serving.py stops a head that is too large by raising."""

    class Refusing(Heard):
        def on_headers_complete(self) -> None:
            raise serving.HeadTooLarge

    parser: Any = httptools.HttpRequestParser(Refusing())
    with pytest.raises(httptools.HttpParserError):
        parser.feed_data(b"GET / HTTP/1.1\r\n\r\n")


def test_a_request_in_pieces_is_one_request() -> None:
    whole = b"POST /x HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"
    assert parsed(*[bytes([byte]) for byte in whole]).whole == 1
    assert parsed(b"\r\n\r\n" + whole + whole).whole == 2


def test_uvicorn_has_no_limits_of_its_own() -> None:
    defaults = inspect.signature(uvicorn.Config.__init__).parameters
    assert defaults["limit_concurrency"].default is None
    assert defaults["timeout_graceful_shutdown"].default is None


def test_the_names_that_the_server_rests_on_are_there() -> None:
    """chassis/serving.py: a connection's cycle, pipeline, application and the ways of refusing."""
    own = inspect.getsource(HttpToolsProtocol)
    for name in ("self.cycle", "self.pipeline", "self.connections", "self.app = config.loaded_app", "app = self.app"):
        assert name in own, name
    for method in ("on_message_begin", "on_headers_complete", "on_message_complete", "send_400_response"):
        assert callable(getattr(HttpToolsProtocol, method))
    cycle = inspect.getsource(RequestResponseCycle)
    for name in ("keep_alive", "response_complete", "more_body", "message_event"):
        assert f"self.{name}" in cycle, name


def test_a_process_may_have_more_files_open_than_the_usual_limit() -> None:
    """Where it may not, 1,000 clients leave too few for the database."""
    serving.want_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == resource.RLIM_INFINITY or soft >= min(serving.DESCRIPTORS, hard)
