"""PostgreSQL and Kafka from the images that a deployment uses, where a Docker engine answers."""

import os
from collections.abc import Callable
from pathlib import Path

POSTGRES_IMAGE = os.environ.get("ATTUNE_TEST_POSTGRES_IMAGE", "postgres:18")
KAFKA_IMAGE = os.environ.get("ATTUNE_TEST_KAFKA_IMAGE", "apache/kafka:4.3.1")

_BROKER = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}


def engine_answers() -> bool:
    """Asks only where an engine is named or has its usual socket, so that nobody waits for one in vain."""
    if not (os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists()):
        return False
    from testcontainers.core.docker_client import DockerClient

    try:
        return bool(DockerClient(timeout=3).client.ping())
    except Exception:  # whatever it is that keeps it from answering, another source of servers is taken
        return False


def start(name: str) -> tuple[str, Callable[[], None]]:
    """The server's address and how to stop it."""
    return _postgres() if name == "postgres" else _kafka()


def _postgres() -> tuple[str, Callable[[], None]]:
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(POSTGRES_IMAGE, username="postgres", dbname="postgres", driver=None)
    container.with_command("postgres -c fsync=off -c full_page_writes=off -c max_connections=300")
    container.start()
    return container.get_connection_url(), container.stop


def _kafka() -> tuple[str, Callable[[], None]]:
    """The broker must advertise a port that is known only once the container runs: its command waits for a script."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    script = "/tmp/start-broker.sh"  # noqa: S108 - inside the container
    container = DockerContainer(KAFKA_IMAGE).with_exposed_ports(9092).with_envs(**_BROKER)
    container.with_command(["sh", "-c", f"until [ -f {script} ]; do sleep 0.1; done; exec sh {script}"])
    container.start()
    try:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(9092)}"
        lines = f"export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{address}\nexec /etc/kafka/docker/run\n"
        container.copy_into_container(lines.encode(), script)
        wait_for_logs(container, "Kafka Server started", timeout=120)
    except BaseException:
        container.stop()
        raise
    return address, container.stop
