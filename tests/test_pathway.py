"""docs/pathway.md says what the rules do; the states that the field knows are all in it."""

from __future__ import annotations

from pathlib import Path

from attune.pathway.document import document
from attune.pathway.steps import child_steps, consultation_steps, work_steps

ROOT = Path(__file__).resolve().parents[1]


def test_the_diagrams_are_true() -> None:
    written = (ROOT / "docs" / "pathway.md").read_text("utf-8")
    assert written == document(), "write them anew: .venv/bin/attune pathway > docs/pathway.md"


def test_every_state_that_is_drawn_is_reached() -> None:
    child = {s.after for s in child_steps()}
    assert {
        "expected",
        "born",
        "window open",
        "screened",
        "missed",
        "stillborn",
        "died",
        "adopted",
        "moved_out",
    } <= child
    assert {s.after for s in consultation_steps()} == {
        "waiting", "assigned", "held", "reported", "closed", "declined", "withdrawn",
    }  # fmt: skip
    assert {s.after for s in work_steps()} == {"waits", "under_way", "ended"}


def test_an_ended_record_leads_nowhere_but_to_where_it_may_go_on() -> None:
    steps = child_steps()
    assert {s.after for s in steps if s.before in {"died", "adopted", "loss"}} == set()
    assert {s.after for s in consultation_steps() if s.before in {"closed", "declined", "withdrawn"}} == {"waiting"}
