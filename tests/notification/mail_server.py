"""A real SMTP server in this process, which can be told to misbehave at each step of the conversation."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class MailServer:
    """Takes mail unless told otherwise. `answers` maps a step (`MAIL`, `RCPT`, `DATA`) to what is said instead.

    Instead of an answer: `hang` says nothing for ever, `cut` ends the connection. When `keeps` is true the mail is kept
    before DATA misbehaves: that is a lost answer.
    """

    def __init__(self, **options: Any) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.answers: dict[str, str] = {}
        self.greeting: str | None = None
        self.keeps = False
        self.connections = 0
        self.port = 0
        self._options = options
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.BaseTransport] = set()

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.cut()
            await asyncio.sleep(0)
            self._server = None

    def cut(self) -> None:
        """Ends every open connection, as a server does that restarts or is tired of waiting."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def _connection(self) -> asyncio.Protocol:
        self.connections += 1
        if self.greeting is not None:
            return _Greets(self.greeting, self._transports)
        protocol: asyncio.Protocol = _Watched(self._transports, self, enable_SMTPUTF8=False, **self._options)
        return protocol

    async def handle_MAIL(  # noqa: N802 - the names are aiosmtpd's
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._say("MAIL", server)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = await self._say("RCPT", server)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.keeps or "DATA" not in self.answers:
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            self.mails.append(message_from_bytes(content, policy=policy.default))
            self.envelopes.append(envelope)
        return await self._say("DATA", server)

    async def _say(self, step: str, server: SMTP) -> str:
        answer = self.answers.get(step, "250 fine")
        if answer == "hang":
            await asyncio.sleep(3600)
        if answer == "cut":
            if server.transport is not None:
                server.transport.abort()
            await asyncio.sleep(3600)
        return answer


class _Watched(SMTP):  # type: ignore[misc]
    def __init__(self, transports: set[asyncio.BaseTransport], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._all.add(transport)
        super().connection_made(transport)


class _Greets(asyncio.Protocol):
    """Says one line, or nothing, whoever comes."""

    def __init__(self, line: str, transports: set[asyncio.BaseTransport]) -> None:
        self._line, self._all = line, transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._all.add(transport)
        if self._line and isinstance(transport, asyncio.WriteTransport):
            transport.write(self._line.encode() + b"\r\n")


def server_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for `localhost` that nobody knows, and the server's side of TLS with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key_pem)
    return pem, context


@asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    server = MailServer(**({"tls_context": tls} if tls else {}))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
