"""`attune backup`: one file for each service's database, with a manifest that says what they are."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attune.addresses import SERVICES, NotReachable, readable_errors
from attune.stack.layout import ROOT, write_private

if TYPE_CHECKING:
    from rich.console import Console

BACKUPS = ROOT / "backups"
MANIFEST = "manifest.json"
AdminOption = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", envvar="ATTUNE_ADMIN_URL",
        help="PostgreSQL as its administrator; by default that of the local stack.",
    ),
]  # fmt: skip


def backup(
    to: Annotated[
        Path | None, typer.Option("--to", help="Directory to make it in.", show_default="backups/ and the time")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be backed up.")] = False,
    verify: Annotated[Path | None, typer.Option("--verify", help="Only look whether this backup is whole.")] = None,
    server: AdminOption = None,
    stack: Annotated[str, typer.Option("--stack", metavar="NAME", help="Which local stack.")] = "default",
) -> None:
    """Back up the databases of all services while they run, with PostgreSQL's own pg_dump.

    Each is consistent in itself; `attune restore` brings one that is older than the others up to them. Broken off, the
    same command with the same --to goes on. The files hold everything about the families: keep them as you keep the
    databases.
    """
    from rich.console import Console

    console = Console(highlight=False)
    with readable_errors():
        if verify is not None:
            taken = read_manifest(verify)
            console.print(f"[green]whole[/]: {len(taken)} databases, the oldest of {min(_times(taken))}")
            return
        url, directory = admin_url(server, stack), to or BACKUPS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
        done = _written(directory)
        if dry_run:
            for service in SERVICES:
                size = run(
                    "psql", "-XAt", "-c", "SELECT pg_database_size(current_database())", url=url, database=service
                )
                said = f"dumped already, {done[service]['taken_at']}" if service in done else _mib(int(size))
                console.print(f"{service:<14}{said:>10}")
            console.print(f"into {directory}; a dump is smaller than its database")
            return
        take(console, url, directory, done)


def admin_url(server: str | None, stack: str) -> str:
    """PostgreSQL as its administrator, without a database. Raises NotReachable."""
    if server is not None:
        return server.rstrip("/")
    from attune.stack.layout import BadStackName
    from attune.stack.stack import Stack, StackNotRunning

    try:
        return Stack.running(stack).administrator_dsn("").rstrip("/")
    except (StackNotRunning, BadStackName) as error:
        raise NotReachable(f"{error}; for another server: --server URL") from None


def take(console: Console, url: str, directory: Path, done: dict[str, dict[str, Any]]) -> None:
    """Dumps what is not `done` side by side; each is in the manifest once it is whole. Raises NotReachable."""
    missing = [service for service in SERVICES if service not in done]
    if not missing:
        raise NotReachable(f"{directory} holds a whole backup already")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with console.status("backing up") as said, ThreadPoolExecutor(len(missing)) as threads:
        working = {threads.submit(_dump, url, service, directory): service for service in missing}
        while working:
            for future in wait(working, timeout=0.1, return_when=FIRST_COMPLETED).done:
                service = working.pop(future)
                done = done | {service: future.result()}
                write_private(directory / MANIFEST, json.dumps({"services": done}, indent=2) + "\n")
                console.print(f"{service:<14}{_mib(done[service]['bytes']):>10}  {done[service]['seconds']:.1f} s")
            sizes = {s: size_of(directory / f"{s}.dump.part") for s in working.values()}
            said.update("backing up: " + ", ".join(f"{s} {_mib(size)}" for s, size in sizes.items()))
    console.print(f"in {directory}; back again: attune restore SERVICE --from {directory} --dry-run")


def _dump(url: str, service: str, directory: Path) -> dict[str, Any]:
    taken_at, began = datetime.now(UTC), time.monotonic()
    part, path = directory / f"{service}.dump.part", directory / f"{service}.dump"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        run("pg_dump", "--format=custom", "--no-sync", url=url, database=service, out=out)
        os.fsync(out.fileno())
    part.replace(path)
    return {
        "file": path.name,
        "taken_at": taken_at.isoformat(),
        "bytes": path.stat().st_size,
        "sha256": _sha256(path),
        "seconds": round(time.monotonic() - began, 2),
    }


def run(program: str, *arguments: str, url: str, database: str, out: Any = subprocess.PIPE) -> str:
    """One of PostgreSQL's programs; what it wrote. The password goes by the environment. Raises NotReachable."""
    from urllib.parse import unquote, urlsplit, urlunsplit

    from attune.stack.postgres import shipped
    from attune.stack.program import clean_environment

    parts = urlsplit(url)
    where = f"{parts.username}@{parts.hostname}:{parts.port or 5432}"
    bare = urlunsplit((parts.scheme, where, f"/{database}", parts.query, ""))
    secret = {"PGPASSWORD": unquote(parts.password)} if parts.password else {}
    done = subprocess.run(
        [shipped() / program, *arguments, f"--dbname={bare}"],
        stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, check=False, env=clean_environment() | secret,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotReachable(f"{program} of {database} failed: {said[-1] if said else done.returncode}")
    return done.stdout.decode() if done.stdout else ""


def read_manifest(directory: Path) -> dict[str, dict[str, Any]]:
    """What a backup holds of each service, after every file was found whole. Raises NotReachable."""
    taken = _written(directory)
    if missing := [service for service in SERVICES if service not in taken]:
        raise NotReachable(f"{directory} holds no whole backup: {', '.join(missing)} is missing")
    for service, said in taken.items():
        path = directory / said["file"]
        if not path.is_file() or _sha256(path) != said["sha256"]:
            raise NotReachable(f"the backup of {service} in {directory} is not what was written")
    return taken


def _written(directory: Path) -> dict[str, dict[str, Any]]:
    try:
        services: dict[str, dict[str, Any]] = json.loads((directory / MANIFEST).read_text())["services"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError):
        raise NotReachable(f"{directory / MANIFEST} cannot be read") from None
    return services


def _times(taken: dict[str, dict[str, Any]]) -> list[str]:
    return [said["taken_at"] for said in taken.values()]


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file that somebody else may take away at any moment; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"
