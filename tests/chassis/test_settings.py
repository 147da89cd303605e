"""A process says everything that it is missing at once, and never what it was given."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from chassis.settings import KafkaSettings, MigrationSettings, ServiceSettings, SettingsInvalid, load

SECRET = "Marigold"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    import os

    for name in list(os.environ):
        if name.startswith("ATTUNE_"):
            monkeypatch.delenv(name)
    (tmp_path / "jwks.json").write_text("{}")
    good = {
        "HTTP_PORT": "8001",
        "DATABASE_URL": f"postgresql://app:{SECRET}@localhost/x",
        "KAFKA_BOOTSTRAP": "one:9092, two:9092",
        "OIDC_ISSUER": "https://issuer.example",
        "OIDC_AUDIENCE": "attune",
        "OIDC_ALGORITHMS": "ES256,RS256",
        "OIDC_JWKS": str(tmp_path / "jwks.json"),
    }
    for name, value in good.items():
        monkeypatch.setenv(f"ATTUNE_{name}", value)
    return monkeypatch


def fault(cls: type[KafkaSettings | MigrationSettings] = ServiceSettings) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        load(cls)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or SECRET not in str(caught.value.__context__)
    return str(caught.value)


def test_settings_are_read_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    settings = load(ServiceSettings)
    assert settings.kafka_bootstrap == ("one:9092", "two:9092")
    assert settings.oidc_algorithms == ("ES256", "RS256")
    assert settings.http_port == 8001
    assert SECRET in settings.database_url.get_secret_value()


@pytest.mark.parametrize("named", ["", "production"])
def test_time_cannot_be_set_in_production(environment: pytest.MonkeyPatch, named: str) -> None:
    assert load(ServiceSettings).time_can_be_set is False
    environment.setenv("ATTUNE_ENVIRONMENT", named)
    environment.setenv("ATTUNE_TIME_CAN_BE_SET", "true")
    assert "  ATTUNE_TIME_CAN_BE_SET: not_in_production" in fault()
    environment.setenv("ATTUNE_ENVIRONMENT", "development")
    assert load(ServiceSettings).time_can_be_set is True


def test_bank_holidays_can_be_announced_later(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ATTUNE_BANK_HOLIDAYS_ADDED", "2027-05-10, 2027-06-01")
    environment.setenv("ATTUNE_BANK_HOLIDAYS_REMOVED", "2027-05-03")
    calendar = load(ServiceSettings).calendar
    assert calendar.added == {date(2027, 5, 10), date(2027, 6, 1)}
    assert [calendar.is_working_day(date(2027, 5, day)) for day in (3, 10, 11)] == [True, False, True]
    environment.setenv("ATTUNE_BANK_HOLIDAYS_ADDED", f"2027-05-10,{SECRET}")
    assert "  ATTUNE_BANK_HOLIDAYS_ADDED: " in fault()


def test_secrets_are_not_shown(environment: pytest.MonkeyPatch) -> None:
    settings = load(ServiceSettings)
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


def test_every_missing_and_invalid_variable_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("ATTUNE_HTTP_PORT")
    environment.setenv("ATTUNE_OIDC_ISSUER", "")
    environment.setenv("ATTUNE_DATABASE_URL", f"mysql://{SECRET}")
    environment.setenv("ATTUNE_KAFKA_BOOTSTRAP", SECRET)
    environment.setenv("ATTUNE_OIDC_JWKS", f"/nowhere/{SECRET}")
    environment.setenv("ATTUNE_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    environment.setenv("ATTUNE_LOG_LEVEL", SECRET)
    message = fault()
    assert message.splitlines()[1:] == [
        "  ATTUNE_DATABASE_URL: postgresql_url",
        "  ATTUNE_HTTP_PORT: missing",
        "  ATTUNE_KAFKA_BOOTSTRAP: comma_separated_host_and_port",
        "  ATTUNE_KAFKA_SASL_MECHANISM: missing",
        "  ATTUNE_KAFKA_SASL_PASSWORD: missing",
        "  ATTUNE_KAFKA_SASL_USERNAME: missing",
        "  ATTUNE_LOG_LEVEL: literal_error",
        "  ATTUNE_OIDC_ISSUER: missing",
        "  ATTUNE_OIDC_JWKS: url_or_existing_file",
    ]


@pytest.mark.parametrize("algorithms", ["none", "HS256", "ES256,none", "ES256,HS512", ","])
def test_only_asymmetric_signatures_can_be_allowed(environment: pytest.MonkeyPatch, algorithms: str) -> None:
    environment.setenv("ATTUNE_OIDC_ALGORITHMS", algorithms)
    assert "ATTUNE_OIDC_ALGORITHMS: asymmetric_algorithms" in fault()


def test_credentials_without_their_protocol_are_a_mistake(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ATTUNE_KAFKA_SASL_PASSWORD", SECRET)
    assert "ATTUNE_KAFKA_SASL_PASSWORD: only_with_sasl_protocol" in fault()


def test_a_service_adds_its_own(environment: pytest.MonkeyPatch) -> None:
    class Mailing(ServiceSettings):
        smtp_host: str

    assert "ATTUNE_SMTP_HOST: missing" in fault(Mailing)
    environment.setenv("ATTUNE_SMTP_HOST", "mail")
    assert load(Mailing).smtp_host == "mail"


def test_jobs_need_only_their_own_variables(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("ATTUNE_OIDC_JWKS")
    assert load(KafkaSettings).topic_replication == 1
    assert "ATTUNE_MIGRATION_DATABASE_URL: missing" in fault(MigrationSettings)
    environment.setenv("ATTUNE_MIGRATION_DATABASE_URL", "postgresql://owner@localhost/x")
    assert load(MigrationSettings).log_format == "console"
