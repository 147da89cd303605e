"""What the README shows is taken as it stands."""

from __future__ import annotations

from pathlib import Path

from services.screening import main
from tests.support.readme import examples


def test_every_example_is_a_command() -> None:
    shown = {type(command).__name__ for command in examples(Path(main.__file__).with_name("README.md"), main.INPUTS)}
    assert shown == {
        "RegisterPregnancy",
        "RecordBirth",
        "RecordScreening",
        "RecordNotCompleted",
    }
