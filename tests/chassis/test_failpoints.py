"""A process that may be struck at its points: when, how, and never in production."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chassis import failpoints

ROOT = Path(__file__).resolve().parents[2]
TEST = {"ATTUNE_ENVIRONMENT": "test"}

_PROCESS = """
import asyncio, os, uvloop
from chassis import failpoints

async def work():
    failpoints.arm(os.environ)
    print("armed", flush=True)
    while True:
        failpoints.reached("commit.before")
        await asyncio.sleep(0.01)
        failpoints.reached("commit.after")

uvloop.run(work())
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    file = tmp_path / "points"
    process = subprocess.Popen(
        [sys.executable, "-c", _PROCESS],
        env={**os.environ, **TEST, "ATTUNE_FAILPOINTS_FILE": str(file), "PYTHONPATH": f"{ROOT}:{ROOT}/contracts"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield file, process
    process.kill()
    process.wait()
    process.stdout.close()


def test_p5_a_running_process_dies_at_a_point_that_it_is_told_of_later(
    live: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    file, process = live
    time.sleep(0.1)
    assert process.poll() is None
    file.write_text("commit.after=3")
    process.send_signal(signal.SIGUSR2)
    assert process.wait(10) == -signal.SIGKILL
    assert file.with_suffix(".struck").read_text() == f"commit.after kill {process.pid}\n"


def test_p5_a_running_process_can_be_stopped_at_a_point_and_goes_on(live: tuple[Path, subprocess.Popen[bytes]]) -> None:
    file, process = live
    file.write_text("commit.before=1:stop")
    process.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 10
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.2)
    assert process.poll() is None
    assert psutil.Process(process.pid).status() != psutil.STATUS_STOPPED


@pytest.mark.parametrize("variable", ["ATTUNE_FAILPOINTS", "ATTUNE_FAILPOINTS_FILE"])
@pytest.mark.parametrize("said", [{}, {"ATTUNE_ENVIRONMENT": "production"}])
def test_p10_production_knows_no_failpoints(variable: str, said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="never for production"):
        failpoints.arm({variable: "commit.before=1"} | said)


@pytest.mark.parametrize("wrong", ["commit", "commit.during=1", "commit.after=x", "commit.after=1:sleep"])
def test_p10_a_point_that_does_not_exist_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"failpoint|invalid literal"):
        failpoints.arm({"ATTUNE_FAILPOINTS": wrong} | TEST)


@pytest.fixture(autouse=True)
def _unarmed() -> Iterator[None]:
    yield
    failpoints.arm({})
