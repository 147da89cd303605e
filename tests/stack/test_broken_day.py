"""`make demo-break`: the demo's day with three things broken in it; each is seen by an operator, nothing is lost."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from attune.stack.layout import ROOT

pytestmark = pytest.mark.timeout(300)


async def test_what_breaks_in_the_middle_of_the_day_is_seen_and_ends_and_nothing_is_lost(tmp_path: Path) -> None:
    report = tmp_path / "demo-break.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "attune", "demo-break", "--report", str(report),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-4000:]
    figures = json.loads(report.read_text())
    assert (figures["lost"], figures["twice"], figures["parked"], figures["faults"]) == (0, 0, 0, [])
    broker, database, poison = figures["troubles"]
    for trouble in (broker, database):
        assert 0 < trouble["noticed_s"] < trouble["ready_again_s"] <= trouble["settled_s"]
    assert poison["most_parked"] > 0
