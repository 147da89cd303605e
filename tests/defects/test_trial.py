"""A trial says caught only when a named test failed by itself, in a copy that has the defect and no other change."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.defects.defect import Defect, Edit
from faults.defects.trial import _outcome, run, spoilt_copy

_RULE = "def allowed(points: int, free: int) -> bool:\n    return points <= free\n"
_TEST = """from rule import allowed


def test_what_fits_is_allowed() -> None:
    assert allowed(2, 2)


def test_what_does_not_fit_is_not() -> None:
    assert not allowed(3, 2)
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    made = tmp_path / "base"
    made.mkdir()
    (made / "rule.py").write_text(_RULE)
    (made / "test_rule.py").write_text(_TEST)
    return made


def _defect(new: str, test: str = "test_rule.py") -> Defect:
    return Defect("mistake", "P7", "", (Edit("rule.py", "points <= free", new),), (test,))


@pytest.mark.parametrize(
    ("defect", "verdict", "failed"),
    [
        (_defect("points < free"), "caught", ("test_rule.py::test_what_fits_is_allowed",)),
        (_defect("points <= free + 0"), "survived", ()),
        (_defect("points < free", "test_rule.py::test_what_does_not_fit_is_not"), "survived", ()),
        (_defect("points <= free\n\nraise ImportError"), "broken", ()),
        (_defect("points < free", "test_gone.py"), "broken", ()),
    ],
)
def test_the_verdict(base: Path, defect: Defect, verdict: str, failed: tuple[str, ...]) -> None:
    copy = spoilt_copy(base, base.parent / "copy", defect)
    outcome = run(copy, defect.tests, {})
    assert (outcome.verdict, outcome.failed) == (verdict, failed), outcome.output
    assert (base / "rule.py").read_text() == _RULE


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        ('<failure message="Failed: Timeout (&gt;120.0s) from pytest-timeout."/>', "broken"),
        ('<failure message="AssertionError"/>', "caught"),
        ("<error/>", "broken"),
        ("<skipped/>", "broken"),
        ("", "survived"),
    ],
)
def test_only_a_test_that_failed_by_itself_has_noticed(tmp_path: Path, case: str, verdict: str) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        f'<testsuites><testsuite><testcase classname="t" name="n">{case}</testcase></testsuite></testsuites>'
    )
    assert _outcome(report, 0.0, "").verdict == verdict
    assert _outcome(tmp_path / "none.xml", 0.0, "").verdict == "broken"
