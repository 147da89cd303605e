"""The four services as processes: their names, what their environment says, when they are ready."""

import http.client
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from attune.stack import tokens
from attune.stack.layout import ROOT
from attune.stack.ports import HOST
from attune.stack.program import Program

SERVICES = ("screening", "referral", "workforce", "notification")
JOBS = ("prepare",)
"""What each service does once before it serves: its migrations and its topic."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything outside a service that it is told about; addresses as host:port."""

    runtime_dsn: Mapping[str, str]
    owner_dsn: Mapping[str, str]
    kafka_bootstrap: str
    key_set: Path
    smtp_port: int
    file_channel: Path
    console: str = "http://127.0.0.1"
    """Where professionals would open a case: a letter adds the path to it."""


GIVES_MEMORY_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""As in the image: the buffers of a large batch go back to the system when it is done."""


def environment(service: str, port: int, around: Surroundings, extra: Mapping[str, str]) -> dict[str, str]:
    """The settings of one service process; `extra` wins."""
    settings = {
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(port),
        "DATABASE_URL": around.runtime_dsn[service],
        "MIGRATION_DATABASE_URL": around.owner_dsn[service],
        "KAFKA_BOOTSTRAP": around.kafka_bootstrap,
        "OIDC_ISSUER": tokens.ISSUER,
        "OIDC_AUDIENCE": tokens.AUDIENCE,
        "OIDC_ALGORITHMS": tokens.ALGORITHM,
        "OIDC_JWKS": str(around.key_set),
        "ENVIRONMENT": "development",
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "info",
    }
    if service == "notification":
        settings |= {
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(around.smtp_port),
            "SMTP_FROM": "attune@attune.invalid",
            "SMTP_CAREGIVER_FROM": "hello@messages.invalid",
            "FILE_CHANNEL": str(around.file_channel),
            "CASE_LINK": around.console,
            "CAREGIVER_LINK": "https://read.invalid/k7",
        }
    process = {"PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"} | GIVES_MEMORY_BACK
    return process | {f"ATTUNE_{name}": value for name, value in settings.items()} | dict(extra)


def program(service: str, log: Path, port: int, settings: Mapping[str, str]) -> Program:
    """One serving process."""
    return Program(
        name=service,
        argv=(sys.executable, "-m", f"services.{service}", "serve"),
        log=log,
        ready=lambda _pid: is_ready(port),
        environment=settings,
    )


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
