"""`attune doctor`: what this machine lacks for the local stack, and how to get it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.table import Table

from attune.stack import jars, kafka, ports, postgres
from attune.stack.layout import ROOT, every_stack, state_directory
from attune.stack.leftovers import holder, living
from attune.stack.program import as_user

_NEEDED_BYTES = 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do unless it is good."""

    what: str
    state: Literal["good", "optional", "missing"]
    seen: str
    remedy: str = ""


def doctor() -> None:
    """Say what is missing and how to get it; the exit status is 1 if something needed is missing."""
    console = Console()
    findings = tuple(look())
    table = Table(box=None, pad_edge=False, show_header=False)
    marks = {"good": "[green]ok[/]", "optional": "[yellow]--[/]", "missing": "[bold red]no[/]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.what, f"{finding.seen}\n{finding.remedy}".strip())
    console.print(table, highlight=False)
    lacking = [finding.what for finding in findings if finding.state == "missing"]
    if lacking:
        console.print(f"missing: {', '.join(lacking)}")
        raise typer.Exit(1)
    console.print("everything that is needed is here")


def look() -> Iterator[Finding]:
    """Every finding, cheapest first."""
    yield _python()
    yield _environment()
    yield _writing()
    yield _disk()
    yield _port()
    yield _java()
    yield _jars()
    yield _start_archive()
    yield _postgres()
    yield from _stacks()
    yield _docker()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", "good", version)


def _environment() -> Finding:
    if (ROOT / ".venv" / ".complete").is_file():
        return Finding("environment", "good", ".venv")
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        return Finding("environment", "optional", f"running from {sys.prefix}", "`make setup` makes the project's own")
    return Finding("environment", "missing", ".venv is not complete", "make setup")


def _writing() -> Finding:
    state = state_directory()
    nearest = next(path for path in (state, *state.parents) if path.exists())
    if os.access(nearest, os.W_OK | os.X_OK):
        return Finding("write access", "good", str(state))
    return Finding("write access", "missing", f"{nearest} is not writable", "name a directory in ATTUNE_STATE")


def _disk() -> Finding:
    state = state_directory()
    free = shutil.disk_usage(next(path for path in (state, *state.parents) if path.exists())).free
    seen = f"{free / 1e9:.1f} GB free"
    if free > _NEEDED_BYTES:
        return Finding("disk", "good", seen)
    return Finding("disk", "missing", seen, "make 1 GB free, or name a directory elsewhere in ATTUNE_STATE")


def _port() -> Finding:
    try:
        ports.choose({}, ("one", "two", "three"))
    except ports.NoFreePort as full:
        return Finding("ports", "missing", str(full), "stop what holds them")
    return Finding("ports", "good", "free ones on 127.0.0.1 between 20000 and 29999")


def _java() -> Finding:
    try:
        run = subprocess.run([kafka.java(), "-version"], capture_output=True, text=True, check=True)
    except (kafka.JavaMissing, OSError, subprocess.CalledProcessError) as failure:
        return Finding("Java", "missing", str(failure), "make setup, or name one (17 or newer) in ATTUNE_JAVA")
    return Finding("Java", "good", run.stderr.splitlines()[0])


def _jars() -> Finding:
    lacking = jars.missing()
    if not lacking:
        return Finding("Kafka", "good", f"{jars.KAFKA_VERSION}, {len(jars.locked())} jars as locked")
    return Finding("Kafka", "missing", f"{len(lacking)} jars missing or damaged in {jars.directory()}", "make setup")


def _start_archive() -> Finding:
    try:
        there = kafka.archive().is_file()
    except (kafka.JavaMissing, jars.JarsMissing, OSError):
        there = False
    if there:
        return Finding("quick start", "good", "Java's recorded start of the broker is there")
    return Finding("quick start", "optional", "no recorded start: the broker takes seconds longer", "make setup")


def _postgres() -> Finding:
    try:
        programs = postgres.programs()
        who = as_user(postgres.user())
        run = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=True, cwd="/", **who
        )
    except (postgres.PostgresMissing, OSError, subprocess.CalledProcessError, KeyError) as failure:
        return Finding("PostgreSQL", "missing", str(failure), "make setup, or name its programs in ATTUNE_POSTGRES_BIN")
    return Finding(
        "PostgreSQL", "good", run.stdout.strip() + (f", run as {postgres.user()}" if postgres.user() else "")
    )


def _stacks() -> Iterator[Finding]:
    for layout in every_stack():
        left = living(layout)
        if holder(layout) is not None:
            yield Finding(f"stack {layout.name}", "good", f"running, {len(left)} processes")
        elif left:
            seen = f"its supervisor died and left {', '.join(left)}"
            yield Finding(f"stack {layout.name}", "optional", seen, f"attune down --name {layout.name}")


def _docker() -> Finding:
    named = os.environ.get("DOCKER_HOST")
    if named or Path("/var/run/docker.sock").exists():
        return Finding("Docker", "good", named or "an engine's socket is there")
    return Finding("Docker", "optional", "no engine; only `make compose-test` needs one")
