"""Writes what others read of the catalogue: schemas, samples, the table in the README; or says what is out of date."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attune_contracts.catalogue import CATALOGUE, PARTITIONS, SERVICES, meaning, topic
from attune_contracts.compatibility import ROOT
from attune_contracts.event import Event
from attune_contracts.samples import record, sample
from attune_contracts.schema import schema

BEGIN, END = "<!-- catalogue: generated, do not edit -->", "<!-- end of catalogue -->"


def table() -> str:
    """The catalogue as Markdown, a table for each topic."""
    return "\n\n".join(_section(service) for service in SERVICES)


def _section(service: str) -> str:
    lines = [
        f"### `{topic(service)}`, written by {service}, {PARTITIONS} partitions",
        "",
        "| event | type | says | readers | sensitivity | key |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += (_row(event) for event in CATALOGUE.values() if event.service == service)
    return "\n".join(lines)


def _row(event: type[Event]) -> str:
    readers = ", ".join(event.readers) or "-"
    key = " or ".join(f"`{name}`" for name in event.subject_fields)
    shown = f"[`{event.type}`](schemas/{event.type}.json)"
    return f"| {event.__name__} | {shown} | {meaning(event)} | {readers} | {event.sensitivity} | {key} |"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def files(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Every generated file and what it must hold."""
    for event_type, event in CATALOGUE.items():
        yield root / "schemas" / f"{event_type}.json", _json(schema(event))
        yield root / "samples" / f"{event_type}.json", _json(sample(event).model_dump(mode="json"))
        yield root / "samples" / f"{event_type}.kafka.json", _json(record(event))
    readme = root / "README.md"
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    yield readme, f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def stale(root: Path = ROOT) -> list[Path]:
    """Generated files that are missing, differ, or belong to an event that is no more."""
    wanted = dict(files(root))
    differing = [p for p, text in wanted.items() if not p.exists() or p.read_text("utf-8") != text]
    present = (p for directory in ("schemas", "samples") for p in sorted((root / directory).glob("*.json")))
    return differing + [p for p in present if p not in wanted]


def write(root: Path = ROOT) -> list[Path]:
    """Brings every generated file up to date; returns those that changed."""
    wanted, changed = dict(files(root)), stale(root)
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    return changed


def main(arguments: list[str] | None = None) -> int:
    """`python -m attune_contracts.generate [--check]`: 1 if `--check` finds something out of date."""
    parser = argparse.ArgumentParser(prog="attune_contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="directory that holds README.md, schemas/ and samples/")
    chosen = parser.parse_args(arguments)
    changed = stale(chosen.root) if chosen.check else write(chosen.root)
    for path in changed:
        sys.stdout.write(f"{'out of date' if chosen.check else 'written'}: {path.relative_to(chosen.root)}\n")
    return 1 if chosen.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
