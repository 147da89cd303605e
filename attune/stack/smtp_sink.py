"""A real SMTP server that delivers nowhere: each accepted mail becomes one line of JSON in a file.

Run as `python -m attune.stack.smtp_sink PORT FILE BANNER [ADDRESS]`; the banner tells ours from a stranger's on the
same port."""

import asyncio
import datetime
import email
import email.policy
import json
import signal
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from attune.stack.ports import HOST

_LARGEST_MAIL_BYTES = 1024 * 1024


class Sink:
    """Writes what it accepted before it says so: an answered mail is in the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd calls it by name
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        mail = email.message_from_bytes(content, policy=email.policy.default)
        body = mail.get_body(("plain", "html"))
        line = {
            "message_id": str(mail["Message-ID"] or "").strip("<>"),
            "to": list(envelope.rcpt_tos),
            "from": envelope.mail_from,
            "subject": str(mail["Subject"] or ""),
            "at": datetime.datetime.now(datetime.UTC).isoformat(),
            "body": body.get_content() if body else "",
        }
        with self._path.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line, ensure_ascii=False) + "\n")
        return "250 Message accepted"


async def serve(port: int, path: Path, banner: str, host: str = HOST) -> None:
    """Accept mail until SIGTERM."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    sink = Sink(path)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname=HOST, ident=banner, data_size_limit=_LARGEST_MAIL_BYTES, enable_SMTPUTF8=True),
        host,
        port,
    )
    async with server:
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:5]))
