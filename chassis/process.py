"""A service as a process: its command line."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import time

import structlog
import uvloop

from attune_contracts.catalogue import PARTITIONS, topic
from chassis import describe, failpoints, migrations, telemetry
from chassis.running import START_SECONDS, Running, wait_for
from chassis.service import Service, broker_of, migration_sets
from chassis.settings import KafkaSettings, MigrationSettings, SettingsInvalid, SettingsT, load

log = structlog.get_logger(__name__)


def _settings(service: Service, cls: type[SettingsT]) -> SettingsT:
    settings = load(cls)
    telemetry.set_up(service.name, settings.log_format, settings.log_level)
    failpoints.arm(os.environ)
    return settings


async def _serve(service: Service) -> int:
    settings = _settings(service, service.settings)
    running = Running(service, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.ended.set)
    starting, told_to_stop = asyncio.create_task(running.start()), asyncio.create_task(running.ended.wait())
    await asyncio.wait({starting, told_to_stop}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log.info("start_broken_off", service=service.name)
        return 1 if running.failed else 0
    if (error := starting.exception()) is not None:
        log.error("service_did_not_start", service=service.name, error=type(error).__name__)
        return 1
    # What exists now lives as long as the process: the collector need not look at it again, nor often at the rest.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    await running.ended.wait()
    await running.stop()
    return 1 if running.failed else 0


async def _topics(service: Service) -> int:
    settings = _settings(service, KafkaSettings)
    broker = broker_of(settings)
    name = topic(service.name)
    deadline = time.monotonic() + START_SECONDS
    made = await wait_for(
        "broker",
        deadline,
        lambda: broker.create_topic(
            name,
            partitions=PARTITIONS,
            replication=settings.topic_replication,
            keep_days=settings.topic_keep_days,
        ),
    )
    log.info("topic_ready", topic=name, outcome=made)
    return 0


async def _migrate(service: Service) -> int:
    settings = _settings(service, MigrationSettings)
    grant_to = migrations.role_of(settings.database_url.get_secret_value())
    await migrations.migrate(
        settings.migration_database_url.get_secret_value(), migration_sets(service), grant_to=grant_to
    )
    return 0


async def _prepare(service: Service) -> int:
    return await _migrate(service) or await _topics(service)


_JOBS = {"serve": _serve, "migrate": _migrate, "topics": _topics, "prepare": _prepare}
"""`prepare` is migrate and topics in one process, for where one identity may do both."""


def main(service: Service) -> None:
    """The command line of a service: serve, migrate, topics, prepare, describe."""
    parser = argparse.ArgumentParser(prog=f"services.{service.name}")
    parser.add_argument("what", nargs="?", default="serve", choices=[*_JOBS, "describe"])
    what = parser.parse_args().what
    if what == "describe":
        sys.stdout.write(describe.as_json(service) + "\n")
        return
    try:
        sys.exit(uvloop.run(_JOBS[what](service)))
    except SettingsInvalid as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
