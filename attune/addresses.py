"""Where a running system answers, as its stack.json says; and the words for when it does not."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self
from uuid import UUID

import typer

if TYPE_CHECKING:
    from chassis.broker import Broker

SERVICES = ("screening", "referral", "notification", "workforce")
"""In the order in which a case passes through them."""

StackOption = Annotated[
    str, typer.Option("--stack", metavar="NAME", help="Which running stack: its name, or the path of its stack.json.")
]


class NotReachable(RuntimeError):
    """There is no such stack, or a part of it does not answer."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """One running system: a local stack, or anything else that somebody described in the same form."""

    name: str
    bootstrap: tuple[str, ...]
    sasl: Mapping[str, str] | None
    services: Mapping[str, str]
    """Base URL of each service's HTTP interface."""
    postgres: Mapping[str, str]
    """DSN of each service's database."""
    tokens: Mapping[str, str]
    mail: Path | None
    """JSON Lines file of the mail sink, where there is one."""

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Self:
        """From the content of a stack.json. Raises NotReachable for one that lacks the essentials."""
        try:
            mail = (summary.get("files") or {}).get("mail")
            return cls(
                name=str(summary.get("name", "")),
                bootstrap=tuple(str(summary["kafka"]["bootstrap"]).split(",")),
                sasl=summary["kafka"].get("sasl"),
                services=dict(summary["services"]),
                postgres=dict(summary.get("postgres") or {}),
                tokens=dict(summary.get("tokens") or {}),
                mail=Path(mail) if mail else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise NotReachable(f"not the content of a stack.json: {error} is missing") from None

    @classmethod
    def running(cls, stack: str) -> Self:
        """Of a named stack, or of the file `stack`. Raises NotReachable when it does not run."""
        if stack.endswith(".json"):
            return cls._from_file(Path(stack))
        from attune.stack.layout import BadStackName
        from attune.stack.stack import Stack, StackNotRunning

        try:
            return cls.of(Stack.running(stack).summary)
        except (StackNotRunning, BadStackName) as error:
            raise NotReachable(str(error)) from None

    @classmethod
    def _from_file(cls, path: Path) -> Self:
        try:
            return cls.of(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError):
            raise NotReachable(f"{path} cannot be read as a stack.json; `make up` writes one") from None

    def broker(self) -> Broker:
        """How to reach Kafka."""
        from chassis.broker import Broker

        if not self.sasl:
            return Broker(self.bootstrap)
        return Broker(
            self.bootstrap,
            self.sasl.get("security_protocol", "SASL_PLAINTEXT"),
            self.sasl.get("mechanism", "SCRAM-SHA-256"),
            self.sasl.get("username"),
            self.sasl.get("password"),
        )

    def token(self, role: str) -> str:
        """The development token of a role. Raises NotReachable where there is none."""
        if role not in self.tokens:
            raise NotReachable(f"stack {self.name or '?'} has no token for the role {role}")
        return self.tokens[role]

    def subject(self, role: str) -> UUID:
        """Whom the token of a role speaks for."""
        payload = self.token(role).split(".")[1]
        return UUID(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


@contextmanager
def readable_errors(*expected: type[Exception]) -> Iterator[None]:
    """Ends the command with one sentence, not with a traceback, for what is expected to go wrong."""
    understood: tuple[type[Exception], ...] = (NotReachable, *expected)
    try:
        yield
    except understood as error:
        complain(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def complain(sentence: str, status: int = 1) -> NoReturn:
    """Says what is wrong on standard error and ends the command."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]attune:[/] ", end="")
    console.print(sentence, markup=False)
    raise typer.Exit(status)


def plain_output(write: Callable[[str], Any] | None = None) -> Callable[[str], None]:
    """Writes one line at a time to standard output, for machines; a reader that went away ends the command."""
    out = write or sys.stdout.write

    def line(text: str) -> None:
        try:
            out(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(0) from None

    return line
