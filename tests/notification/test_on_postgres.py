"""Notification on real PostgreSQL with real channels: told once, under the policy, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.database import Pool
from chassis.decision import Refused
from services.notification import store
from services.notification.channels.email import EmailChannel
from services.notification.channels.email import MailServer as Address
from services.notification.channels.file import FileChannel, letters_in
from services.notification.domain.commands import EraseRecipient, SendAgain, SetDoNotContact, SetDuty, SetRecipient
from tests.notification.examples import (
    CASE,
    CHILD,
    LEAD,
    OTHER,
    SPECIALIST,
    TEAM,
    VISITOR,
    case_assigned,
    case_handed_over,
    screening_completed,
    waiting_list_joined,
)
from tests.notification.mail_server import MailServer, mail_server
from tests.notification.running import Instance, at_work, heard, statuses, time_goes_by, until
from tests.support.given import NOON, some_id

PEOPLE = {VISITOR: "practitioner", SPECIALIST: "practitioner", OTHER: "practitioner", LEAD: "safeguarding_lead"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "letters.jsonl"


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


def email(server: MailServer) -> EmailChannel:
    return EmailChannel(Address("127.0.0.1", server.port, "attune@example.org", timeout_s=15, answer_timeout_s=15))


async def introduce(instance: Instance, *channels: Any) -> None:
    """Everybody becomes known, with the lead for both duties."""
    for person, kind in PEOPLE.items():
        address = f"{person.hex[-6:]}@example.org"
        command = SetRecipient(recipient_id=person, kind=kind, channels=channels, address=address)  # type: ignore[arg-type]
        await instance.do(command)
    for duty in ("safeguarding_lead", "team_lead"):
        await instance.do(SetDuty(duty=duty, recipient_id=LEAD))


def letters(path: Path) -> list[dict[str, Any]]:
    return list(letters_in(path)) if path.exists() else []


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


async def events(pool: Pool) -> list[str]:
    records = await pool.fetch("SELECT type FROM journal ORDER BY recorded_at, event_id")
    return sorted(record["type"].split(".")[2] for record in records)


async def test_from_an_event_to_a_letter(pool: Pool, path: Path) -> None:
    notification = Instance(pool, [FileChannel(path)])
    async with at_work(notification):
        await introduce(notification, "file")
        await notification.hear(case_assigned(), waiting_list_joined(), case_handed_over())
        await until(pool, {"sent": 5})
    assert sorted((letter["kind"], letter["recipient_id"]) for letter in letters(path)) == sorted(
        [
            ("case_assigned_to_you", str(SPECIALIST)),
            ("case_assigned", str(VISITOR)),
            ("case_waiting", str(VISITOR)),
            ("case_assigned_to_you", str(OTHER)),
            ("case_handed_over", str(VISITOR)),
        ]
    )
    assert await events(pool) == ["message-sent"] * 5


async def test_from_an_urgent_concern_to_a_mail_in_the_mailbox_of_the_lead(pool: Pool, mail: MailServer) -> None:
    notification = Instance(pool, [email(mail)])
    async with at_work(notification):
        await introduce(notification, "email")
        await notification.hear(screening_completed(outcome="urgent_concern", certificate="lapsed"))
        await until(pool, {"sent": 2})
    assert {tuple(e.rcpt_tos) for e in mail.envelopes} == {(f"{LEAD.hex[-6:]}@example.org",)}
    assert [str(m["Subject"]).startswith("Urgent") for m in mail.mails].count(True) == 1


async def test_a_team_with_an_own_lead_does_not_bother_the_general_one(pool: Pool, path: Path) -> None:
    notification = Instance(pool, [FileChannel(path)])
    async with at_work(notification):
        await introduce(notification, "file")
        await notification.do(SetDuty(duty="safeguarding_lead", recipient_id=OTHER, team_id=TEAM))
        await notification.hear(
            screening_completed(outcome="urgent_concern"),
            screening_completed(outcome="urgent_concern", team_id=some_id("other team"), screening_id=some_id("s2")),
        )
        await until(pool, {"sent": 2})
    assert {letter["recipient_id"] for letter in letters(path)} == {str(OTHER), str(LEAD)}


async def test_nobody_known_is_suppressed_visibly_and_told_once_known(pool: Pool, path: Path) -> None:
    notification = Instance(pool, [FileChannel(path)])
    async with at_work(notification):
        await notification.hear(screening_completed(outcome="urgent_concern"))
        await until(pool, {"suppressed": 1})
        assert await events(pool) == ["message-suppressed"]
        async with pool.acquire() as connection:
            (shown,) = await store.message_views(connection, child_id=CHILD, status="suppressed")
        assert (shown["reason"], shown["duty"], shown["recipient_id"]) == (
            "unknown_recipient",
            "safeguarding_lead",
            None,
        )
        await introduce(notification, "file")
        await notification.do(SendAgain(message_id=shown["message_id"]))
        await until(pool, {"sent": 1})
    assert len(letters(path)) == 1


async def test_the_same_event_twice_tells_once(pool: Pool, path: Path) -> None:
    notification = Instance(pool, [FileChannel(path)])
    async with at_work(notification):
        await introduce(notification, "file")
        one = heard(case_assigned())
        await notification.processor.process([one, heard(case_assigned(), one.id)])
        await notification.processor.process([heard(case_assigned(), one.id)])
        await pool.execute("DELETE FROM inbox")  # as if the inbox had been emptied after its time
        await notification.processor.process([heard(case_assigned(), one.id)])
        await until(pool, {"sent": 2})
    assert len(letters(path)) == 2


async def test_two_instances_send_each_message_once(pool: Pool, mail: MailServer) -> None:
    instances = [Instance(pool, [email(mail)]), Instance(pool, [email(mail)])]
    async with at_work(*instances), time_goes_by(*instances):
        await introduce(instances[0], "email")
        cases = [case_assigned(consultation_id=some_id(f"case {n}"), child_id=some_id(f"child {n}")) for n in range(60)]
        await asyncio.gather(instances[0].hear(*cases[:30]), instances[1].hear(*cases[30:]))
        for instance in instances:
            records = await pool.fetch("SELECT message_id FROM messages")
            instance.clock.hint([record["message_id"] for record in records])
        await until(pool, {"sent": 120})
    ids = [str(m["Message-ID"]) for m in mail.mails]
    assert len(ids) == len(set(ids)) == 120


async def test_a_kill_between_claim_and_send_repeats_to_the_file_and_not_by_mail(
    pool: Pool, path: Path, mail: MailServer
) -> None:
    killed = Instance(pool, [FileChannel(path), email(mail)])
    killed.processor.on_rows.clear()
    async with at_work(killed):
        await introduce(killed, "file")
        command = SetRecipient(recipient_id=VISITOR, kind="practitioner", channels=("email",), address="v@example.org")
        await killed.do(command)
        await killed.hear(case_assigned())
        await until(pool, {"sending": 2})
    restarted = Instance(pool, [FileChannel(path), email(mail)])
    restarted.later_s = 121
    async with at_work(restarted):
        await until(pool, {"sent": 1, "doubtful": 1})
    assert await events(pool) == ["message-doubtful", "message-sent"]
    assert (len(letters(path)), mail.mails) == (1, [])


async def test_a_kill_between_send_and_record_repeats_to_the_file_and_not_by_mail(
    pool: Pool, path: Path, mail: MailServer
) -> None:
    killed = Instance(pool, [FileChannel(path), email(mail)])

    async def never(_: Any) -> Any:
        await asyncio.sleep(3600)

    async with at_work(killed):
        await introduce(killed, "file")
        command = SetRecipient(recipient_id=VISITOR, kind="practitioner", channels=("email",), address="v@example.org")
        await killed.do(command)
        killed.courier._submit = never
        await killed.hear(case_assigned())
        await until(pool, {"sending": 2})
        async with asyncio.timeout(5):
            while not (mail.mails and letters(path)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    restarted = Instance(pool, [FileChannel(path), email(mail)])
    restarted.later_s = 121
    async with at_work(restarted):
        await until(pool, {"sent": 1, "doubtful": 1})
    assert lines(path) == 2
    assert (len(letters(path)), len(mail.mails)) == (1, 1)


async def test_contact_forbidden_between_claim_and_send_is_kept(pool: Pool, path: Path) -> None:
    notification = Instance(pool, [FileChannel(path)])
    reading, go = asyncio.Event(), asyncio.Event()
    really = notification.addressees

    async def slowly(message_ids: Any) -> Any:
        reading.set()
        await go.wait()
        return await really(message_ids)

    notification.courier._addressees = slowly
    async with at_work(notification):
        await introduce(notification, "file")
        await notification.hear(waiting_list_joined())
        await reading.wait()
        await notification.do(SetDoNotContact(recipient_id=VISITOR))
        go.set()
        await until(pool, {"suppressed": 1})
    assert letters(path) == []


async def test_mail_that_is_refused_tried_later_or_lost_is_shown(pool: Pool, mail: MailServer) -> None:
    notification = Instance(pool, [email(mail)])
    async with at_work(notification):
        await introduce(notification, "email")
        mail.answers["RCPT"] = "550 no such mailbox"
        await notification.hear(waiting_list_joined())
        await until(pool, {"failed": 1})
        mail.answers["RCPT"] = "451 later"
        await notification.hear(waiting_list_joined())
        async with asyncio.timeout(5):
            while not await pool.fetchval("SELECT count(*) FROM messages WHERE reason = 'smtp_451'"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        mail.answers = {"DATA": "cut"}
        notification.later_s = 20
        await until(pool, {"failed": 1, "doubtful": 1})
        mail.answers.clear()
        notification.later_s = 90_000
        await asyncio.sleep(1.2)
        assert await statuses(pool) == {"failed": 1, "doubtful": 1}
    assert await events(pool) == ["message-doubtful", "message-failed"]
    assert mail.mails == []


async def test_a_page_of_messages_shows_no_address_and_a_recipient_is_erased(pool: Pool, path: Path) -> None:
    notification = Instance(pool, [FileChannel(path)])
    async with at_work(notification):
        await introduce(notification, "file")
        await notification.hear(case_assigned(), waiting_list_joined())
        await until(pool, {"sent": 3})
        await notification.do(EraseRecipient(recipient_id=VISITOR))
        async with pool.acquire() as connection:
            shown = await store.message_views(connection, about_id=CASE)
            page = await store.message_views(connection, about_id=CASE, status="sent", after=shown[0]["message_id"])
            one = await store.message_view(connection, shown[0]["message_id"])
            visitor = await store.recipient_view(connection, VISITOR)
            duties = await store.duty_views(connection)
            assert await store.message_view(connection, some_id("nothing")) is None
    assert page == shown[1:]
    assert one == shown[0]
    assert "example.org" not in repr(shown)
    assert visitor is not None
    assert (visitor["address"], visitor["erased_at"]) == (None, NOON)
    assert {d["duty"] for d in duties} == {"safeguarding_lead", "team_lead"}


async def test_refusals_are_answers(pool: Pool, path: Path) -> None:
    notification = Instance(pool, [FileChannel(path)])
    async with at_work(notification):
        with pytest.raises(Refused):
            await notification.do(SetDuty(duty="team_lead", recipient_id=some_id("nobody")))
        with pytest.raises(Refused):
            await notification.do(SendAgain(message_id=some_id("nothing")))
