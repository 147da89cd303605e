"""What notification must be told to run, beyond what every service needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import Field, SecretStr

from chassis.settings import PREFIX, Filled, ServiceSettings

REVEALING = re.compile(
    r"attune|pair|perinatal|parent|infant|bab(y|ies)|child|birth|matern|attach|bond|famil|mental|health|nhs|safeguard",
    re.IGNORECASE,
)
"""Words by which a stranger who looks at the phone of a caregiver would know what it is about."""


RECEIPTS = "delivery_receipts"
"""The role of a channel that reports what became of its messages."""
SHORTEST_TOKEN = 24
_TEMPLATES = ("notify_email_template", "notify_text_template", "notify_letter_template")


class NotificationSettings(ServiceSettings):
    """The channels of this deployment. One that is not set does not exist: messages for it wait, then fail visibly."""

    case_link: Filled
    """URL of the console, to which `/cases/{id}` or `/screenings/{id}` is added."""
    caregiver_link: Filled | None = None
    """Where a caregiver finds the booklet. Like everything they get it must not say what service it is from."""
    file_channel: Path | None = None
    """JSON Lines file that the file channel appends to."""
    smtp_host: Filled | None = None
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_from: Filled | None = None
    smtp_caregiver_from: Filled | None = None
    """Sender of what caregivers get; without it none of them is written to by e-mail."""
    smtp_tls: Literal["none", "if_offered", "starttls", "implicit"] = "if_offered"
    """`starttls` and `implicit` never send without TLS; use one of them wherever the mail server is another machine."""
    smtp_ca_file: Path | None = None
    smtp_username: Filled | None = None
    smtp_password: SecretStr | None = None
    smtp_connections: int = Field(default=4, ge=1, le=64)
    smtp_timeout_s: float = Field(default=15.0, gt=0, le=30)
    """Longest time for everything before the text of a letter."""
    smtp_answer_timeout_s: float = Field(default=30.0, gt=0, le=60)
    """Longest wait for the mail server's answer to the text; a letter without it is doubtful."""

    notify_url: Filled = "https://api.notifications.service.gov.uk"
    notify_api_key: SecretStr | None = None
    notify_caregiver_api_key: SecretStr | None = None
    """Of a Notify service with a neutral name; without it no caregiver is written to through Notify."""
    notify_email_template: UUID | None = None
    """A template that places `((subject))` and `((body))`; without it e-mails go by SMTP."""
    notify_text_template: UUID | None = None
    """A template that places `((body))`."""
    notify_letter_template: UUID | None = None
    notify_receipt_token: SecretStr | None = None
    """The bearer token that Notify shows when it reports what became of a message; at least 24 characters."""

    @property
    def fixed_callers(self) -> Mapping[str, tuple[str, frozenset[str]]]:
        """Notify proves itself by a token that was agreed with it."""
        token = self.notify_receipt_token
        return {} if token is None else {token.get_secret_value(): ("govuk-notify", frozenset({RECEIPTS}))}

    @classmethod
    def together(cls, environment: Mapping[str, str]) -> dict[str, str]:
        """At least one channel; e-mail needs a sender; user and password go together."""
        given = {
            name
            for name in (
                "smtp_host",
                "smtp_from",
                "smtp_username",
                "smtp_password",
                "file_channel",
                "notify_api_key",
                *_TEMPLATES,
            )
            if environment.get(PREFIX + name.upper())
        }
        wrong = super().together(environment)
        for name in ("caregiver_link", "smtp_caregiver_from"):
            if REVEALING.search(environment.get(PREFIX + name.upper(), "")):
                wrong[name] = "names_the_service"
        wrong |= _of_notify(environment, given)
        if not given & {"smtp_host", "file_channel", "notify_api_key"}:
            wrong["smtp_host"] = wrong["file_channel"] = "one_channel_needed"
        if "smtp_host" in given and "smtp_from" not in given:
            wrong["smtp_from"] = "missing"
        for one, other in (("smtp_username", "smtp_password"), ("smtp_password", "smtp_username")):
            if one in given and other not in given:
                wrong[other] = "missing"
        return wrong


def _of_notify(environment: Mapping[str, str], given: set[str]) -> dict[str, str]:
    """Key and templates go together; e-mail has one way out; the token of receipts is none that can be guessed."""
    wrong = {}
    templates = given & set(_TEMPLATES)
    if "notify_api_key" in given and not templates:
        wrong["notify_email_template"] = "one_template_needed"
    if templates and "notify_api_key" not in given:
        wrong["notify_api_key"] = "missing"
    if {"notify_email_template", "smtp_host"} <= given:
        wrong["notify_email_template"] = "email_goes_by_smtp"
    if 0 < len(environment.get(f"{PREFIX}NOTIFY_RECEIPT_TOKEN", "")) < SHORTEST_TOKEN:
        wrong |= {"notify_receipt_token": "too_short"}
    return wrong
