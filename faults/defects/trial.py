"""A copy of the sources for each trial, the tests in it, and what became of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as Xml
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faults.defects.defect import Defect

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 300.0
TEST_SECONDS = 120

Verdict = Literal["caught", "survived", "broken"]
"""`broken`: the tests did not run, which proves nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests said to one copy."""

    verdict: Verdict
    failed: tuple[str, ...]
    """The tests that noticed."""
    seconds: float
    output: str = ""
    """The end of what pytest wrote, for whoever has to find out."""


def base_copy(into: Path) -> Path:
    """The sources as they stand, also where they are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return into


def spoilt_copy(base: Path, into: Path, defect: Defect) -> Path:
    """A copy of the copy with one defect: unchanged files are the same files."""
    changed = defect.applied(base)
    shutil.copytree(base, into, copy_function=os.link)
    for name, text in changed.items():
        (into / name).unlink()
        (into / name).write_text(text, "utf-8")
    return into


def run(copy: Path, tests: Sequence[str], servers: Mapping[str, str], *, workers: int = 0) -> Outcome:
    """These tests in this copy, all of them for `workers`, else until one fails."""
    # Outside the copy: what stands in it may be the same file in every other copy.
    report = copy.parent / f"{copy.name}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}"]
    command += [f"--junitxml={report}", "--no-header", "--tb=line", *(("-n", str(workers)) if workers else ("-x",))]
    # What stands first is imported first: before the sources that the environment was made with.
    path = {"PYTHONPATH": f"{copy}{os.pathsep}{copy / 'contracts'}"}
    state = {"ATTUNE_STATE": os.environ.get("ATTUNE_STATE") or str(ROOT / ".attune")}
    began = time.monotonic()
    try:
        ended = subprocess.run(
            [*command, *tests],
            cwd=copy,
            env={**os.environ, **servers, **path, **state},
            capture_output=True,
            timeout=LONGEST_SECONDS * (4 if workers else 1),
            check=False,
        )
        output = (ended.stdout + ended.stderr).decode("utf-8", "replace")[-4000:]
    except subprocess.TimeoutExpired:
        output = "did not end"
    return _outcome(report, time.monotonic() - began, output)


def _outcome(report: Path, seconds: float, output: str) -> Outcome:
    if not report.exists():
        return Outcome("broken", (), seconds, output)
    cases = list(Xml.parse(report).getroot().iter("testcase"))  # noqa: S314 - written by our own pytest
    failed = tuple(_name(case) for case in cases if case.find("failure") is not None and not _hung(case))
    errors = [c for c in cases if _hung(c) or any(c.find(what) is not None for what in ("error", "skipped"))]
    if not failed and (errors or not cases):
        return Outcome("broken", (), seconds, output)
    return Outcome("caught" if failed else "survived", failed, seconds, output if not failed else "")


def _name(case: Xml.Element) -> str:
    file = (case.get("classname") or "").replace(".", "/")
    return f"{file}.py::{case.get('name')}"


def _hung(case: Xml.Element) -> bool:
    """Cut off by our own patience: that may be the machine, and proves nothing."""
    failure = case.find("failure")
    return failure is not None and "from pytest-timeout" in (failure.get("message") or "")
