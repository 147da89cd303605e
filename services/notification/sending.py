"""The courier as part of the running service: its channels from the settings, its door to the processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from chassis.rows import Stored
from chassis.service import Context
from chassis.telemetry import MESSAGES_IN_HAND
from services.notification import store
from services.notification.channels.channel import Channel
from services.notification.channels.email import EmailChannel, MailServer
from services.notification.channels.file import FileChannel
from services.notification.courier import Courier
from services.notification.domain.commands import RecordDelivery
from services.notification.domain.message import is_claimed
from services.notification.lane import Shape
from services.notification.letters import Letters
from services.notification.settings import NotificationSettings

FILE_SHAPE = Shape(batch=250, workers=2, capacity=20_000, gather_s=0.02)
MOST_REMEMBERED = 50_000
"""Claimed rows that are kept for their report; what is not among them is read."""
MAIL_WAITING_PER_CONNECTION = 16
"""Few: what is claimed and not begun when the process is killed becomes doubtful."""


async def send_claimed(context: Context) -> None:
    """Sends what the rules claim, for as long as the service runs."""
    settings = context.settings
    if not isinstance(settings, NotificationSettings):
        raise TypeError("needs the settings of notification")

    async def addressees(message_ids: Sequence[UUID]) -> Mapping[UUID, store.Addressee]:
        async with context.connection() as connection:
            return await store.addressees(connection, message_ids)

    claimed: dict[UUID, Stored] = {}

    async def submit(reports: Sequence[RecordDelivery]) -> Sequence[Any]:
        known = [stored for report in reports if (stored := claimed.pop(report.message_id, None)) is not None]
        return await context.submit_all(reports, known=known)

    def stored(rows: Sequence[Stored]) -> None:
        if len(claimed) > MOST_REMEMBERED:
            claimed.clear()
        claimed.update({row.message_id: (version, row) for version, row in rows if is_claimed(row)})
        courier.notify([row for _, row in rows])

    courier = Courier(
        channels_of(settings),
        Letters(settings.case_link, caregiver_link=settings.caregiver_link),
        submit=submit,
        addressees=addressees,
        now=context.now,
    )
    MESSAGES_IN_HAND.set_function(courier.in_hand)
    context.on_commit(stored)
    context.on_stop(courier.drain)
    context.show("channels_failing", courier.failing)
    await courier.run()


def channels_of(settings: NotificationSettings) -> list[tuple[Channel, Shape]]:
    """The channels that this deployment has."""
    channels: list[tuple[Channel, Shape]] = []
    if settings.file_channel is not None:
        channels.append((FileChannel(settings.file_channel), FILE_SHAPE))
    if settings.smtp_host is not None and settings.smtp_from is not None:
        hands = settings.smtp_connections
        password = settings.smtp_password
        server = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.smtp_from,
            caregiver_sender=settings.smtp_caregiver_from,
            tls=settings.smtp_tls,
            ca_file=settings.smtp_ca_file,
            username=settings.smtp_username,
            password=None if password is None else password.get_secret_value(),
            connections=hands,
            timeout_s=settings.smtp_timeout_s,
            answer_timeout_s=settings.smtp_answer_timeout_s,
        )
        shape = Shape(batch=1, workers=hands, capacity=hands * MAIL_WAITING_PER_CONNECTION)
        channels.append((EmailChannel(server), shape))
    if settings.notify_api_key is not None:
        channels += _by_notify(settings)
    return channels


def _by_notify(settings: NotificationSettings) -> Iterator[tuple[Channel, Shape]]:
    """The channels that go by GOV.UK Notify. Its client is loaded only where it is used."""
    from services.notification.channels.notify import NotifyAccount, NotifyChannel

    own, neutral = settings.notify_api_key, settings.notify_caregiver_api_key
    templates: dict[Literal["email", "text", "letter"], UUID | None] = {
        "email": settings.notify_email_template,
        "text": settings.notify_text_template,
        "letter": settings.notify_letter_template,
    }
    for name, template in templates.items():
        if own is not None and template is not None:
            account = NotifyAccount(
                settings.notify_url,
                own.get_secret_value(),
                None if neutral is None else neutral.get_secret_value(),
                str(template),
            )
            waiting = account.hands * MAIL_WAITING_PER_CONNECTION
            yield NotifyChannel(name, account), Shape(batch=1, workers=account.hands, capacity=waiting)
