"""Puts a stack together: servers side by side, then databases and topics, then the services; and takes it down."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from attune.stack import kafka, ports, postgres, services, tokens
from attune.stack.keeper import Keeper
from attune.stack.layout import ROOT, Layout, write_private
from attune.stack.plan import Memory, Plan
from attune.stack.program import Program, ProgramFailed, born, clean_environment

Told = Callable[[str, float], None]
"""Called with what is ready now and the seconds since the start."""


class Assembly:
    """The running parts of one stack. Used by the supervisor only; `stop` may be called from another thread."""

    def __init__(self, layout: Layout, plan: Plan) -> None:
        self._layout, self._plan = layout, plan
        self._memory = Memory.read(layout.memory) if layout.memory.exists() else Memory()
        self._keepers: dict[str, Keeper] = {}
        self._jobs: list[subprocess.Popen[bytes]] = []
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        self._complete = False

    def start(self, told: Told) -> None:
        """Raises ProgramFailed, PostgresRefused, JarsMissing and the like if a part cannot be started."""
        began = time.monotonic()

        def ready(part: str) -> None:
            told(part, time.monotonic() - began)

        self._choose()
        self._together((self._start_server, name, ready) for name in self._plan.servers)
        if self._plan.services:
            self._prepare(ready)
            if not self._plan.by_hand:
                self._together((self._start_service, name, ready) for name in self._plan.services)
        self._complete = True
        self._publish()

    def stop(self) -> None:
        """Services first, since they still have something to store and to send; then the servers."""
        self._stopping.set()
        for job in self._jobs:
            job.kill()
        for group in (self._plan.services, self._plan.servers):
            keepers = [self._keepers[name] for name in group if name in self._keepers]
            for keeper in keepers:
                keeper.ask_to_stop()
            for keeper in keepers:
                keeper.stop()

    # -- parts

    def _choose(self) -> None:
        names: dict[str, tuple[str, ...]] = {
            "kafka": ("kafka", "kafka_quorum"),
            "postgres": ("postgres",),
            "smtp": ("smtp",),
        }
        if self._plan.kafka_through:
            names["kafka"] += ("kafka_through",)
        wanted = tuple(port for server in self._plan.servers for port in names[server]) + self._plan.services
        self._memory.ports |= ports.choose(self._memory.ports, wanted)
        for service in self._plan.services:
            for role in (f"{service}_app", f"{service}_owner"):
                self._memory.password(role)
        if not self._plan.trusting:
            self._memory.password(postgres.ADMINISTRATOR)
        self._memory.write(self._layout.memory)
        tokens.Issuer(self._layout.keys)

    def _start_server(self, name: str, ready: Callable[[str], None]) -> None:
        program = {"kafka": self._kafka, "postgres": self._postgres, "smtp": self._smtp}[name]()
        self._keep(program, attempts=3)
        ready(name)

    def _start_service(self, name: str, ready: Callable[[str], None]) -> None:
        layout, port = self._layout, self._memory.ports[name]
        self._keep(services.program(name, layout.log(name), port, environment(layout, self._plan, self._memory, name)))
        ready(name)

    def _keep(self, program: Program, attempts: int = 1) -> None:
        if self._stopping.is_set():
            raise ProgramFailed(f"{program.name} is no longer wanted")
        keeper = self._keepers[program.name] = Keeper(program, self._publish)
        keeper.start(attempts)

    def _kafka(self) -> Program:
        heap = kafka.Heap(self._plan.kafka_heap_mib, self._plan.quick_compiler_only)
        port, quorum, says = self._memory.ports["kafka"], self._memory.ports["kafka_quorum"], self._plan.kafka_through
        through = kafka.Through(self._memory.ports["kafka_through"], says) if says else None
        return kafka.program(
            self._layout.directory / "kafka", self._layout.log("kafka"), port, quorum, heap, through=through
        )

    def _postgres(self) -> Program:
        settings = self._plan.postgres_settings + (() if self._plan.fsync else postgres.NOT_DURABLE)
        server, lasting = database_server(self._memory), self._plan.fsync and not self._plan.temporary
        directory, log = self._layout.directory / "postgres", self._layout.log("postgres")
        program = postgres.program(directory, log, server, settings, lasting)
        # Data that is thrown away needs no last checkpoint.
        return replace(program, stop_signal=signal.SIGQUIT) if self._plan.temporary else program

    def _smtp(self) -> Program:
        port, banner = self._memory.ports["smtp"], f"Attune sink {self._layout.fingerprint()}"
        return Program(
            name="smtp",
            argv=(sys.executable, "-m", "attune.stack.smtp_sink", str(port), self._layout.mail, banner),
            log=self._layout.log("smtp"),
            ready=lambda _pid: ports.greets_with(port, banner),
            environment={"PYTHONPATH": str(ROOT)},
        )

    # -- databases and topics

    def _prepare(self, ready: Callable[[str], None]) -> None:
        """Databases, migrations and topics; nothing when the same sources did it for the same data before."""
        state = _prepared_state(self._layout, self._plan.services)
        if self._memory.prepared == state:
            return
        postgres.separate(database_server(self._memory), self._memory.passwords, self._plan.services)
        self._together((self._job, service, job) for service in self._plan.services for job in services.JOBS)
        self._memory.prepared = state
        self._memory.write(self._layout.memory)
        ready("databases and topics")

    def _job(self, service: str, job: str) -> None:
        log = self._layout.log(f"{service}-{job}")
        settings = clean_environment() | environment(self._layout, self._plan, self._memory, service)
        command = (sys.executable, "-m", f"services.{service}", job)
        with log.open("wb") as opened:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=opened, stderr=opened, env=settings, cwd="/", process_group=0
            )
            self._jobs.append(process)
            status = process.wait(120)
        if status:
            tail = "".join(f"\n  | {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
            raise ProgramFailed(f"services.{service} {job} ended with {status}{tail}")

    def _together(self, calls: Iterable[tuple[Callable[..., None], *tuple[object, ...]]]) -> None:
        """All at once; the first failure is raised when all have ended."""
        if self._stopping.is_set():
            raise ProgramFailed("the stack is being stopped")
        listed = list(calls)
        with ThreadPoolExecutor(max(len(listed), 1)) as threads:
            for future in [threads.submit(call, *arguments) for call, *arguments in listed]:
                future.result()

    # -- what others may know

    def _publish(self) -> None:
        with self._writing:
            processes = {name: keeper.process.pid for name, keeper in self._keepers.items() if keeper.process}
            births = {name: {"pid": pid, "born": born(pid)} for name, pid in processes.items()}
            me = {"supervisor": {"pid": os.getpid(), "born": born(os.getpid())}}
            write_private(self._layout.running, json.dumps(births | me, indent=1))
            if self._complete:
                pids = processes | {"supervisor": os.getpid()}
                write_private(self._layout.summary, json.dumps(self._summary(pids), indent=2) + "\n")

    def _summary(self, pids: dict[str, int]) -> dict[str, object]:
        kept, layout, issuer = self._memory, self._layout, tokens.Issuer(self._layout.keys)
        address = {server: f"{ports.HOST}:{kept.ports[server]}" for server in self._plan.servers}
        return {
            "name": layout.name,
            "kafka": {"bootstrap": address.get("kafka"), "sasl": None},
            "services": {name: f"http://{ports.HOST}:{kept.ports[name]}" for name in self._plan.services},
            "postgres": {name: _dsn(kept, name, "app") for name in self._plan.services},
            "smtp": address.get("smtp"),
            "tokens": {role: issuer.token(role) for role in tokens.ROLES},
            "pids": pids,
            "files": {
                "mail": str(layout.mail),
                "file_channel": str(layout.file_channel),
                "jwks": str(issuer.key_set),
                "logs": str(layout.logs),
            },
        }


def database_server(memory: Memory) -> postgres.Server:
    """The stack's PostgreSQL, reached as its administrator."""
    return postgres.Server(memory.ports["postgres"], memory.passwords.get(postgres.ADMINISTRATOR))


def environment(layout: Layout, plan: Plan, memory: Memory, service: str) -> dict[str, str]:
    """The variables of one service process of this stack."""
    around = services.Surroundings(
        runtime_dsn={service: _dsn(memory, service, "app")},
        owner_dsn={service: _dsn(memory, service, "owner")},
        kafka_bootstrap=f"{ports.HOST}:{memory.ports['kafka']}",
        key_set=tokens.Issuer(layout.keys).key_set,
        smtp_port=memory.ports.get("smtp", 0),
        file_channel=layout.file_channel,
    )
    return services.environment(service, memory.ports[service], around, plan.environment)


def _dsn(memory: Memory, service: str, part: str) -> str:
    role = f"{service}_{part}"
    return database_server(memory).dsn(service, role, memory.passwords[role])


def _prepared_state(layout: Layout, names: tuple[str, ...]) -> str:
    """Changes with the data's identity and with every source that may change a schema or a topic."""
    state = hashlib.sha256(",".join(names).encode())
    for identity in ("kafka/data/meta.properties", "postgres/data/PG_VERSION"):
        state.update(f"{(layout.directory / identity).stat().st_ino}".encode())
    sources = [ROOT / "chassis", ROOT / "contracts", *(ROOT / "services" / name for name in names)]
    for path in sorted(path for source in sources for path in source.rglob("*") if path.suffix in {".py", ".sql"}):
        state.update(f"{path}\n".encode() + path.read_bytes())
    return state.hexdigest()
