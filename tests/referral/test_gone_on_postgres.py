"""Losses, moves and mergers through the processor on a real database, and what may be read of a sealed record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from attune_contracts.event import Event
from attune_contracts.notification import MessageFailed
from attune_contracts.screening import ChildAdopted, ChildDied, ChildMoved, RecordsMerged, ScreeningMissed
from chassis.access import Access
from chassis.admission import Admission
from chassis.arrivals import Answer
from chassis.database import Pool
from chassis.health import Health
from chassis.http import Reads, build_app
from chassis.key_set import KeySet
from services.referral.domain.commands import HoldConsultation
from services.referral.domain.work_commands import PlanDirectWork, RecordSession
from services.referral.main import SERVICE
from tests.chassis.issuer import AUDIENCE, ISSUER, Issuer, written
from tests.referral.builders import TEAM, concern
from tests.referral.test_ledger_on_postgres import case_of
from tests.referral.test_on_postgres import Instance, joins
from tests.support.given import NOON, some_id

CHILD, FAMILY, OTHER, ELSEWHERE = some_id("child a"), some_id("family a"), some_id("child b"), some_id("team elsewhere")
WHO = {"child_id": CHILD, "pregnancy_id": FAMILY}
AWAY = ChildMoved(**WHO, team_id=TEAM, to_team_id=None, moved_at=NOON)
BACK = ChildMoved(**WHO, team_id=None, to_team_id=ELSEWHERE, moved_at=NOON)
MERGED = RecordsMerged(**WHO, into_child_id=OTHER, team_id=TEAM, merged_at=NOON)
MISSED = ScreeningMissed(**WHO, team_id=TEAM, reason="no_attempt_recorded", age_days=70, closed_at=NOON)
CASE = case_of("a")


@pytest.fixture
def referral(database_pool: Pool) -> Instance:
    return Instance(database_pool)


async def open_tasks(referral: Instance) -> list[tuple[Any, ...]]:
    rows = await referral.pool.fetch("SELECT kind, team_id, child_id FROM tasks WHERE done_at IS NULL ORDER BY kind")
    return [tuple(row) for row in rows]


async def with_direct_work(referral: Instance) -> None:
    await referral.hear(*joins("ann", 6))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    await referral.do(HoldConsultation(consultation_id=CASE, outcome="direct_work"))
    plan = PlanDirectWork(
        consultation_id=CASE, intervention="watch_wait_and_wonder", family_agrees=True, goals=["Calmer evenings."]
    )
    assert isinstance(await referral.do(plan), Answer)
    await referral.come_to_rest()


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one by one"])
async def test_whoever_moves_away_and_back_is_a_task_where_it_lives_now(referral: Instance, at_once: bool) -> None:
    await referral.hear(concern("a", follows="consultation_urgent"))
    await referral.come_to_rest()
    events: list[Event] = [MISSED, AWAY, BACK, BACK]
    for batch in [events] if at_once else [[event] for event in events]:
        await referral.hear(*batch)
    found = [task for task in await open_tasks(referral) if task[1] == ELSEWHERE]
    assert found == [("missed_screening", ELSEWHERE, CHILD), ("moved_family", ELSEWHERE, CHILD)]
    await referral.hear(AWAY, BACK)
    found = [task for task in await open_tasks(referral) if task[1] == ELSEWHERE]
    assert [kind for kind, *_ in found] == ["missed_screening", "moved_family", "moved_family"]
    assert await referral.pool.fetchval("SELECT count(*) FROM parked") == 0


async def test_what_a_record_missed_that_ended_in_that_of_a_lost_child_is_nobody_s_task(referral: Instance) -> None:
    died = ChildDied(child_id=OTHER, pregnancy_id=FAMILY, team_id=TEAM, age_days=40, recorded_at=NOON)
    await referral.hear(MISSED, died)
    assert await open_tasks(referral) == [("missed_screening", TEAM, CHILD)]
    await referral.hear(MERGED)
    assert await open_tasks(referral) == []
    await referral.hear(MISSED.model_copy(update={"closed_at": NOON.replace(hour=13)}))
    assert await open_tasks(referral) == []


async def test_two_who_were_not_told_are_two_tasks(referral: Instance) -> None:
    fields: dict[str, Any] = {
        "about_id": CASE,
        "child_id": CHILD,
        "recipient_kind": "practitioner",
        "kind": "case_assigned",
        "attempt": 1,
        "channel": "email",
        "reason": "smtp_550",
        "failed_at": NOON,
    }
    for name in ("ann", "ben", "ann"):
        await referral.hear(MessageFailed(**fields, message_id=some_id(f"to {name}"), recipient_id=some_id(name)))
    rows = await referral.pool.fetch("SELECT recipient_id FROM tasks ORDER BY recipient_id")
    assert [row["recipient_id"] for row in rows] == sorted([some_id("ann"), some_id("ben")])


async def test_a_session_from_before_a_reopening_is_not_its_first_contact(referral: Instance) -> None:
    await with_direct_work(referral)
    later = NOON.replace(hour=13)
    await referral.pool.execute("UPDATE progress SET started_at = $1", later)  # as if it had been reopened then
    referral.days = 1
    for at, met_at in ((NOON, None), (later, later)):
        session = RecordSession(consultation_id=CASE, attendance="attended", session_at=at, setting="home")
        assert isinstance(await referral.do(session), Answer)
        assert await referral.pool.fetchval("SELECT first_contact_at FROM direct_works") == met_at


@pytest.fixture
async def door(referral: Instance, tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Issuer]]:
    """Referral by HTTP, and who gives out its tokens."""
    issuer = Issuer()
    keys = KeySet(written(tmp_path / "keys.json", issuer.public))
    access = Access(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), keys=keys)
    reads = Reads(referral.pool, access, SERVICE.roles)
    app = build_app(
        "referral",
        commands=SERVICE.commands,
        roles=SERVICE.roles,
        access=access,
        submit=Admission(referral.processor).submit,
        reads=reads,
        routers=[SERVICE.api(reads)],
        health=Health(),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://referral") as client:
        yield client, issuer


async def test_direct_work_is_sealed_with_the_record_that_it_was_merged_into(
    referral: Instance, door: tuple[httpx.AsyncClient, Issuer]
) -> None:
    client, issuer = door

    async def read(role: str, path: str) -> int:
        headers = {"authorization": f"Bearer {issuer.token(role)}"}
        return (await client.get(path, headers=headers)).status_code

    paths = [f"/consultations/{CASE}", f"/cases/{CASE}/direct-work"]
    await with_direct_work(referral)
    await referral.hear(MERGED)
    assert [await read("specialist", path) for path in paths] == [200, 200]
    rows = await referral.pool.fetch("SELECT about FROM audits")
    assert [row["about"] for row in rows] == [str(OTHER), str(OTHER)]
    await referral.hear(ChildAdopted(child_id=OTHER, pregnancy_id=FAMILY, team_id=TEAM, recorded_at=NOON))
    assert [await read("specialist", path) for path in paths] == [403, 403]
    assert await read("specialist", f"/cases/{some_id('no case')}/direct-work") == 404


async def test_a_wait_of_a_thousand_years_is_answered(
    referral: Instance, door: tuple[httpx.AsyncClient, Issuer]
) -> None:
    client, issuer = door
    await referral.hear(*joins("ann", 2))
    await referral.hear(concern("a"))
    await referral.come_to_rest()
    await referral.pool.execute("UPDATE consultations SET status = 'closed', end_reason = 'other', ended_at = now()")
    await referral.hear(concern("b"))
    await referral.pool.execute("UPDATE consultations SET points = 100000 WHERE consultation_id = $1", case_of("b"))
    headers = {"authorization": f"Bearer {issuer.token('specialist')}"}
    for path in (f"/pools/{TEAM}/waiting", f"/cases/{case_of('b')}/place"):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 200
        place = answer.json()[0] if path.endswith("waiting") else answer.json()["place"]
        assert (place["forecast"]["weeks"] > 52_100, place["forecast"]["expected_by"]) == (True, None)
