"""The e-mail channel: SMTP by a few kept connections; says exactly whether a letter can have left."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as CRLF
from pathlib import Path
from typing import Literal

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponseException, SMTPServerDisconnected

from services.notification.channels.channel import ACCEPTED, Letter, Result

_START_INPUT, _CLOSING = 354, 421
_NOT_ABOUT_THE_LETTER = frozenset({_CLOSING, 530, 535})
_RESET_S = 2.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over, and how."""

    host: str
    port: int
    sender: str
    caregiver_sender: str | None = None
    """Neutral, like everything that a caregiver sees; without it no caregiver is written to by e-mail."""
    tls: Literal["none", "if_offered", "starttls", "implicit"] = "if_offered"
    ca_file: Path | None = None
    username: str | None = None
    password: str | None = None
    connections: int = 4
    timeout_s: float = 15.0
    """For everything before the text: connection, TLS, sign-in, envelope."""
    answer_timeout_s: float = 30.0
    """For the answer to the text."""


class EmailChannel:
    """Hands each letter to a mail server once. Mail servers do not honour a key, so what is doubtful stays doubtful."""

    name = "email"
    honours_key = False

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.longest_send_s = server.timeout_s + server.answer_timeout_s + _RESET_S
        self._free: list[aiosmtplib.SMTP] = []
        self._places = asyncio.Semaphore(server.connections)

    async def send(self, letters: Sequence[Letter]) -> Sequence[Result]:
        return await asyncio.gather(*map(self._send_one, letters))

    async def close(self) -> None:
        while self._free:
            client = self._free.pop()
            try:
                await client.quit(timeout=1)
            except (SMTPException, OSError):
                client.close()

    async def _send_one(self, letter: Letter) -> Result:
        if letter.address is None:
            return Result("refused_for_good", "no_address")
        sender = self.server.caregiver_sender if letter.to_caregiver else self.server.sender
        if sender is None:
            return Result("try_later", "no_neutral_sender")
        envelope = sender, letter.address
        content = _content(letter, sender)
        async with self._places:
            if self._free:
                result = await self._attempt(self._free.pop(), envelope, content, kept=True)
                if result is not None:
                    return result
            result = await self._attempt(self._client(), envelope, content, kept=False)
            return result or Result("try_later", "smtp_lost", channel_fault=True)

    async def _attempt(
        self, client: aiosmtplib.SMTP, envelope: tuple[str, str], content: bytes, *, kept: bool
    ) -> Result | None:
        """One try on one connection. None: the server had closed a kept connection, so nothing was said at all."""
        healthy, step = False, "smtp"
        try:
            async with asyncio.timeout(self.server.timeout_s):
                if not kept:
                    step = "smtp_connect"
                    await client.connect()
                    await client.ehlo()
                    step = "smtp"
                await self._announce(client, *envelope)
            result = await self._hand_over(client, content)
            healthy = result.outcome == "accepted" or (result.outcome != "unknown" and await _reset(client))
            return result
        except (SMTPException, OSError) as error:  # before the text: the letter surely did not leave
            code = error.code if isinstance(error, SMTPResponseException) else None
            if kept and (code == _CLOSING or isinstance(error, SMTPServerDisconnected)):
                return None
            if step == "smtp" and code is not None:
                healthy = await _reset(client)
                return _answered(code)
            return Result("try_later", _reason(step, error), channel_fault=True)
        finally:
            if healthy:
                self._free.append(client)
            else:
                client.close()

    async def _announce(self, client: aiosmtplib.SMTP, sender: str, address: str) -> None:
        """Everything up to the leave to send the text."""
        await client.mail(sender)
        await client.rcpt(address)
        start = await client.execute_command(b"DATA")
        if start.code != _START_INPUT:
            raise aiosmtplib.SMTPDataError(start.code, start.message)

    async def _hand_over(self, client: aiosmtplib.SMTP, content: bytes) -> Result:
        """The text itself: from the first byte on, no answer means that nobody can tell."""
        protocol = client.protocol
        if protocol is None:
            return Result("try_later", "smtp_lost", channel_fault=True)
        try:
            protocol.write(content)
            response = await protocol.read_response(timeout=self.server.answer_timeout_s)
        except SMTPResponseException:
            return Result("unknown", "smtp_answer_unreadable")
        except (SMTPException, OSError) as error:
            return Result("unknown", "smtp_answer_late" if isinstance(error, TimeoutError) else "smtp_answer_lost")
        if 200 <= response.code < 300:
            return ACCEPTED
        return _answered(response.code) if 400 <= response.code < 600 else Result("unknown", "smtp_answer_unreadable")

    def _client(self) -> aiosmtplib.SMTP:
        server = self.server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=server.timeout_s,
            local_hostname=(server.caregiver_sender or server.sender).rpartition("@")[2],
            use_tls=server.tls == "implicit",
            start_tls={"none": False, "implicit": False, "starttls": True, "if_offered": None}[server.tls],
            tls_context=None if server.ca_file is None else ssl.create_default_context(cafile=server.ca_file),
            username=server.username,
            password=server.password,
        )


def _content(letter: Letter, sender: str) -> bytes:
    """The letter as it goes over the wire, with the end-of-data mark. Its Message-ID is our message id."""
    mail = EmailMessage(policy=CRLF)
    mail["From"] = sender
    mail["To"] = letter.address
    mail["Subject"] = letter.subject
    mail["Date"] = letter.written_at
    mail["Message-ID"] = f"<{letter.message_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.body, cte="quoted-printable")
    mail["Content-Language"] = letter.language
    dotted = mail.as_bytes().replace(b"\r\n.", b"\r\n..")
    return dotted + (b".\r\n" if dotted.endswith(b"\r\n") else b"\r\n.\r\n")


def _answered(code: int) -> Result:
    """A clear answer of the mail server about this letter: it does not have it."""
    if code in _NOT_ABOUT_THE_LETTER:
        return Result("try_later", f"smtp_{code}", channel_fault=True)
    if 500 <= code < 600:
        return Result("refused_for_good", f"smtp_{code}")
    return Result("try_later", f"smtp_{max(code, 0)}")


async def _reset(client: aiosmtplib.SMTP) -> bool:
    """Back to the start of the conversation; False when the connection is of no use any more."""
    try:
        await client.rset(timeout=_RESET_S)
    except (SMTPException, OSError):
        return False
    return True


def _reason(step: str, error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{step}_{max(error.code, 0)}"
    if isinstance(error, TimeoutError):
        return f"{step}_timeout"
    return f"{step}_tls" if isinstance(error, ssl.SSLError) else f"{step}_lost"
