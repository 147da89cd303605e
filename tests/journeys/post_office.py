"""A real mail server that keeps what it accepted; some addresses bring trouble, as some do in life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.notification.mail_server import MailServer
from tests.support.field import Person, eventually

NOBODY_HERE = "nobody-here"
"""Mail to an address that begins so is refused for good."""
NO_ANSWER = "no-answer"
"""Mail to an address that begins so is kept, but the connection ends before the answer."""


class PostOffice(MailServer):
    """Takes mail for everybody, with the exceptions that the addresses ask for."""

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        office = cls()
        await office.start()
        try:
            yield office
        finally:
            await office.stop()

    async def handle_RCPT(  # noqa: N802 - the names are aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith(NOBODY_HERE):
            return "550 5.1.1 no such mailbox"
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = await super().handle_DATA(server, session, envelope)
        if envelope.rcpt_tos[0].startswith(NO_ANSWER):
            self.answers["DATA"] = "cut"
            self.keeps = False
            try:
                return await self._say("DATA", server)
            finally:
                self.answers.clear()
        return answer

    def to(self, address: str) -> list[EmailMessage]:
        """Mails kept for an address, the first one first."""
        return [m for m, e in zip(self.mails, self.envelopes, strict=True) if address in e.rcpt_tos]

    async def delivered(self, who: Person, about: Any) -> EmailMessage:
        """The one mail to somebody that has the link to this case or screening."""

        async def found() -> list[EmailMessage]:
            return [m for m in self.to(who.address) if str(about) in m.get_content()]

        (mail, *more) = await eventually(found, f"a mail about {about} to {who.address}")
        assert not more
        return mail  # type: ignore[no-any-return]
