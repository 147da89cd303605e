"""The log keeps its fields, withholds everything else, and does not drown in an outage."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from chassis.logs import FIELDS, Sparingly, set_up

ROOT = Path(__file__).parents[2]
SECRET = "Marigold"
CHILD = UUID("018f2f6e-7c00-7000-8000-000000000002")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """A log of machines, and everything as it was afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions)
    stream = io.StringIO()
    set_up("screening", "json", "info", fields=("litter_size",), stream=stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = before
    structlog.reset_defaults()


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    assert SECRET not in log.getvalue()
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_declared_fields_with_ids_codes_and_numbers_are_written(log: io.StringIO) -> None:
    structlog.get_logger("x").info("input_parked", child_id=CHILD, reason="unknown_type", count=3, litter_size=2)
    (line,) = lines(log)
    assert line["timestamp"].endswith("Z")
    expected = {"event": "input_parked", "level": "info", "service": "screening", "child_id": str(CHILD), "count": 3}
    assert expected.items() <= line.items()
    assert (line["reason"], line["litter_size"]) == ("unknown_type", 2)


def test_undeclared_fields_are_named_and_withheld(log: io.StringIO) -> None:
    structlog.get_logger().info("child_seen", nickname=SECRET, note=f"about {SECRET}", text=SECRET)
    (line,) = lines(log)
    assert line["withheld"] == ["nickname", "note"]
    assert "text" not in line


@pytest.mark.parametrize("value", [f"says {SECRET}", {"a": SECRET}, [f"a {SECRET}"], object(), "x" * 300, b"Marigold"])
def test_values_that_are_no_codes_are_withheld(log: io.StringIO, value: Any) -> None:
    structlog.get_logger().info("input_parked", reason=value)
    (line,) = lines(log)
    assert line["reason"] in ("[withheld]", ["[withheld]"])


def test_an_event_is_a_constant_name(log: io.StringIO) -> None:
    structlog.get_logger().warning(f"could not save {SECRET}")
    assert lines(log)[0]["event"] == "[withheld]"


def _fail() -> None:
    try:
        raise ValueError(f"invalid: {SECRET}")
    except ValueError as error:
        raise RuntimeError(SECRET) from error


def test_an_exception_is_its_type_and_place(log: io.StringIO) -> None:
    try:
        _fail()
    except RuntimeError:
        structlog.get_logger().exception("decide_failed")
    (line,) = lines(log)
    assert line["exception"]["type"] == "builtins.RuntimeError"
    assert line["exception"]["cause"]["type"] == "ValueError"
    assert line["exception"]["frames"][-1].startswith("tests/chassis/test_logs.py:")
    assert line["exception"]["frames"][-1].endswith(" _fail")


def test_a_group_of_exceptions_names_each(log: io.StringIO) -> None:
    error = ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])
    structlog.get_logger().error("parts_failed", exc_info=error)
    inner = lines(log)[0]["exception"]["inner"]
    assert [one["type"] for one in inner] == ["builtins.ValueError", "builtins.KeyError"]


def test_libraries_keep_their_text_and_lose_their_arguments(log: io.StringIO) -> None:
    logging.getLogger("asyncpg").warning("row %s of %d failed: %s", SECRET, 7, OSError(SECRET))
    logging.getLogger("asyncio").error(f"Task was never retrieved\nfuture: {SECRET}", exc_info=ValueError(SECRET))
    logging.getLogger("any").warning(f"'{SECRET}' \"{SECRET}\" {SECRET}@example.org 9434765919")
    first, second, third = lines(log)
    assert (first["event"], first["text"]) == ("library_message", "row … of 7 failed: OSError")
    assert second["text"] == "Task was never retrieved"
    assert second["exception"]["type"] == "builtins.ValueError"
    assert third["text"] == "… … … …"


@pytest.mark.parametrize("arguments", [("a", "b", "c"), (), ({"a": 1},)])
def test_a_library_that_logs_wrongly_does_no_harm(log: io.StringIO, arguments: tuple[Any, ...]) -> None:
    logging.getLogger("any").warning("%s 100%", *arguments)
    assert lines(log)[0]["event"] == "library_message"


def test_libraries_are_quiet_below_warning(log: io.StringIO) -> None:
    logging.getLogger("aiokafka.conn").info("connected")
    logging.getLogger("httpx").info("GET /")
    assert lines(log) == []


def test_people_read_the_same_without_the_values() -> None:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    try:
        set_up("screening", "console", "info", stream=stream)
        try:
            _fail()
        except RuntimeError:
            structlog.get_logger().exception("decide_failed", child_id=CHILD, nickname=SECRET)
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()
    text = stream.getvalue()
    assert SECRET not in text
    assert "decide_failed" in text
    assert f"child_id={CHILD}" in text
    assert "test_logs.py" in text


def test_a_noisy_library_is_heard_once_in_five_seconds_with_a_count() -> None:
    now = 0.0
    sparingly = Sparingly(("aiokafka",), clock=lambda: now)

    def record(name: str, level: int = logging.ERROR) -> logging.LogRecord | None:
        made = logging.LogRecord(name, level, "", 0, "x", None, None)
        return made if sparingly.filter(made) else None

    assert record("aiokafka.conn") is not None
    assert [record("aiokafka.conn") for _ in range(500)] == [None] * 500
    assert record("aiokafka.conn", logging.WARNING) is not None
    assert record("aiokafka.client") is not None
    assert all(record("chassis.relay") is not None for _ in range(5))
    now = 5.1
    heard = record("aiokafka.conn")
    assert heard is not None
    assert getattr(heard, "suppressed", None) == 500


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for room in ("chassis", "services"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in {"debug", "info", "warning", "error", "exception"}
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id in {"log", "logger"}
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_log_call_of_the_project_is_a_constant_event_with_declared_fields() -> None:
    calls = list(log_calls())
    assert len(calls) > 20
    for place, call in calls:
        (event,) = call.args
        assert isinstance(event, ast.Constant), place
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", str(event.value)), place
        assert {keyword.arg for keyword in call.keywords} <= FIELDS | {"exc_info"}, place
