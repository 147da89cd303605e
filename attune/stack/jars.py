"""Kafka's jars: fetched by coordinate, checked against a lock of sha256 sums, never taken on trust.

`python -m attune.stack.jars lock` resolves the coordinates anew and rewrites the lock."""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.stack.layout import cache_directory

KAFKA_VERSION = "4.3.1"
WANTED = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
LOCK = Path(__file__).with_name("jars.lock")
DIRECTORY_VARIABLE = "ATTUNE_KAFKA_JARS"
REPOSITORY_VARIABLE = "ATTUNE_MAVEN_REPOSITORY"

Progress = Callable[[int, int, int], None]
"""Called with (jars done, jars in all, bytes done)."""


class JarsMissing(RuntimeError):
    """Kafka's jars are not there: run `make setup`, or name a directory that has them in ATTUNE_KAFKA_JARS."""


class JarDamaged(RuntimeError):
    """What was fetched is not what the lock says: the download was cut or the file was replaced on the way."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked file; size in bytes."""

    sha256: str
    coordinate: str
    size: int

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def is_intact(self, path: Path) -> bool:
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == self.sha256


def locked() -> tuple[Jar, ...]:
    """Every jar that the lock names, with size and checksum."""
    rows = (line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(Jar(sha256, coordinate, int(size)) for sha256, coordinate, size in rows)


def directory() -> Path:
    """Where the jars lie: shared by all stacks, or the folder that the environment names."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named).resolve() if named else cache_directory() / "kafka" / KAFKA_VERSION / "jars"


def classpath() -> str:
    """The locked jars, sorted, as Java's class path (the start-up archive is only valid for the same order)."""
    paths = sorted(directory() / jar.file_name for jar in locked())
    if any(not path.is_file() for path in paths):
        raise JarsMissing(str(JarsMissing.__doc__))
    return os.pathsep.join(map(str, paths))


def missing() -> tuple[Jar, ...]:
    """Jars that are absent or not what the lock says."""
    return tuple(jar for jar in locked() if not jar.is_intact(directory() / jar.file_name))


def fetch(progress: Progress = lambda *_: None) -> int:
    """Bring every missing jar into the directory; how many were fetched.

    Raises JarDamaged when a file differs from the lock."""
    wanted = missing()
    if not wanted:
        return 0
    if os.environ.get(DIRECTORY_VARIABLE):
        raise JarsMissing(f"{directory()} lacks {', '.join(jar.file_name for jar in wanted)}")
    directory().mkdir(parents=True, exist_ok=True)
    size = 0
    with _download_area() as area, ThreadPoolExecutor(4) as threads:
        maven = _maven(area)
        running = {threads.submit(_fetch_one, maven, jar): jar for jar in wanted}
        for done, future in enumerate(as_completed(running), 1):
            future.result()
            size += running[future].size
            progress(done, len(wanted), size)
    return len(wanted)


def _fetch_one(maven: Any, jar: Jar) -> None:
    group, artifact, version = jar.coordinate.split(":")
    arrived = Path(maven.project(group, artifact).at_version(version).artifact().resolve())
    if not jar.is_intact(arrived):
        raise JarDamaged(f"{jar.coordinate} is not the file that was locked")
    arrived.replace(directory() / jar.file_name)


@contextlib.contextmanager
def _download_area() -> Iterator[Path]:
    """A private place, so that a download cut half-way is never found again as a whole file."""
    parent = directory().parent
    parent.mkdir(parents=True, exist_ok=True)
    area = Path(tempfile.mkdtemp(prefix="fetch-", dir=parent))
    try:
        yield area
    finally:
        shutil.rmtree(area, ignore_errors=True)


def _maven(area: Path) -> Any:
    from jgo.maven import MavenContext

    repository = os.environ.get(REPOSITORY_VARIABLE)
    return MavenContext(repo_cache=area, **({"remote_repos": {"named": repository}} if repository else {}))


def lock() -> None:
    """Resolve WANTED to the full runtime set and rewrite the lock."""
    from jgo.parse import Coordinate

    with _download_area() as area:
        maven = _maven(area)
        parts = (wanted.split(":") for wanted in WANTED)
        asked = [
            maven.create_dependency(Coordinate(groupId=g, artifactId=a, version=v, scope="compile"))
            for g, a, v in parts
        ]
        inputs, transitive = maven.resolver.resolve(asked)
        rows = []
        for dependency in {str(d.artifact.key): d for d in (*inputs, *transitive) if d.type == "jar"}.values():
            path = Path(dependency.artifact.resolve())
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            coordinate = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            rows.append((coordinate, f"{digest} {coordinate} {path.stat().st_size}"))
    head = "# sha256 group:artifact:version size; written by `make lock`"
    LOCK.write_text("\n".join([head, *(row for _, row in sorted(rows))]) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["lock"]:
        raise SystemExit("usage: python -m attune.stack.jars lock")
    lock()
