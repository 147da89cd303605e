"""`attune describe`: what may come into a service, which rule decides it, what it may publish; also for READMEs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attune.addresses import SERVICES, complain
from attune_contracts.generate import BEGIN, END

if TYPE_CHECKING:
    from rich.console import RenderableType

    from chassis.service import Service

ROOT = Path(__file__).parents[1]


def describe(
    service: Annotated[str | None, typer.Argument(help=f"One of {', '.join(SERVICES)}; all of them without.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same for machines.")] = False,
    readme: Annotated[bool, typer.Option("--readme", help="Write the tables of the READMEs anew.")] = False,
) -> None:
    """Say what may come into a service, which rule decides it, and what it may publish.

    Read from the inputs that the service runs on; nothing needs to run.
    """
    if service is not None and service not in SERVICES:
        complain(f"there is no service {service}; there are {', '.join(SERVICES)}")
    if readme:
        from attune_contracts import generate

        changed = write() + generate.write()
        typer.echo("\n".join(f"written: {path.relative_to(ROOT)}" for path in changed) or "all READMEs were up to date")
        return
    described = [described_service(name) for name in ((service,) if service else SERVICES)]
    if as_json:
        typer.echo(json.dumps(described[0] if service else described, indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False)
    for d in described:
        console.print(shown(d))


def declared(name: str) -> Service:
    """The service as its main.py declares it; imported, never started."""
    service: Service = import_module(f"services.{name}.main").SERVICE
    return service


def described_service(name: str) -> dict[str, Any]:
    """The description of a service as plain data."""
    from chassis.describe import describe as described

    return described(declared(name))


def shown(d: dict[str, Any]) -> RenderableType:
    """A description for a terminal: a line for each input with its rule, and below it what the rule does."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from attune.wording import SERVICE_STYLES, kind_of

    name = d["service"]
    topics = f"  reads {', '.join(d['reads']) or 'no topic'}; writes {d['writes']}"
    parts: list[RenderableType] = [Text.assemble((name, f"bold {SERVICE_STYLES.get(name, '')}"), (topics, "dim"))]
    parts.append(Text("\nwhat may come in, and the rule that decides it", "underline"))
    for i in d["inputs"]:
        kind, what = _parted(i)
        may = f"  may {i['may']}" if i.get("may") else ""
        parts.append(Text.assemble((f"{kind:<9}", "dim"), (what, "bold"), " -> ", (i["rule"], "cyan"), (may, "dim")))
        parts.append(Padding(Text(i["does"], "dim"), (0, 0, 0, 9)))
    parts.append(Text("\nwhat it may publish", "underline"))
    for e in d["publishes"]:
        readers = f"  read by {', '.join(e['readers'])}" if e["readers"] else ""
        parts.append(Text.assemble((kind_of(e["type"]), "bold"), (readers, "dim")))
        parts.append(Padding(Text(e["meaning"], "dim"), (0, 0, 0, 9)))
    return Group(*parts, Text())


def _parted(i: dict[str, Any]) -> tuple[str, str]:
    """Kind and name of an input, without what all of them share."""
    if i["kind"] == "command":
        kind, _, what = i["input"].partition(" ")
        return kind, what
    return i["kind"], i["input"].removeprefix("attune.")


def readmes(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Every README with a map, and what it must hold."""
    from chassis.describe import as_table

    for name in SERVICES:
        path = root / "services" / name / "README.md"
        text = path.read_text("utf-8") if path.exists() else f"# {name}\n\n{BEGIN}\n{END}\n"
        before, begin, rest = text.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not (begin and end):
            before, after = f"{text.rstrip()}\n\n## What comes in and what goes out\n", "\n"
        yield path, f"{before}{BEGIN}\n{as_table(declared(name))}{END}{after}"


def stale(root: Path = ROOT) -> list[Path]:
    """READMEs whose map does not say what the service does."""
    return [path for path, text in readmes(root) if not path.exists() or path.read_text("utf-8") != text]


def write(root: Path = ROOT) -> list[Path]:
    """Brings every map up to date; the READMEs that changed."""
    outdated = set(stale(root))
    for path, text in readmes(root):
        if path in outdated:
            path.write_text(text, "utf-8")
    return sorted(outdated)
