"""The courier as part of the running service: its channels from the settings, its door to the processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.service import Context
from services.notification import store
from services.notification.channels.channel import Channel
from services.notification.channels.email import EmailChannel, MailServer
from services.notification.channels.file import FileChannel
from services.notification.courier import Courier
from services.notification.lane import Shape
from services.notification.letters import Letters
from services.notification.settings import NotificationSettings

FILE_SHAPE = Shape(batch=500, workers=2, capacity=20_000)
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

    courier = Courier(
        channels_of(settings),
        Letters(settings.case_link, caregiver_link=settings.caregiver_link),
        submit=context.submit_all,
        addressees=addressees,
        now=context.now,
    )
    context.on_commit(courier.notify)
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
    return channels
