"""Each defect of the negative control still fits the sources, and the tests that must catch it still exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from faults.defects.defect import Defect, Edit, OutOfDate, every_defect

ROOT = Path(__file__).parents[2]
DEFECTS = every_defect()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_a_defect_still_fits(defect: Defect) -> None:
    changed = defect.applied(ROOT)
    assert changed
    for name, text in changed.items():
        assert text != (ROOT / name).read_text("utf-8")
        if name.endswith(".py"):
            ast.parse(text)  # a defect is a wrong program, not one that does not run


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_a_defect_says_what_it_breaks_and_which_tests_must_notice(defect: Defect) -> None:
    assert re.fullmatch("P([1-9]|10)", defect.breaks)
    assert re.fullmatch(r"[A-Z].{15,150}\.", defect.says)
    assert defect.tests
    for test in defect.tests:
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert f"def {name}(" in text or not name, f"there is no {test} any more"


def test_there_are_enough_each_once_and_every_promise_is_broken_by_one() -> None:
    names = [d.name for d in DEFECTS]
    assert len(names) == len(set(names)) >= 25
    assert {d.breaks for d in DEFECTS} == {f"P{n}" for n in range(1, 11)}


@pytest.mark.parametrize(
    "edit",
    [
        Edit("Makefile", "no such passage", ""),
        Edit("Makefile", "$(BIN)", ""),
        Edit("no/such/file.py", "x", "y"),
        Edit("Makefile", ".DEFAULT_GOAL := help", ".DEFAULT_GOAL := help"),
    ],
)
def test_a_defect_that_does_not_fit_fails_loudly(edit: Edit) -> None:
    with pytest.raises(OutOfDate, match="mistake"):
        Defect("mistake", "P1", "", (edit,), ()).applied(ROOT)
