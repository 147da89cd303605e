"""Which channels a deployment has, and what of it would give a caregiver away."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.notification.sending import channels_of
from services.notification.settings import RECEIPTS, NotificationSettings
from tests.notification.notify_server import API_KEY, TEMPLATE

SMTP = {"SMTP_HOST": "mail", "SMTP_FROM": "attune@example.org"}
NOTIFY = {"NOTIFY_API_KEY": API_KEY, "NOTIFY_TEXT_TEMPLATE": TEMPLATE}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (SMTP, {}),
        ({"FILE_CHANNEL": "/x"}, {}),
        (NOTIFY, {}),
        (SMTP | NOTIFY, {}),
        ({}, {"smtp_host": "one_channel_needed", "file_channel": "one_channel_needed"}),
        ({"SMTP_HOST": "mail"}, {"smtp_from": "missing"}),
        ({"NOTIFY_API_KEY": API_KEY}, {"notify_email_template": "one_template_needed"}),
        (SMTP | {"NOTIFY_TEXT_TEMPLATE": TEMPLATE}, {"notify_api_key": "missing"}),
        (SMTP | NOTIFY | {"NOTIFY_EMAIL_TEMPLATE": TEMPLATE}, {"notify_email_template": "email_goes_by_smtp"}),
        (NOTIFY | {"NOTIFY_RECEIPT_TOKEN": "x" * 23}, {"notify_receipt_token": "too_short"}),
        (NOTIFY | {"NOTIFY_RECEIPT_TOKEN": "x" * 24}, {}),
        (SMTP | {"CAREGIVER_LINK": "https://read.example.org/k7"}, {}),
        (SMTP | {"CAREGIVER_LINK": "https://attune.example.org/k7"}, {"caregiver_link": "names_the_service"}),
        (SMTP | {"CAREGIVER_LINK": "https://x.nhs.uk/Babies"}, {"caregiver_link": "names_the_service"}),
        (SMTP | {"SMTP_CAREGIVER_FROM": "infant@example.org"}, {"smtp_caregiver_from": "names_the_service"}),
    ],
)
def test_channels_are_whole_and_neutral_to_caregivers(given: dict[str, str], wrong: dict[str, str]) -> None:
    environment = {f"ATTUNE_{name}": value for name, value in given.items()}
    assert NotificationSettings.together(environment) == wrong


def test_the_channels_are_those_that_are_set() -> None:
    made = NotificationSettings.model_validate(
        {
            "case_link": "https://console.example.org",
            "kafka_bootstrap": "one:9092",
            "http_port": 8000,
            "database_url": "postgresql://app:x@localhost/x",
            "oidc_issuer": "https://issuer.example",
            "oidc_audience": "attune",
            "oidc_jwks": "https://issuer.example/keys",
            "notify_api_key": API_KEY,
            "notify_text_template": TEMPLATE,
            "notify_letter_template": TEMPLATE,
            "notify_receipt_token": "agreed with Notify, by hand",
        }
    )
    assert [channel.name for channel, _ in channels_of(made)] == ["text", "letter"]
    assert made.fixed_callers == {"agreed with Notify, by hand": ("govuk-notify", frozenset({RECEIPTS}))}
    assert API_KEY not in repr(made)
    assert "by hand" not in repr(made)


def test_notifys_client_is_loaded_only_where_it_is_used() -> None:
    dear = "('notifications_python_client', 'requests')"
    code = f"import services.notification.main, sys; print([m for m in sys.modules if m.startswith({dear})])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
