"""A database goes back to a backup, and its service comes up to the others again: nothing lost or twice (P2, P5)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from attune import status
from attune.addresses import Addresses
from attune.facts import Gatherer
from attune.reconcile import reckon
from attune.stack.layout import ROOT
from attune.stack.stack import Stack
from tests.support.field import Baby, Field, Team, eventually
from tests.support.own_state import own_state

NAME = "restores"
LONG = 90.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with own_state(tmp_path_factory, NAME):
        yield Stack.up(NAME, fsync=False)


@pytest.fixture(scope="module")
async def field(stack: Stack) -> AsyncIterator[Field]:
    async with Field(stack) as people:
        people.patience = LONG
        yield people


async def attune(*arguments: object, ends: int = 0) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "attune", *map(str, arguments), "--stack", NAME,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 5 * LONG)
    assert process.returncode == ends, err.decode() or out.decode()
    return json.loads(out) if "--json" in arguments else out.decode()


async def assigned(field: Field, babies: list[Baby]) -> None:
    async def all_of_them() -> bool:
        cases = [c for baby in babies for c in await field.consultations(baby)]
        return len(cases) == len(babies) and all(c["assigned_to"] for c in cases)

    await eventually(all_of_them, "every baby has one assigned case", LONG)
    await at_rest(field)


async def at_rest(field: Field) -> None:
    """Until nothing contradicts anything, anywhere: no event lost or twice, no message, no mail."""
    last: list[str] = []

    async def adds_up() -> bool:
        async with Gatherer(Addresses.of(field.stack.summary)) as gatherer:
            last[:] = [str(f) for f in reckon(await gatherer.facts()).faults]
        return not last

    try:
        await eventually(adds_up, "everything adds up", LONG)
    except AssertionError:
        raise AssertionError("\n".join(last)) from None


async def state(field: Field, team: Team, babies: list[Baby]) -> dict[str, Any]:
    """What people see of the cases, their pool and their messages; moments aside."""
    seen = ("consultation_id", "screening_id", "status", "assigned_to", "acknowledged_by", "priority", "kind")
    cases = [c for baby in babies for c in await field.consultations(baby)]
    members = (await field.does(field.operator, f"GET /pools/{team.id}"))["members"]
    told = [m for case in cases for m in await field.messages(case["consultation_id"])]
    return {
        "cases": sorted([tuple(c.get(name) for name in seen) for c in cases], key=str),
        "pool": {m["practitioner_id"]: (m["capacity_points"], m["used_points"]) for m in members},
        "messages": {m["message_id"]: (m["kind"], m["recipient_id"], m["status"]) for m in told},
    }


async def told_about(field: Field, service: str, babies: list[Baby]) -> list[Any]:
    """Every event of a service about these children, in its order."""
    query = "SELECT key, sequence, event_id FROM journal WHERE key = ANY($1::uuid[]) ORDER BY 1, 2"
    return await field.rows(service, query, [baby.child_id for baby in babies])


def mails(field: Field, told: dict[str, Any]) -> list[str]:
    """Ids of the mails about these messages that have left, each as often as it did."""
    left = [str(mail["message_id"]).strip("<>").partition("@")[0] for mail in field.stack.mails()]
    return sorted(id_ for id_ in left if id_ in told)


@pytest.mark.parametrize("service", ["referral", "notification"])
async def test_a_service_that_was_set_back_comes_to_the_same_and_tells_nothing_twice(
    field: Field, service: str, tmp_path: Path
) -> None:
    # given cases before the backup
    team = await field.team(4, 2)
    babies = [await field.baby(team) for _ in range(6)]
    for baby in babies[:2]:
        await field.screens(baby, "concern")
    await assigned(field, babies[:2])
    await attune("backup", "--to", tmp_path / "backup")
    # and after it: more concerns, a practitioner who is new, and people at work with the cases
    joins = field.somebody("specialist")
    await field.employ(joins, team.id, capacity=8, certificate="infant_mental_health")
    await field.can_be_told(joins)
    await field.pool_has(team, joins)
    for baby in babies[2:5]:
        await field.screens(baby, "concern")
    await assigned(field, babies[:5])
    (first,) = await field.consultations(babies[0])
    await field.does(team.specialists[0], f"POST /consultations/{first['consultation_id']}/acknowledgement", {})
    (third,) = await field.consultations(babies[2])
    await field.does(team.specialists[0], f"POST /cases/{third['consultation_id']}/closure", {"reason": "completed"})
    await at_rest(field)
    before = await state(field, team, babies[:5])
    left = mails(field, before["messages"])
    said = await told_about(field, service, babies[:5])
    # when its database is set back, and somebody records a concern meanwhile
    back = attune("restore", service, "--from", tmp_path / "backup", "--by", "tester", "--json")
    restoring = asyncio.create_task(back)
    await field.screens(babies[5], "concern")
    report = (await restoring)[service]
    # then it has come up to the others: the same cases, owners, points and messages, and nobody was told twice
    assert report["apart"] == {}
    assert report["recalled"] > 0
    await assigned(field, [*babies[:2], *babies[3:]])
    after = await state(field, team, babies[:5])
    new = await state(field, team, babies[5:])
    points = {who: (n, used) for who, (n, used) in after["pool"].items()}
    assert await told_about(field, service, babies[:5]) == said
    assert after["cases"] == before["cases"]
    assert after["messages"] == before["messages"]
    assert mails(field, before["messages"]) == left
    assert sum(used for _, used in points.values()) == sum(used for _, used in before["pool"].values()) + 2
    assert len(new["cases"]) == 1


async def killed(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def begun(*arguments: object) -> asyncio.subprocess.Process:
    devnull = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "attune", *map(str, arguments), "--stack", NAME, cwd=ROOT, stdout=devnull, stderr=devnull
    )  # fmt: skip


async def seen(field: Field, query: str, *, database: str = "postgres") -> None:
    """Until the administrator sees something, looking as often as he can."""
    connection: asyncpg.Connection[Any] | None = None
    deadline = time.monotonic() + LONG
    try:
        while time.monotonic() < deadline:
            with contextlib.suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
                if connection is None or connection.is_closed():
                    connection = await asyncpg.connect(field.stack.administrator_dsn(database))
                if await connection.fetchval(query):
                    return
            await asyncio.sleep(0.003)
        raise AssertionError(query)
    finally:
        if connection is not None:
            await connection.close()


async def test_a_lost_database_comes_back_although_everything_is_killed_on_the_way(
    field: Field, tmp_path: Path
) -> None:
    # given a backup, and work after it
    team = await field.team(12, 12, 12)
    babies = [await field.baby(team) for _ in range(14)]
    await assigned(field, [])
    await attune("backup", "--to", tmp_path / "backup")
    for baby in babies[:12]:
        await field.screens(baby, "concern")
    await assigned(field, babies[:12])
    before = await state(field, team, babies[:12])
    left = mails(field, before["messages"])
    said = await told_about(field, "notification", babies[:12])
    # when the database is lost, while work goes on elsewhere
    lost_at = datetime.now(UTC) + timedelta(seconds=1)
    field.stack.psql("DROP DATABASE notification WITH (FORCE);")
    await asyncio.sleep(1.5)
    for baby in babies[12:]:
        await field.screens(baby, "concern")
    back = ("restore", "notification", "--from", tmp_path / "backup", "--lost-at", f"{lost_at:%Y-%m-%dT%H:%M:%SZ}")
    # and it is brought back by somebody who is killed while loading, then while waiting, and the service half way
    first = await begun(*back)
    await seen(field, "SELECT 1 FROM pg_database WHERE datname = 'notification_restored'")
    await killed(first)
    second = await begun(*back)
    await seen(field, "SELECT 1 FROM recoveries WHERE state = 'open' AND relived > 0", database="notification")
    field.stack.refresh()
    os.kill(field.stack.summary["pids"]["notification"], signal.SIGKILL)
    await killed(second)
    (half,) = await field.rows("notification", "SELECT state, relived FROM recoveries ORDER BY asked_at DESC LIMIT 1")
    assert half["state"] == "open", half
    report = (await attune(*back, "--json"))["notification"]
    # then everything adds up: what was sent is as it was, and what came in since is told for the first time
    assert report["apart"] == {}
    await assigned(field, babies)
    after = await state(field, team, babies)
    assert await told_about(field, "notification", babies[:12]) == said
    told = after["messages"]
    assert {id_: told[id_] for id_ in before["messages"]} == before["messages"]
    assert mails(field, before["messages"]) == left
    assert len(told) > len(before["messages"])
    assert {stands for _, _, stands in told.values()} == {"sent"}
    await eventually(lambda: is_ready("notification"), "the service is up again", LONG)
    assert (await attune("status", "--json"))["stuck"] == []


async def test_what_was_typed_and_told_and_is_lost_is_shown_until_somebody_has_seen_to_it(
    field: Field, tmp_path: Path
) -> None:
    team = await field.team(4)
    baby = await field.baby(team)
    await attune("backup", "--to", tmp_path / "backup")
    await field.screens(baby, "concern")
    await assigned(field, [baby])
    # a dry run says what would be lost, and changes nothing
    back = ("restore", "screening", "--from", tmp_path / "backup", "--json")
    assert (await attune(*back, "--dry-run"))["screening"]["told_since"] == 1
    assert (await attune("status", "--json"))["stuck"] == []
    # done in earnest, the screening is gone from its service and not from the world: that is shown
    report = (await attune(*back))["screening"]
    assert report["apart"] == {"attune.screening.screening-completed.v1": 1}
    await eventually(lambda: is_ready("screening"), "the service is up again", LONG)
    (row,) = (await attune("status", "--json", ends=1))["stuck"]
    assert (row["what"], row["child_id"]) == ("told_before", str(baby.child_id))
    assert len(await field.consultations(baby)) == 1
    # the next event of the family has a number of its own
    await field.screens(baby, "no_concern")
    numbers = await field.rows("screening", "SELECT sequence FROM journal WHERE key = $1 ORDER BY 1", baby.child_id)
    assert [n for (n,) in numbers] == list(range(1, len(numbers) + 1))
    assert await attune("restore", "screening", "--settled", "--by", "tester", "--json") == {
        "screening": {"settled": 1}
    }
    assert (await attune("status", "--json"))["stuck"] == []


async def is_ready(service: str) -> bool:
    return bool((await status.look(Addresses.running(NAME)))["services"][service]["ready"])


async def has_dumps(directory: Path) -> bool:
    return bool(await asyncio.to_thread(lambda: list(directory.glob("*.dump*"))))


async def test_a_backup_goes_on_where_it_was_broken_off_and_one_that_was_changed_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "backup"
    assert "workforce" in await attune("backup", "--to", directory, "--dry-run")
    assert not directory.exists()
    first = await begun("backup", "--to", directory)
    await eventually(lambda: has_dumps(directory), "it has begun", LONG)
    await killed(first)
    await attune("backup", "--to", directory)
    assert "whole" in await attune("backup", "--verify", directory)
    with (directory / "referral.dump").open("ab") as opened:
        opened.write(b"!")
    await attune("backup", "--verify", directory, ends=1)
    await attune("restore", "workforce", "--from", directory, ends=1)
