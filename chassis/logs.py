"""The log of a process: structured events of declared fields, which cannot carry personal data."""

from __future__ import annotations

import copy
import datetime
import enum
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor

# fmt: off
FIELDS = frozenset((
    "action", "attempt", "attempts", "audience", "away", "batch", "by", "bytes", "caller", "causation_id",
    "channel", "child_id", "clock", "column", "commands", "constraint", "consultation_id", "consumer",
    "consumer_group", "correlation_id", "count", "database", "deadline_s", "delay_s", "detail", "duplicates",
    "duration_ms", "error", "error_id", "events", "exception", "expires_at", "field", "file", "files", "frames",
    "group", "host", "id", "input_id", "instance", "intake", "issuer", "key_id", "keys", "kind", "lag_s", "level",
    "library", "limit", "made", "message_id", "method", "migration_set", "offset", "operator", "outcome",
    "parked_id", "part", "partition", "partitions", "path_template", "pending", "permission", "permissions",
    "pid", "pool_id", "port", "practitioner_id", "processed", "reason", "recipient_id", "records", "retry_in_s",
    "role", "route", "rows", "rule", "schema", "screening_id", "seconds", "service", "service_time", "set", "sha256",
    "signal", "size", "state", "status", "step", "suppressed", "table", "task", "team_id", "template", "text",
    "timeout_s", "timestamp", "topic", "topics", "total", "trace_id", "type", "url_host", "user", "version", "waited_s",
    "waiting_for", "withheld",
))
# fmt: on
"""Fields that a log event may have, here and with those that a service declares: anything else is withheld."""

WITHHELD = "[withheld]"

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,79}")
_CODE = re.compile(r"[A-Za-z0-9_.:/+,;=*{}\[\]<>#-]{0,200}")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s@]+@[^\s@]+|\d{5,}")
_PLACEHOLDER = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]")
_PLAIN = (bool, int, float, UUID, datetime.datetime, datetime.date, datetime.timedelta)
_NOISY = ("aiokafka", "faststream", "kafka", "uvicorn")


def set_up(
    service: str, log_format: str = "console", level: str = "info", *, fields: Iterable[str] = (), stream: Any = None
) -> None:
    """Sets up the log of this process, structlog's and the standard library's. `fields` are further allowed ones."""
    guard = Guard(FIELDS.union(fields))
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
        guard,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    # The standard library's own report of a failed log call quotes messages and arguments.
    logging.raiseExceptions = False
    colours = bool(getattr(stream or sys.stderr, "isatty", bool)())
    renderers: list[Processor] = (
        [structlog.processors.JSONRenderer(default=str)]
        if log_format == "json"
        else [_for_people, structlog.dev.ConsoleRenderer(colors=colours)]
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_ours_or_grave)
    handler.addFilter(Sparingly(_NOISY))
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=[_from_library, *shared],
            processors=[_named(service), structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in (*_NOISY, "asyncio", "uvicorn.error"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True


def _ours_or_grave(record: logging.LogRecord) -> bool:
    """Libraries are heard from a warning on: below it they tell of each request and connection."""
    return isinstance(record.msg, dict) or record.levelno >= logging.WARNING


def _named(service: str) -> Processor:
    def add(_: Any, __: str, event: EventDict) -> EventDict:
        return {"service": service, **event}

    return add


def _for_people(_: Any, __: str, event: EventDict) -> EventDict:
    """On a console: values as plain text, an exception as lines of its own."""
    shown = {name: str(value) if isinstance(value, _PLAIN) else value for name, value in event.items()}
    described = shown.pop("exception", None)
    if isinstance(described, dict):
        shown["exception"] = "\n".join(_lines(described))
    return shown


def _lines(described: dict[str, Any]) -> list[str]:
    lines = [described["type"], *(f"  at {frame}" for frame in reversed(described["frames"]))]
    for inner in (*described.get("inner", ()), *([described["cause"]] if "cause" in described else ())):
        lines += ["because of " + _lines(inner)[0], *_lines(inner)[1:]]
    return lines


class Guard:
    """Lets through declared fields whose values are ids, codes, numbers or instants; names the rest in `withheld`."""

    def __init__(self, fields: frozenset[str]) -> None:
        self._fields = fields | {"event", "_record", "_from_structlog"}

    def __call__(self, _: Any, __: str, event: EventDict) -> EventDict:
        allowed = {name: self._value(name, value) for name, value in event.items() if name in self._fields}
        if len(allowed) < len(event):
            allowed["withheld"] = sorted(name for name in event if name not in self._fields)
        if not _EVENT.fullmatch(str(allowed.get("event"))):
            allowed["event"] = WITHHELD
        return allowed

    def _value(self, name: str, value: Any) -> Any:
        if name in ("_record", "_from_structlog", "exception", "text") or value is None or isinstance(value, _PLAIN):
            return value
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, str):
            return value if _CODE.fullmatch(value) else WITHHELD
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._value("", item) for item in list(value)[:50]]
        return WITHHELD


def _without_values(_: Any, __: str, event: EventDict) -> EventDict:
    """Exceptions as type and place: their messages quote rows, parameters and inputs. Free text only from libraries."""
    given = event.pop("exc_info", None)
    record = event.get("_record")
    if record is None:
        event.pop("text", None)
        event.pop("exception", None)
    elif record.exc_info and not given:
        given = record.exc_info
    if given:
        error = (
            given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exc_info()[1]
        )
        if error is not None:
            event["exception"] = describe_exception(error)
    if record is not None:
        record.exc_info = record.exc_text = record.stack_info = None
    event.pop("stack_info", None)
    event.pop("stack", None)
    return event


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Type, frames as `file:line function` and cause of an exception, without its message."""
    described: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    described["frames"] = _frames(error.__traceback__)
    if isinstance(error, BaseExceptionGroup):
        described["inner"] = [describe_exception(inner) for inner in error.exceptions[:5]]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        described["cause"] = {"type": type(cause).__qualname__, "frames": _frames(cause.__traceback__)[-3:]}
    return described


def _frames(tb: TracebackType | None) -> list[str]:
    frames = list(traceback.walk_tb(tb))[-12:]
    return [
        f"{'/'.join(Path(frame.f_code.co_filename).parts[-3:])}:{line} {frame.f_code.co_name}" for frame, line in frames
    ]


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Takes the arguments out of a library's record before anything tries to put them into its text."""

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, dict):
            record = copy.copy(record)
            record.msg, record.args = _library_text(record), None
        return super().format(record)


def _library_text(record: logging.LogRecord) -> str:
    """The constant text, first line only, with arguments where they are numbers or types of exceptions."""
    arguments = iter(record.args if isinstance(record.args, tuple) else ())
    first = _QUOTED.sub("…", str(record.msg).partition("\n")[0])
    return _PLACEHOLDER.sub(lambda _: _argument(next(arguments, None)), first)[:160]


def _from_library(_: Any, __: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    made: EventDict = {"_record": record, "_from_structlog": False, "event": "library_message", "library": record.name}
    made["text"] = event["event"]
    if suppressed := getattr(record, "suppressed", 0):
        made["suppressed"] = suppressed
    return made


def _argument(argument: Any) -> str:
    if isinstance(argument, (bool, int, float)):
        return str(argument)
    return type(argument).__name__ if isinstance(argument, BaseException) else "…"


class Sparingly(logging.Filter):
    """Of loggers that repeat themselves in an outage: the first record, then one in 5 s with the count."""

    def __init__(self, loggers: Iterable[str], every: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._loggers, self._every, self._clock = tuple(loggers), every, clock
        self._last: dict[tuple[str, int], float] = {}
        self._suppressed: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in self._loggers:
            return True
        key, now = (record.name, record.levelno), self._clock()
        last = self._last.get(key)
        if last is not None and now - last < self._every:
            self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return False
        self._last[key] = now
        record.suppressed = self._suppressed.pop(key, 0)
        return True
