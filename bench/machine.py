"""What the kernel knows of processes and of this machine: CPU seconds, memory, and how fast the disk is."""

import ctypes
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT_DEATH_SIGNAL = 1


class Unmeasurable(RuntimeError):
    """The figures come from /proc, so the benchmark needs Linux."""


def start(argv: list[str], environment: Mapping[str, str], log: Path, **pipes: Any) -> "subprocess.Popen[bytes]":
    """A child that ends with this process, however that ends; its standard error goes to the log."""
    if not Path("/proc/self/stat").exists():
        raise Unmeasurable(str(Unmeasurable.__doc__))
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)

    with log.open("ab") as opened:
        pipes.setdefault("stdout", opened)
        return subprocess.Popen(
            argv, env=dict(environment), stderr=opened, preexec_fn=die_with_parent, **pipes  # noqa: PLW1509
        )  # fmt: skip


def cpu_seconds(pid: int, *, family: bool = False) -> float:
    """User and system time so far; with `family` also of its children, ended or living."""
    fields = _stat(pid)
    ticks = sum(map(int, fields[11 : 15 if family else 13]))
    if family:
        ticks += sum(int(child[11]) + int(child[12]) for _, child in _children(pid))
    return ticks / _TICKS


def box_cpu_seconds() -> float:
    """Busy time of the whole machine, without idling and waiting for disks."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / _TICKS


def memory_mib(pid: int, *, family: bool = False) -> float:
    """Resident memory; of a family the proportional share of each member, since it shares most of its pages."""
    if not family:
        return _kib(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024
    members = [pid, *(child for child, _ in _children(pid))]
    return sum(_kib(Path(f"/proc/{member}/smaps_rollup"), "Pss:") for member in members) / 1024


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _children(pid: int) -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = _stat(int(entry.name))
            except OSError:
                continue
            if fields[1] == str(pid):
                yield int(entry.name), fields


def _kib(path: Path, name: str) -> int:
    try:
        return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(name))
    except (OSError, StopIteration):
        return 0


def fsync_us(directory: Path, seconds: float = 1.0) -> float:
    """Median time of a write of 8 KiB that is on the disk when fdatasync returns, in microseconds."""
    taken = []
    block = os.urandom(8192)
    with tempfile.NamedTemporaryFile(dir=directory) as opened:
        handle = opened.fileno()
        os.write(handle, block * 64)
        os.fsync(handle)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, block)
            begun = time.perf_counter()
            os.fdatasync(handle)
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e6


def description(directory: Path) -> dict[str, Any]:
    """The machine, in words for the report; no name of it."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(_kib(Path("/proc/meminfo"), "MemTotal:") / 1024**2, 1),
        "system": f"{platform.system()} {platform.release()}",
        "file_system": _file_system(directory),
        "load_average_at_start": os.getloadavg()[0],
    }


def _file_system(directory: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(point, kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(holding, key=lambda mount: len(mount[0]))[1] if holding else "unknown"


def versions(postgres: str, kafka: str) -> dict[str, str]:
    names = ("asyncpg", "aiokafka", "faststream", "pydantic", "fastapi", "starlette", "uvicorn", "uvloop", "httptools")
    return {
        "python": sys.version.split()[0],
        "postgresql": postgres,
        "kafka": kafka,
        **{name: version(name) for name in names},
    }
