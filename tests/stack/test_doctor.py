"""What the doctor says, and that only intact jars count."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attune.stack import jars
from attune.stack.layout import ROOT


def doctor(state: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    if state:
        environment["ATTUNE_STATE"] = str(state)
    command = [sys.executable, "-m", "attune", "doctor"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_doctor_finds_everything_where_the_tests_run() -> None:
    told = doctor()
    assert told.returncode == 0, told.stdout + told.stderr
    for part in ("Java", "Kafka", "PostgreSQL", "disk", "ports", "Docker"):
        assert part in told.stdout


def test_the_doctor_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    told = doctor(tmp_path)
    assert told.returncode == 1
    assert f"{len(jars.locked())} jars missing or damaged" in told.stdout
    assert "make setup" in told.stdout
    assert "missing: Kafka" in told.stdout


def test_a_damaged_jar_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = min(jars.locked(), key=lambda jar: jar.size)
    original = (jars.directory() / smallest.file_name).read_bytes()
    monkeypatch.setenv(jars.DIRECTORY_VARIABLE, str(tmp_path))
    placed = tmp_path / smallest.file_name

    placed.write_bytes(original)
    assert smallest not in jars.missing()

    placed.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    assert smallest in jars.missing()


def test_every_lock_line_is_a_whole_checksum_of_a_fixed_version() -> None:
    locked = jars.locked()
    assert len({jar.file_name for jar in locked}) == len(locked)
    for wanted in jars.WANTED:
        assert wanted in {jar.coordinate for jar in locked}
    for jar in locked:
        assert len(jar.sha256) == 64
        assert jar.size > 0
        assert "SNAPSHOT" not in jar.coordinate
