"""`attune import births`: birth notifications in JSON Lines, sent to the public API; each takes effect once.

The file's form is in docs/birth-notifications.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from attune.addresses import Addresses, NotReachable, StackOption, complain, readable_errors

if TYPE_CHECKING:
    from attune.asking import Asking

AT_ONCE = 12
"""Requests under way at the same time."""
PATIENCE_SECONDS = 60.0
"""How long a service that is away is waited for, before the rest of the file is left for another time."""
ROUTE = "POST /births"

imports = typer.Typer(help="Take in what other systems send.", no_args_is_help=True)


@imports.callback()
def _group() -> None:
    """Keeps `births` a subcommand of its own."""


class Stopped(RuntimeError):
    """The service went away, or lets nobody in: the rest of the file was not sent."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One line that has the form of a notification."""

    line: int
    notification_id: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line was not taken: the field and the rule, never the value."""

    line: int
    notification_id: str | None
    errors: tuple[tuple[str | None, str], ...]

    def as_json(self) -> str:
        about = {"line": self.line} | ({"notification_id": self.notification_id} if self.notification_id else {})
        return json.dumps(about | {"errors": [{"field": f, "rule": r} for f, r in self.errors]})


@dataclass(slots=True)
class Result:
    """What became of a file."""

    taken: int = 0
    faults: list[Fault] = field(default_factory=list)


def read(path: Path, team_id: UUID | None = None) -> Iterator[Notification | Fault]:
    """The lines of a file, checked for their form; empty ones are passed over."""
    from chassis.commands import Identifier, parse
    from chassis.problem import Problem
    from services.screening.domain.commands import RecordBirth

    class BirthNotification(RecordBirth):
        """A birth as another system tells it, under that system's own id for the notification."""

        notification_id: Identifier

    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                made = parse(BirthNotification, line)
            except Problem as problem:
                yield Fault(number, None, tuple((e.field, e.rule) for e in problem.errors) or ((None, problem.rule),))
                continue
            body = made.model_dump(mode="json", exclude={"notification_id"}, exclude_unset=True)
            if team_id is not None and made.team_id is None:
                body["team_id"] = str(team_id)
            yield Notification(number, made.notification_id, body)


async def send(asking: Asking, notifications: Iterator[Notification | Fault], result: Result, tell: Any) -> None:
    """Sends every notification, some at a time. Raises Stopped."""
    from attune.asking import Refusal

    turn = asyncio.Semaphore(AT_ONCE)

    async def one(notification: Notification) -> None:
        try:
            await _taken(asking, notification)
            result.taken += 1
        except Refusal as refusal:
            errors = tuple((_field(e), str(e.get("rule"))) for e in refusal.errors) or ((None, refusal.rule),)
            result.faults.append(Fault(notification.line, notification.notification_id, errors))
        finally:
            turn.release()
            tell()

    try:
        async with asyncio.TaskGroup() as group:
            for notification in notifications:
                if isinstance(notification, Fault):
                    result.faults.append(notification)
                    tell()
                    continue
                await turn.acquire()
                group.create_task(one(notification))
    except* Stopped as stopped:
        raise Stopped(str(stopped.exceptions[0])) from None
    finally:
        result.faults.sort(key=lambda fault: fault.line)


def _field(error: dict[str, Any]) -> str | None:
    """As the file calls it: the notification's id goes as the key of the request."""
    name = error.get("field")
    return "notification_id" if str(name).lower() == "idempotency-key" else name


async def _taken(asking: Asking, notification: Notification) -> None:
    """Sends one, and again while the service is away: its key makes that harmless."""
    from attune.asking import Refusal

    headers = {"idempotency-key": f"birth-notification:{notification.notification_id}"}
    waited = 0.0
    while True:
        try:
            await asking.send(ROUTE, "screening", notification.body, role="records", headers=headers)
            return
        except Refusal as refusal:
            if refusal.status in (401, 403):
                raise Stopped(str(refusal)) from None
            if refusal.status < 500:
                raise
            away: Exception = refusal
        except NotReachable as error:
            away = error
        if waited >= PATIENCE_SECONDS:
            raise Stopped(str(away))
        await asyncio.sleep(1.0)
        waited += 1.0


@imports.command()
def births(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON Lines, one notification a line.")],
    team: Annotated[UUID | None, typer.Option(help="The team of lines that name none.")] = None,
    report: Annotated[Path, typer.Option(help="Where the lines that were not taken are listed.")] = Path(
        "reports/births-not-taken.jsonl"
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the form of the file; send nothing.")] = False,
    stack: StackOption = "default",
) -> None:
    """Take in birth notifications. Running it again with the same file changes nothing."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    result = Result()
    with readable_errors():
        try:
            _run(file, team, None if dry_run else Addresses.running(stack), result, console)
        except Stopped as stopped:
            _write(report, result)
            complain(f"{result.taken} taken, then: {stopped}; run it again with the same file to go on")
    _write(report, result)
    what = "have the form of a notification" if dry_run else "taken"
    console.print(f"{result.taken} {what}, {len(result.faults)} not" + (f": see {report}" if result.faults else ""))
    for fault in result.faults[:20]:
        console.print(
            f"  line {fault.line}: " + ", ".join(f"{f or 'the line'} {r}" for f, r in fault.errors), markup=False
        )
    if result.faults:
        raise typer.Exit(1)


def _run(file: Path, team: UUID | None, addresses: Addresses | None, result: Result, console: Any) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("notifications"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with file.open("rb") as lines:
        total = sum(1 for line in lines if line.strip())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("births", total=total)
        if addresses is not None:
            asyncio.run(_send_all(addresses, read(file, team), result, lambda: bar.advance(task)))
            return
        for found in read(file, team):
            bar.advance(task)
            if isinstance(found, Fault):
                result.faults.append(found)
            else:
                result.taken += 1


async def _send_all(addresses: Addresses, found: Iterator[Notification | Fault], result: Result, tell: Any) -> None:
    from attune.asking import Asking

    async with Asking(addresses) as asking:
        await send(asking, found, result, tell)


def _write(report: Path, result: Result) -> None:
    """The report of this run alone; none where every line was taken."""
    if not result.faults:
        report.unlink(missing_ok=True)
        return
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("".join(f"{fault.as_json()}\n" for fault in result.faults), "utf-8")
