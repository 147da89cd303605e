"""What a process must be told to run: variables with the prefix ATTUNE_, checked all at once before anything starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chassis.commands import breaks
from chassis.working_days import Calendar

PREFIX = "ATTUNE_"
ALGORITHMS = frozenset({"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"})
"""Signatures that may be allowed: asymmetric ones only, since the key set is public."""


TOPIC_KEEP_DAYS = 14
JOURNAL_KEEP_DAYS = 1200
"""Ours: from conception to the second birthday, and half a year."""
INBOX_KEEP_DAYS = 1260


class SettingsInvalid(Exception):
    """Variables are missing or invalid; the message names each with its rule and never its value."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _dsn(value: SecretStr) -> SecretStr:
    if not re.match(r"postgres(ql)?://", value.get_secret_value()):
        raise breaks("postgresql_url")
    return value


def _bootstrap(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not all(re.fullmatch(r"[A-Za-z0-9_.\-\[\]:]+:[0-9]{1,5}", server) for server in value):
        raise breaks("comma_separated_host_and_port")
    return value


def _algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not ALGORITHMS.issuperset(value):
        raise breaks("asymmetric_algorithms")
    return value


def _key_set(value: str) -> str:
    if not re.match(r"https?://", value) and not Path(value).is_file():
        raise breaks("url_or_existing_file")
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_dsn)]
Servers = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_bootstrap)]
Algorithms = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_algorithms)]
Days = Annotated[frozenset[date], NoDecode, BeforeValidator(_split)]
KeySetLocation = Annotated[str, AfterValidator(_key_set)]
Filled = Annotated[str, Field(min_length=1)]


class LogSettings(BaseSettings):
    """How a process writes its log. The base of every other settings class."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def together(cls, environment: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG003
        """Rules about several variables, by field name; on the environment, to be named with all other faults."""
        return {}


class KafkaSettings(LogSettings):
    """Where the broker is. Enough for the job that creates the topics."""

    kafka_bootstrap: Servers
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_sasl_username: Filled | None = None
    kafka_sasl_password: SecretStr | None = None
    topic_replication: int = Field(default=1, ge=1, le=9)
    topic_keep_days: int = Field(default=TOPIC_KEEP_DAYS, ge=1, le=3650)
    """How long a topic keeps an event: longest time in which Kafka can deliver it again."""

    @classmethod
    def together(cls, environment: Mapping[str, str]) -> dict[str, str]:
        """With SASL all of its variables are needed, without it none."""
        names = ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
        given = {name for name in names if environment.get(PREFIX + name.upper())}
        if environment.get(f"{PREFIX}KAFKA_SECURITY_PROTOCOL", "").startswith("SASL"):
            return dict.fromkeys(set(names) - given, "missing")
        return dict.fromkeys(given, "only_with_sasl_protocol")


class MigrationSettings(LogSettings):
    """What the migration job needs: the owner's database URL, and the runtime URL whose role is granted its rights."""

    database_url: DatabaseUrl
    migration_database_url: DatabaseUrl


class ServiceSettings(KafkaSettings):
    """What every service needs to serve. Services add their own variables in a subclass."""

    http_host: Filled = "127.0.0.1"
    http_port: int = Field(ge=0, le=65535)
    database_url: DatabaseUrl
    oidc_issuer: Filled
    oidc_audience: Filled
    oidc_algorithms: Algorithms = ("ES256",)
    oidc_jwks: KeySetLocation
    bank_holidays_added: Days = frozenset()
    """Bank holidays of England announced since this version of Attune was made: dates, separated by commas."""
    bank_holidays_removed: Days = frozenset()
    """Those that were moved to another day."""
    environment: Literal["production", "staging", "development", "test"] = "production"
    time_can_be_set: bool = False
    """Whether an operator may set the service's time ahead: for demonstrations, tests and simulations."""
    journal_keep_days: int = Field(default=JOURNAL_KEEP_DAYS, ge=32, le=36500)
    """How long every event is kept; months are dropped whole. At least until a child's second birthday is past."""
    inbox_keep_days: int = Field(default=INBOX_KEEP_DAYS, ge=33, le=73000)
    """How long an event that was handled is known: longer than the journal can refill a topic that then keeps it."""
    reply_keep_days: int = Field(default=90, ge=1, le=73000)
    """How long a command that was handled is known, and its answer given again."""

    @property
    def fixed_callers(self) -> Mapping[str, tuple[str, frozenset[str]]]:
        """Subject and roles by bearer token, for a machine outside that can show no token of the issuer."""
        return {}

    @property
    def calendar(self) -> Calendar:
        """Working days as this system knows them."""
        return Calendar(self.bank_holidays_added, self.bank_holidays_removed)

    @field_validator("time_can_be_set")
    @classmethod
    def _never_in_production(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("environment", "production") == "production":
            raise breaks("not_in_production")
        return value

    @classmethod
    def together(cls, environment: Mapping[str, str]) -> dict[str, str]:
        """An event must not come again when nobody knows any more that it was handled."""
        topic = _days(environment, "topic_keep_days", TOPIC_KEEP_DAYS)
        journal = _days(environment, "journal_keep_days", JOURNAL_KEEP_DAYS)
        inbox = _days(environment, "inbox_keep_days", INBOX_KEEP_DAYS)
        wrong = super().together(environment)
        if journal <= topic:
            wrong["journal_keep_days"] = "longer_than_topic"
        # A month is dropped when all of it is old enough: the first day of a month outlives the limit by the month.
        if inbox < journal + 31 + topic:
            wrong["inbox_keep_days"] = "journal_and_topic_and_31_days"
        return wrong


def _days(environment: Mapping[str, str], name: str, default: int) -> int:
    given = environment.get(PREFIX + name.upper(), "")
    return int(given) if re.fullmatch(r"[0-9]{1,6}", given) else default


SettingsT = TypeVar("SettingsT", bound=LogSettings)


def load(cls: type[SettingsT]) -> SettingsT:
    """The settings of this process from its environment.

    Raises SettingsInvalid, which names every variable at fault.
    """
    wrong = cls.together(os.environ)
    try:
        settings = cls()
    except ValidationError as error:
        wrong |= {str(detail["loc"][0]): detail["type"] for detail in error.errors(include_input=False)}
    else:
        if not wrong:
            return settings
    lines = (f"  {PREFIX}{name.upper()}: {rule}" for name, rule in sorted(wrong.items()))
    raise SettingsInvalid("environment variables are missing or invalid:\n" + "\n".join(lines))
