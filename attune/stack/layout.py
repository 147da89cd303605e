"""Where everything of the local stack lies: one state directory per clone, in it one directory per stack."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_NAME = "default"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_RESERVED = {"cache"}


class BadStackName(ValueError):
    """A stack name is 1 to 30 of a-z, 0-9 and '-', begins with a letter and is not 'cache'."""


def state_directory() -> Path:
    """`.attune` beside the sources, or the directory named by ATTUNE_STATE."""
    named = os.environ.get("ATTUNE_STATE")
    return Path(named).resolve() if named else ROOT / ".attune"


def cache_directory() -> Path:
    """What is fetched or made once and shared by all stacks of this clone: jars, broker seed, start-up archives."""
    return (state_directory() / "cache").resolve()


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one stack."""

    name: str
    directory: Path
    summary: Path
    """`stack.json`: what others may know about the running stack."""

    @classmethod
    def named(cls, name: str = DEFAULT_NAME) -> "Layout":
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise BadStackName(f"{name!r}: {BadStackName.__doc__}")
        directory = state_directory() / name
        summary = state_directory() / "stack.json" if name == DEFAULT_NAME else directory / "stack.json"
        return cls(name, directory, summary)

    @classmethod
    def at(cls, directory: Path) -> "Layout":
        """A stack outside the state directory: the temporary ones."""
        return cls(directory.name, directory, directory / "stack.json")

    @property
    def plan(self) -> Path:
        """What the supervisor is asked to run."""
        return self.directory / "plan.json"

    @property
    def memory(self) -> Path:
        """Ports and passwords, kept from one start to the next."""
        return self.directory / "memory.json"

    @property
    def running(self) -> Path:
        """Process ids with their birth times, so that leftovers of a crash are recognised."""
        return self.directory / "running.json"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def keys(self) -> Path:
        return self.directory / "keys"

    @property
    def mail(self) -> Path:
        """One line of JSON per accepted mail."""
        return self.directory / "mail.jsonl"

    @property
    def file_channel(self) -> Path:
        """One line of JSON per message that the notification service sent by its file channel."""
        return self.directory / "file-channel.jsonl"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"

    def fingerprint(self) -> str:
        """Eight hex digits that differ between stack directories."""
        return hashlib.sha256(str(self.directory).encode()).hexdigest()[:8]


def every_stack() -> tuple[Layout, ...]:
    """The stacks of this clone, running or not."""
    return tuple(Layout.named(lock.parent.name) for lock in sorted(state_directory().glob("*/lock")))


def write_private(path: Path, text: str) -> None:
    """Replace a file at once: a reader sees the old or the new, and nobody but its owner sees either."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(text)
    fresh.replace(path)
