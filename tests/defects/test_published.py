"""What docs/reliability.md lists is what is checked and what is tried."""

from __future__ import annotations

import pytest

from faults import published
from faults.checks.invariants import described
from faults.defects.defect import every_defect


def test_the_tables_are_true() -> None:
    text = published.PAGE.read_text("utf-8")
    assert published.page(text) == text, "run `python -m faults.published`"


def test_every_invariant_and_every_defect_is_told() -> None:
    text = published.PAGE.read_text("utf-8")
    assert all(says and says in text for says in described().values())
    assert all(f"| {d.name} | {d.breaks} |" in text for d in every_defect())


def test_a_page_without_a_place_for_them_is_refused() -> None:
    with pytest.raises(ValueError, match="invariants"):
        published.page("# Reliability\n")
