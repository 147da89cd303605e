"""What the README shows is taken as it stands."""

from __future__ import annotations

from pathlib import Path

from services.screening import main
from tests.support.readme import examples


def test_every_example_is_a_command() -> None:
    readme = Path(main.__file__).with_name("README.md")
    ids = dict.fromkeys(("pregnancy_id", "child_id", "screening_id"), "019cae6c-0000-7000-8000-0000000000e1")
    shown = {type(command).__name__ for command in examples(readme, main.INPUTS, **ids)}
    assert shown == {
        "RegisterPregnancy",
        "RecordBirth",
        "RecordScreening",
        "RecordNotCompleted",
        "EndPregnancy",
        "CorrectBirth",
        "MoveChild",
        "RecordArrival",
        "RecordDeath",
        "RecordAdoption",
        "MergeRecords",
        "RecordSecondRating",
    }
