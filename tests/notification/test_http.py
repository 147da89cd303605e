"""Notification by HTTP: who may do and see what, and that no address leaves by any other way than the audited one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.access import Access
from chassis.database import Pool
from chassis.health import Health
from chassis.http import Reads, build_app
from chassis.key_set import KeySet
from services.notification.channels.file import FileChannel
from services.notification.main import SERVICE
from services.notification.settings import RECEIPTS
from tests.chassis.issuer import AUDIENCE, ISSUER, Issuer, written
from tests.notification.examples import CHILD, LEAD, SPECIALIST, VISITOR, case_assigned
from tests.notification.running import Instance, at_work, until
from tests.support.given import some_id

POLICY = {"kind": "practitioner", "channels": ["file", "email"], "address": "sam@example.org"}


RECEIPT_TOKEN = "a token that was agreed with Notify"
CHANNEL = {RECEIPT_TOKEN: ("govuk-notify", frozenset({RECEIPTS}))}


class Desk:
    """Notification's door, with a token for each role."""

    def __init__(self, client: httpx.AsyncClient, issuer: Issuer, instance: Instance) -> None:
        self.client, self.issuer, self.instance = client, issuer, instance

    async def ask(self, role: str, method: str, path: str, **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.issuer.token(role)}"}
        json = body if method != "GET" else None
        return await self.client.request(method, path, headers=headers, json=json)


@pytest.fixture
async def desk(pool: Pool, tmp_path: Path) -> AsyncIterator[Desk]:
    issuer, instance = Issuer(), Instance(pool, [FileChannel(tmp_path / "letters.jsonl")])
    keys = KeySet(written(tmp_path / "keys.json", issuer.public))
    access = Access(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), keys=keys, fixed=CHANNEL)
    reads = Reads(pool, access, SERVICE.roles)
    app = build_app(
        "notification",
        commands=SERVICE.commands,
        roles=SERVICE.roles,
        access=access,
        submit=instance.admission.submit,
        reads=reads,
        routers=[SERVICE.api(reads)],
        health=Health(),
    )
    transport = httpx.ASGITransport(app)
    async with at_work(instance), httpx.AsyncClient(transport=transport, base_url="http://notification") as client:
        yield Desk(client, issuer, instance)


async def test_a_recipient_is_set_seen_stopped_and_erased(desk: Desk, pool: Pool) -> None:
    path = f"/recipients/{SPECIALIST}"
    assert (await desk.ask("workforce_admin", "PUT", path, **POLICY)).status_code == 200
    seen = await desk.ask("workforce_admin", "GET", path)
    assert (seen.json()["address"], seen.json()["do_not_contact"]) == ("sam@example.org", False)
    assert await pool.fetchval("SELECT count(*) FROM audits WHERE about = $1", str(SPECIALIST)) == 1
    stopped = await desk.ask("health_visitor", "PUT", f"{path}/do-not-contact", do_not_contact=True)
    assert (stopped.status_code, stopped.json()) == (200, {"do_not_contact": True})
    assert (await desk.ask("workforce_admin", "POST", f"{path}/erasure")).status_code == 200
    assert (await desk.ask("workforce_admin", "GET", path)).json()["address"] is None
    again = await desk.ask("workforce_admin", "PUT", path, **POLICY)
    assert (again.status_code, again.json()["errors"]) == (409, [{"field": "recipient_id", "rule": "recipient-erased"}])


async def test_messages_are_shown_without_an_address(desk: Desk, pool: Pool) -> None:
    for person in (SPECIALIST, VISITOR):
        await desk.ask("workforce_admin", "PUT", f"/recipients/{person}", **POLICY)
    await desk.instance.hear(case_assigned())
    await until(pool, {"sent": 2})
    listed = await desk.ask("team_lead", "GET", f"/messages?child_id={CHILD}&status=sent")
    assert len(listed.json()) == 2
    assert "example.org" not in listed.text
    one = await desk.ask("team_lead", "GET", f"/messages/{listed.json()[0]['message_id']}")
    assert one.json() == listed.json()[0]
    again = await desk.ask("team_lead", "POST", f"/messages/{one.json()['message_id']}/repeat")
    assert (again.status_code, again.json()["type"]) == (409, "urn:attune:problem:message-already-sent")


async def test_a_duty_needs_a_known_holder(desk: Desk) -> None:
    unknown = await desk.ask("workforce_admin", "PUT", "/duties/team_lead", recipient_id=str(LEAD))
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (404, "recipient_id")
    await desk.ask("workforce_admin", "PUT", f"/recipients/{LEAD}", **POLICY | {"kind": "team_lead"})
    assert (await desk.ask("workforce_admin", "PUT", "/duties/team_lead", recipient_id=str(LEAD))).status_code == 200
    assert (await desk.ask("workforce_admin", "PUT", "/duties/tea", recipient_id=str(LEAD))).status_code == 422
    assert [d["duty"] for d in (await desk.ask("operator", "GET", "/duties")).json()] == ["team_lead"]


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("health_visitor", "PUT", f"/recipients/{SPECIALIST}"),
        ("health_visitor", "GET", f"/recipients/{SPECIALIST}"),
        ("operator", "GET", f"/recipients/{SPECIALIST}"),
        ("workforce_admin", "GET", "/messages"),
        ("specialist", "POST", f"/messages/{some_id('message')}/doubt"),
        ("subscriber", "GET", "/messages"),
        ("health_visitor", "PUT", "/duties/team_lead"),
    ],
)
async def test_everything_not_permitted_is_forbidden(desk: Desk, role: str, method: str, path: str) -> None:
    assert (await desk.ask(role, method, path)).status_code == 403


async def test_what_is_not_there_is_not_found_and_results_are_not_taken_by_http(desk: Desk) -> None:
    assert (await desk.ask("team_lead", "GET", f"/messages/{some_id('nothing')}")).status_code == 404
    assert (await desk.ask("team_lead", "GET", "/messages?status=lost")).status_code == 422
    assert all(command.path for command in SERVICE.commands)
    assert "RecordDelivery" not in {command.name for command in SERVICE.commands}


def as_notify_sends(reference: Any, status: str = "delivered", **more: Any) -> dict[str, Any]:
    """A delivery receipt with all its fields."""
    return {
        "id": str(some_id("notify")),
        "reference": reference,
        "to": "someone@example.org",
        "status": status,
        "created_at": "2026-03-02T12:15:30.000000Z",
        "completed_at": "2026-03-02T12:15:30.000000Z",
        "sent_at": None,
        "notification_type": "email",
        "template_id": str(some_id("template")),
        "template_version": 1,
    } | more


async def reported(desk: Desk, token: str, body: dict[str, Any]) -> httpx.Response:
    return await desk.client.post("/receipts/notify", headers={"authorization": f"Bearer {token}"}, json=body)


async def test_a_receipt_is_taken_from_the_channel_alone_and_its_address_is_not_kept(desk: Desk, pool: Pool) -> None:
    assert (await desk.ask("workforce_admin", "PUT", f"/recipients/{SPECIALIST}", **POLICY)).status_code == 200
    assert (await desk.ask("workforce_admin", "PUT", f"/recipients/{VISITOR}", **POLICY)).status_code == 200
    await desk.instance.hear(case_assigned())
    await until(pool, {"sent": 2})
    (message_id,) = await pool.fetchrow("SELECT message_id FROM messages LIMIT 1")
    body = as_notify_sends(str(message_id))
    for wrong in ("", "another token", RECEIPT_TOKEN + "x"):
        assert (await reported(desk, wrong, body)).status_code == 401
    for role in ("operator", "team_lead", "workforce_admin"):
        assert (await reported(desk, desk.issuer.token(role), body)).status_code == 403
    for _ in range(2):
        assert (await reported(desk, RECEIPT_TOKEN, body)).status_code == 200
    assert await pool.fetchval("SELECT count(*) FROM journal WHERE type LIKE '%message-delivered%'") == 1
    assert (await reported(desk, RECEIPT_TOKEN, as_notify_sends("not ours", "permanent-failure"))).status_code == 200
    (unmatched,) = (await desk.ask("operator", "GET", "/receipts/unmatched")).json()
    assert (unmatched["receipt_id"], unmatched["status"]) == (str(some_id("notify")), "permanent-failure")
    assert (
        await desk.client.get(f"/messages/{message_id}", headers={"authorization": f"Bearer {RECEIPT_TOKEN}"})
    ).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [({"status": "Delivered!"}, "status"), ({"id": "x"}, "id"), ({"completed_at": "then"}, "completed_at")],
)
async def test_a_receipt_that_is_none_is_refused(desk: Desk, change: dict[str, str], field: str) -> None:
    answer = await reported(desk, RECEIPT_TOKEN, as_notify_sends(None, **change))
    assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (422, [field])
