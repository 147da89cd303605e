"""What holds for every channel, and where mail and file differ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from services.notification.channels.channel import Channel, Letter, Result
from services.notification.channels.email import EmailChannel
from services.notification.channels.email import MailServer as Address
from services.notification.channels.file import FileChannel, letters_in
from services.notification.domain.message import HONOURS_KEY, LEASE
from services.notification.settings import NotificationSettings
from tests.notification.examples import a_letter
from tests.notification.mail_server import MailServer, mail_server, server_certificate


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


@pytest.fixture(params=["file", "email"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "file":
        yield FileBench(tmp_path)
        return
    async with mail_bench() as made:
        yield made


@pytest.fixture
async def mail() -> AsyncIterator[MailBench]:
    async with mail_bench() as made:
        yield made


async def send(channel: Channel, letter: Letter | None = None) -> Result:
    (result,) = await channel.send([letter or a_letter()])
    return result


# --- every channel --------------------------------------------------------------------------------------------------


async def test_a_letter_arrives_whole_with_its_key(bench: Bench) -> None:
    body = "Grüße — здравствуйте\n.\n..two dots\n" + "long " * 400 + "\n\nlast line\n"
    letter = a_letter(subject="Fall 1A2B3C4D für Sie: żółć", body=body)
    assert (await send(bench.channel(), letter)).outcome == "accepted"
    (arrived,) = bench.arrived()
    assert arrived == Arrived(str(letter.message_id), letter.subject, body)


async def test_many_letters_get_one_result_each(bench: Bench) -> None:
    letters = [a_letter(f"letter {n}", subject=f"Case {n}") for n in range(50)]
    results = await bench.channel().send(letters)
    assert [result.outcome for result in results] == ["accepted"] * 50
    assert {a.key: a.subject for a in bench.arrived()} == {str(x.message_id): x.subject for x in letters}


async def test_two_processes_send_beside_each_other(bench: Bench) -> None:
    batches = [[a_letter(f"{side} {n}") for n in range(40)] for side in ("one", "other")]
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
    assert channel.honours_key == HONOURS_KEY[channel.name]


async def test_no_send_outlives_its_lease(bench: Bench) -> None:
    channel = bench.channel()
    limits = {f.alias or n: f.metadata for n, f in NotificationSettings.model_fields.items() if n.endswith("timeout_s")}
    longest = sum(m.le for metadata in limits.values() for m in metadata if hasattr(m, "le"))
    assert channel.longest_send_s + 10 < LEASE[channel.name].total_seconds()
    assert longest + 10 < LEASE["email"].total_seconds()


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
