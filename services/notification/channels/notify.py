"""GOV.UK Notify: e-mail, text or letter by its own client, in threads; asks by our message id before any repeat."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from notifications_python_client.errors import APIError
from notifications_python_client.notifications import NotificationsAPIClient

from services.notification.channels.channel import ACCEPTED, Letter, Result

REQUEST_S = 20
"""Longest wait for Notify to take a connection, and again for each part of its answer."""
_COME_AGAIN = frozenset({401, 403, 429})
"""About the key or the limit of the whole service, not about the letter."""
_UNDELIVERED = frozenset(
    {"permanent-failure", "temporary-failure", "technical-failure", "validation-failed", "cancelled"}
)

# What the client logs may quote what Notify says about an address.
logging.getLogger("notifications_python_client").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class NotifyAccount:
    """One way of sending of one Notify service, with a template that places `subject` and `body` and nothing else."""

    url: str
    api_key: str = field(repr=False)
    caregiver_api_key: str | None = field(repr=False)
    """Of a Notify service whose name and sender are neutral; without it no caregiver is written to."""
    template: str
    hands: int = 4


class NotifyChannel:
    """Notify takes the same reference twice, so what is doubtful is looked up by it before it is sent again."""

    honours_key = True
    longest_send_s = 3.0 * REQUEST_S

    def __init__(self, name: Literal["email", "text", "letter"], account: NotifyAccount) -> None:
        self.name: str = name
        self.account = account
        self._hands = ThreadPoolExecutor(account.hands, thread_name_prefix=f"notify-{name}")
        self._own = threading.local()

    async def send(self, letters: Sequence[Letter]) -> Sequence[Result]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._hands, self._send_one, letter) for letter in letters))

    async def close(self) -> None:
        self._hands.shutdown(wait=False, cancel_futures=True)

    def _send_one(self, letter: Letter) -> Result:
        account = self.account
        key = account.caregiver_api_key if letter.to_caregiver else account.api_key
        if key is None:
            return Result("try_later", "no_neutral_sender")
        to = {"email": letter.address, "text": letter.phone, "letter": letter.post}[self.name]
        if to is None:
            return Result("refused_for_good", "no_address")
        client = self._client(key)
        if letter.attempt > 1:
            known = self._asked(client, letter)
            if known is not None:
                return known
        return _result(lambda: self._post(client, letter, to), at_fault="unknown")

    def _asked(self, client: NotificationsAPIClient, letter: Letter) -> Result | None:
        """What Notify already has under our reference; None when it surely has nothing that may still arrive."""
        found: list[str] = []

        def ask() -> None:
            answer = client.get_all_notifications(reference=str(letter.message_id))
            found.extend(notification["status"] for notification in answer["notifications"])

        result = _result(ask, at_fault="try_later")
        if result.outcome != "accepted":
            return Result("try_later", result.reason, channel_fault=True)
        return ACCEPTED if any(status not in _UNDELIVERED for status in found) else None

    def _post(self, client: NotificationsAPIClient, letter: Letter, to: Any) -> None:
        template, reference = self.account.template, str(letter.message_id)
        content = {"subject": letter.subject, "body": letter.body}
        match self.name:
            case "email":
                client.send_email_notification(to, template, personalisation=content, reference=reference)
            case "text":
                client.send_sms_notification(
                    to, template, personalisation={"body": letter.body.strip()}, reference=reference
                )
            case _:
                lines = {f"address_line_{n}": line for n, line in enumerate(to, 1)}
                client.send_letter_notification(template, personalisation=content | lines, reference=reference)

    def _client(self, key: str) -> NotificationsAPIClient:
        """One for each thread and key: the client may not be shared."""
        clients: dict[str, NotificationsAPIClient] = self._own.__dict__
        if key not in clients:
            clients[key] = NotificationsAPIClient(key, base_url=self.account.url, timeout=REQUEST_S)
        return clients[key]


def _result(does: Callable[[], None], *, at_fault: Literal["unknown", "try_later"]) -> Result:
    """A clear answer, or the fault of a connection or of Notify, after which it may have the letter."""
    try:
        does()
    except APIError as error:
        if error.response is None:
            return Result(at_fault, "notify_no_answer", channel_fault=True, honours_key=True)
        status = error.response.status_code
        if status in _COME_AGAIN:
            return Result("try_later", f"notify_{status}", channel_fault=True)
        if 400 <= status < 500:
            return Result("refused_for_good", f"notify_{status}")
        return Result(at_fault, f"notify_{status}", channel_fault=True, honours_key=True)
    except (KeyError, TypeError, ValueError, AssertionError):
        return Result(at_fault, "notify_answer_unreadable", channel_fault=True, honours_key=True)
    return ACCEPTED
