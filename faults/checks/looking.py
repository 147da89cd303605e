"""What can be seen without a database: letters in files, logs, records as text, processes and what they answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from chassis.parked import Record
from faults.checks.facts import Line, Pulse, Text
from faults.world import Process, World

ANSWERS_WITHIN = 10.0


def letters_of(path: Path, instant: str) -> tuple[Line, ...]:
    """The letters in a file of JSON lines; a torn line is none."""
    return tuple(Line(_id(found), _at(found.get(instant))) for found in _json_lines(path))


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in _lines(path) if path.exists() else ():
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if isinstance(found, dict) and "message_id" in found:
            yield found


def _id(letter: Mapping[str, Any]) -> str:
    return str(letter["message_id"]).strip("<>").partition("@")[0]


def _at(value: Any) -> datetime | None:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def pulse_of(world: World) -> tuple[tuple[Pulse, ...], dict[str, str]]:
    """How each process is, and its metrics."""
    pulses, metrics = [], {}
    with httpx.Client(timeout=ANSWERS_WITHIN) as client:
        for process in world.processes:
            alive = _alive(process.pid)
            live, ready = (_status(client, process, path) if alive else None for path in ("/livez", "/readyz"))
            pulses.append(Pulse(process.service, process.pid, alive, live, ready))
            if live is not None:
                metrics[f"metrics of {process.service} ({process.pid})"] = client.get(f"{process.url}/metrics").text
    return tuple(pulses), metrics


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _status(client: httpx.Client, process: Process, path: str) -> int | None:
    try:
        return client.get(process.url + path).status_code
    except httpx.HTTPError:
        return None


def texts_of(world: World, records: Sequence[Record], metrics: Mapping[str, str]) -> dict[str, Text]:
    """Everything that leaves a service, as text. Of a letter its subject and body: its address is no secret to it."""
    found: dict[str, Text] = {f"log {path.name}": partial(_lines, path) for path in world.logs if path.exists()}
    found |= {f"topic {name}": partial(_of_topic, records, name) for name in sorted({r.topic for r in records})}
    found |= {name: partial(iter, (text,)) for name, text in metrics.items()}
    found |= {f"letters in {path.name}": partial(_letters, path) for path in (world.mail, world.file_channel)}
    return found | {"errors answered": partial(iter, world.error_bodies)}


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as opened:
        yield from opened


def _of_topic(records: Sequence[Record], name: str) -> Iterator[str]:
    for r in records:
        if r.topic == name:
            parts = [r.key, r.value, *(v for _, v in r.headers)]
            yield " ".join(part.decode("utf-8", "replace") for part in parts if part is not None)


def _letters(path: Path) -> Iterator[str]:
    for letter in _json_lines(path):
        yield f"{letter.get('subject', '')} {letter.get('body', '')}"
