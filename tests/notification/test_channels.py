"""What holds for every channel, and where mail and file differ."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from uuid_utils.compat import uuid7

from services.notification.channels.channel import ACCEPTED, Channel, Letter, Result
from services.notification.channels.email import EmailChannel
from services.notification.channels.email import MailServer as Address
from services.notification.channels.file import FileChannel, letters_in
from services.notification.channels.notify import NotifyAccount, NotifyChannel
from services.notification.domain.message import HONOURS_KEY, LEASE
from services.notification.settings import NotificationSettings
from tests.notification.examples import a_letter
from tests.notification.mail_server import MailServer, mail_server, server_certificate
from tests.notification.notify_server import (
    API_KEY,
    NEUTRAL_KEY,
    NEUTRAL_SERVICE,
    TEMPLATE,
    NotifyServer,
    notify_server,
)


@dataclass
class Arrived:
    key: str
    subject: str
    body: str


class Bench(Protocol):
    """A channel with the other side in our hands."""

    def channel(self) -> Channel: ...
    def arrived(self) -> list[Arrived]: ...
    async def break_down(self) -> None: ...
    async def mend(self) -> None: ...


class FileBench:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "out" / "letters.jsonl"
        self.path.parent.mkdir()

    def channel(self) -> Channel:
        return FileChannel(self.path)

    def arrived(self) -> list[Arrived]:
        found = letters_in(self.path) if self.path.exists() else ()
        return [Arrived(letter["message_id"], letter["subject"], letter["body"]) for letter in found]

    async def break_down(self) -> None:
        self.path.parent.rename(self.path.parent.with_name("away"))

    async def mend(self) -> None:
        self.path.parent.with_name("away").rename(self.path.parent)


class MailBench:
    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.channels: list[EmailChannel] = []

    def channel(self, patience_s: float = 15.0) -> Channel:
        address = Address(
            "127.0.0.1", self.server.port, "attune@example.org", timeout_s=patience_s, answer_timeout_s=patience_s
        )
        self.channels.append(EmailChannel(address))
        return self.channels[-1]

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(
                str(mail["Message-ID"]).strip("<>").partition("@")[0],
                str(mail["Subject"]),
                str(mail.get_content()).replace("\r\n", "\n"),
            )
            for mail in self.server.mails
        ]

    async def break_down(self) -> None:
        await self.server.stop()

    async def mend(self) -> None:
        await self.server.start(self.server.port)


@asynccontextmanager
async def mail_bench() -> AsyncIterator[MailBench]:
    async with mail_server() as server:
        bench = MailBench(server)
        yield bench
        for channel in bench.channels:
            await channel.close()


class NotifyBench:
    """One way of GOV.UK Notify."""

    def __init__(self, name: Any, server: NotifyServer) -> None:
        self.name, self.server = name, server
        self.channels: list[NotifyChannel] = []

    def channel(self, api_key: str = API_KEY, neutral: str | None = NEUTRAL_KEY) -> Channel:
        account = NotifyAccount(self.server.url, api_key, neutral, TEMPLATE)
        self.channels.append(NotifyChannel(self.name, account))
        return self.channels[-1]

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(
                n["reference"],
                n["personalisation"].get("subject", a_letter().subject),
                n["personalisation"]["body"],
            )
            for n in self.server.taken
        ]

    async def break_down(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def mend(self) -> None:
        self.server.start()


@asynccontextmanager
async def notify_bench(name: str) -> AsyncIterator[NotifyBench]:
    with notify_server() as server:
        made = NotifyBench(name, server)
        yield made
        for channel in made.channels:
            await channel.close()


@pytest.fixture(params=["file", "email", "email by notify", "text by notify", "letter by notify"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "file":
        yield FileBench(tmp_path)
        return
    if request.param.endswith("notify"):
        async with notify_bench(request.param.partition(" ")[0]) as by_notify:
            yield by_notify
        return
    async with mail_bench() as made:
        yield made


@pytest.fixture
async def mail() -> AsyncIterator[MailBench]:
    async with mail_bench() as made:
        yield made


async def send(channel: Channel, letter: Letter | None = None) -> Result:
    (result,) = await channel.send([reachable(letter or a_letter())])
    return result


def reachable(letter: Letter) -> Letter:
    return replace(letter, phone="+447700900123", post=("A Person", "1 Street", "AB1 2CD"))


# --- every channel --------------------------------------------------------------------------------------------------


async def test_a_letter_arrives_whole_with_its_key(bench: Bench) -> None:
    body = "Grüße — здравствуйте\n.\n..two dots\n" + "long " * 400 + "\n\nlast line\n"
    letter = a_letter(subject="Fall 1A2B3C4D für Sie: żółć", body=body)
    assert (await send(bench.channel(), letter)).outcome == "accepted"
    (arrived,) = bench.arrived()
    if isinstance(bench, NotifyBench) and bench.name == "text":
        assert (arrived.key, arrived.body) == (str(letter.message_id), body.strip())
    else:
        assert arrived == Arrived(str(letter.message_id), letter.subject, body)


async def test_many_letters_get_one_result_each(bench: Bench) -> None:
    letters = [reachable(a_letter(f"letter {n}", subject=f"Case {n}")) for n in range(50)]
    results = await bench.channel().send(letters)
    assert [result.outcome for result in results] == ["accepted"] * 50
    assert {a.key for a in bench.arrived()} == {str(x.message_id) for x in letters}


async def test_two_processes_send_beside_each_other(bench: Bench) -> None:
    batches = [[reachable(a_letter(f"{side} {n}")) for n in range(40)] for side in ("one", "other")]
    one, other = bench.channel(), bench.channel()
    await asyncio.gather(one.send(batches[0]), other.send(batches[1]))
    assert {a.key for a in bench.arrived()} == {str(x.message_id) for batch in batches for x in batch}


async def test_a_channel_that_is_down_says_so_and_works_again_when_it_is_back(bench: Bench) -> None:
    channel = bench.channel()
    assert (await send(channel, a_letter("before"))).outcome == "accepted"
    await bench.break_down()
    result = await send(channel)
    assert result.outcome in (("try_later", "unknown") if channel.honours_key else ("try_later",))
    assert result.channel_fault
    await bench.mend()
    assert (await send(channel)).outcome == "accepted"
    assert len(bench.arrived()) == 2


async def test_a_repeated_letter_counts_once_where_the_key_is_honoured(bench: Bench) -> None:
    channel = bench.channel()
    await send(channel, a_letter(attempt=1))
    await send(channel, a_letter(attempt=2))
    assert len(bench.arrived()) == (1 if channel.honours_key else 2)
    if channel.name != "email":  # by Notify it does more than can be relied on everywhere
        assert channel.honours_key == HONOURS_KEY[channel.name]


async def test_no_send_outlives_its_lease(bench: Bench) -> None:
    channel = bench.channel()
    limits = {f.alias or n: f.metadata for n, f in NotificationSettings.model_fields.items() if n.endswith("timeout_s")}
    longest = sum(m.le for metadata in limits.values() for m in metadata if hasattr(m, "le"))
    assert channel.longest_send_s + 10 < LEASE[channel.name].total_seconds()
    assert longest + 10 < LEASE["email"].total_seconds()


# --- GOV.UK Notify -------------------------------------------------------------------------------------------------


@pytest.fixture
async def notify() -> AsyncIterator[NotifyBench]:
    async with notify_bench("email") as made:
        yield made


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (400, Result("refused_for_good", "notify_400")),
        (403, Result("try_later", "notify_403", channel_fault=True)),
        (429, Result("try_later", "notify_429", channel_fault=True)),
        (500, Result("unknown", "notify_500", channel_fault=True, honours_key=True)),
        (503, Result("unknown", "notify_503", channel_fault=True, honours_key=True)),
        ("cut", Result("unknown", "notify_no_answer", channel_fault=True, honours_key=True)),
    ],
)
async def test_notifys_answer_is_believed_and_silence_is_not(
    notify: NotifyBench, answer: Any, expected: Result
) -> None:
    notify.server.answers.append(answer)
    assert await send(notify.channel()) == expected


async def test_a_key_that_notify_does_not_know_is_the_channels_fault(notify: NotifyBench) -> None:
    result = await send(notify.channel(API_KEY[:-1] + "f"))
    assert result == Result("try_later", "notify_403", channel_fault=True)
    assert notify.arrived() == []


async def test_what_notify_may_have_is_asked_for_before_it_is_sent_again(notify: NotifyBench) -> None:
    channel = notify.channel()
    notify.server.answers.append("cut")
    assert (await send(channel)).outcome == "unknown"
    assert notify.server.asked == []
    assert (await send(channel, a_letter(attempt=2))).outcome == "accepted"
    assert notify.server.asked == [str(a_letter().message_id)]
    assert len(notify.arrived()) == 1


async def test_what_notify_never_had_is_sent_after_it_was_asked(notify: NotifyBench) -> None:
    channel = notify.channel()
    notify.server.answers.append(503)
    assert (await send(channel)).outcome == "unknown"
    assert (await send(channel, a_letter(attempt=2))).outcome == "accepted"
    assert len(notify.arrived()) == 1


async def test_while_notify_cannot_be_asked_nothing_is_repeated(notify: NotifyBench) -> None:
    channel = notify.channel()
    notify.server.answers += ["cut", 500]
    await send(channel)
    again = await send(channel, a_letter(attempt=2))
    assert (again.outcome, again.channel_fault) == ("try_later", True)
    assert len(notify.arrived()) == 1


async def test_what_notify_could_not_deliver_may_be_sent_again_by_a_person(notify: NotifyBench) -> None:
    channel = notify.channel()
    await send(channel)
    notify.server.taken[0]["status"] = "permanent-failure"
    assert (await send(channel, a_letter(attempt=2))).outcome == "accepted"
    assert len(notify.arrived()) == 2


async def test_caregivers_are_written_to_by_a_service_with_a_neutral_name_only(notify: NotifyBench) -> None:
    letter = a_letter(to_caregiver=True)
    assert await send(notify.channel(neutral=None), letter) == Result("try_later", "no_neutral_sender")
    assert (await send(notify.channel(), letter)).outcome == "accepted"
    assert [n["service"] for n in notify.server.taken] == [NEUTRAL_SERVICE]


async def test_notify_is_told_no_more_than_it_needs(notify: NotifyBench, caplog: pytest.LogCaptureFixture) -> None:
    notify.server.answers += [400, 201]
    await send(notify.channel())
    await send(notify.channel())
    (taken,) = notify.server.taken
    content = {"subject": a_letter().subject, "body": a_letter().body}
    assert taken["personalisation"] == content
    assert taken["email_address"] == "specialist@example.org"
    assert set(taken) == {
        "id",
        "kind",
        "service",
        "status",
        "email_address",
        "template_id",
        "personalisation",
        "reference",
    }
    assert "specialist" not in caplog.text
    assert API_KEY not in repr(notify.channels[0].account)


REAL_KEY, REAL_TEMPLATE = os.environ.get("ATTUNE_TEST_NOTIFY_API_KEY"), os.environ.get("ATTUNE_TEST_NOTIFY_TEMPLATE")


@pytest.mark.skipif(not (REAL_KEY and REAL_TEMPLATE), reason="no key of a Notify test service in the environment")
async def test_the_real_notify_does_what_the_stand_in_does() -> None:
    """With a test key: Notify takes and reports, and sends nothing. The addresses are its own, made for tests."""
    account = NotifyAccount("https://api.notifications.service.gov.uk", REAL_KEY or "", None, REAL_TEMPLATE or "")
    channel = NotifyChannel("email", account)
    letter = a_letter(message_id=uuid7(), address="simulate-delivered@notifications.service.gov.uk")
    assert await send(channel, letter) == ACCEPTED
    assert await send(channel, replace(letter, attempt=2)) == ACCEPTED
    bad = replace(letter, message_id=uuid7(), address="no address")
    assert await send(channel, bad) == Result("refused_for_good", "notify_400")
    await channel.close()


# --- mail -----------------------------------------------------------------------------------------------------------


async def test_a_mail_has_our_key_and_no_more_than_it_needs(mail: MailBench) -> None:
    await send(mail.channel())
    (got,), (envelope,) = mail.server.mails, mail.server.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("attune@example.org", ["specialist@example.org"])
    assert got["Message-ID"] == f"<{a_letter().message_id}@example.org>"
    assert (got["Auto-Submitted"], got["Content-Language"]) == ("auto-generated", "en")
    assert got["Cc"] is None


async def test_connections_are_kept(mail: MailBench) -> None:
    channel = mail.channel()
    for n in range(5):
        await send(channel, a_letter(str(n)))
    assert mail.server.connections == 1


async def test_a_kept_connection_that_was_closed_meanwhile_does_no_harm(mail: MailBench) -> None:
    channel = mail.channel()
    await send(channel, a_letter("first"))
    mail.server.cut()
    assert (await send(channel)).outcome == "accepted"
    mail.server.answers["MAIL"] = "421 closing"
    mail.server.cut()
    assert (await send(channel, a_letter("third"))) == Result("try_later", "smtp_421", channel_fault=True)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("451 not now", Result("try_later", "smtp_451")),
        ("550 no such mailbox", Result("refused_for_good", "smtp_550")),
        ("421 closing", Result("try_later", "smtp_421", channel_fault=True)),
    ],
)
async def test_a_clear_answer_is_believed(mail: MailBench, step: str, answer: str, expected: Result) -> None:
    channel = mail.channel()
    mail.server.answers[step] = answer
    assert await send(channel) == expected
    mail.server.answers.clear()
    assert (await send(channel)).outcome == "accepted"
    assert len(mail.server.mails) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
@pytest.mark.parametrize(("fault", "reason"), [("hang", "smtp_timeout"), ("cut", "smtp_lost")])
async def test_whatever_happens_before_the_text_the_letter_did_not_leave(
    mail: MailBench, step: str, fault: str, reason: str
) -> None:
    mail.server.answers[step] = fault
    assert await send(mail.channel(1.5 if fault == "hang" else 15)) == Result("try_later", reason, channel_fault=True)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize(("fault", "reason"), [("hang", "smtp_answer_late"), ("cut", "smtp_answer_lost")])
async def test_without_an_answer_to_the_text_nobody_can_tell(
    mail: MailBench, fault: str, reason: str, keeps: bool
) -> None:
    mail.server.answers["DATA"] = fault
    mail.server.keeps = keeps
    assert await send(mail.channel(1.5 if fault == "hang" else 15)) == Result("unknown", reason)
    assert len(mail.server.mails) == keeps


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [("554 not here", "smtp_connect_554"), ("421 busy", "smtp_connect_421"), ("", "smtp_connect_timeout")],
)
async def test_a_server_that_does_not_greet_is_not_the_letters_fault(
    mail: MailBench, greeting: str, reason: str
) -> None:
    mail.server.greeting = greeting
    assert await send(mail.channel(15 if greeting else 1.5)) == Result("try_later", reason, channel_fault=True)


async def test_one_bad_letter_does_not_hold_the_others(mail: MailBench) -> None:
    channel = mail.channel()
    letters: list[Any] = [a_letter(str(n)) for n in range(10)]
    letters[3] = a_letter("3", address=None)
    results = await channel.send(letters)
    assert [r.outcome for r in results].count("accepted") == 9
    assert results[3] == Result("refused_for_good", "no_address")


async def test_without_tls_nothing_is_sent_where_tls_is_required(mail: MailBench) -> None:
    channel = EmailChannel(Address("127.0.0.1", mail.server.port, "attune@example.org", tls="starttls"))
    result = await send(channel)
    assert (result.outcome, result.channel_fault) == ("try_later", True)
    assert mail.server.mails == []


async def test_mail_goes_through_tls_when_the_server_is_the_one_we_trust(tmp_path: Path) -> None:
    certificate, context = server_certificate(tmp_path)
    async with mail_server(context) as server:
        trusted = Address("localhost", server.port, "attune@example.org", tls="starttls", ca_file=certificate)
        channel = EmailChannel(trusted)
        assert (await send(channel)).outcome == "accepted"
        await channel.close()
        stranger = EmailChannel(replace(trusted, ca_file=None))
        assert (await send(stranger)).outcome == "try_later"
        assert len(server.mails) == 1


# --- file -----------------------------------------------------------------------------------------------------------


async def test_the_file_has_no_address(tmp_path: Path) -> None:
    file = FileBench(tmp_path)
    await send(file.channel())
    assert "specialist@example.org" not in file.path.read_text()
    assert file.path.stat().st_mode & 0o077 == 0


async def test_a_line_torn_by_a_crash_swallows_nothing(tmp_path: Path) -> None:
    file = FileBench(tmp_path)
    await send(file.channel(), a_letter("first"))
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + whole[:40])
    await send(file.channel(), a_letter("second"))
    assert [a.key for a in file.arrived()] == [str(a_letter(name).message_id) for name in ("first", "second")]
