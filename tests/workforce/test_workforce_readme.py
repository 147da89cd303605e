"""What the README shows is taken as it stands."""

from __future__ import annotations

from pathlib import Path

from services.workforce import main
from tests.support.given import some_id
from tests.support.readme import examples


def test_every_example_is_a_command() -> None:
    path = {"course_version": "1", "norm_version": "1", "session": "2", "cohort_id": str(some_id("cohort"))}
    readme = Path(main.__file__).with_name("README.md")
    shown = {type(command).__name__ for command in examples(readme, main.INPUTS, **path)}
    assert shown == {
        "RegisterPractitioner",
        "AwardCompetence",
        "SuspendCompetence",
        "ChangeCapacity",
        "PlanAbsence",
        "RecordLeaving",
        "DefineCourse",
        "OpenCohort",
        "JoinCohort",
        "RecordAttendance",
        "DefineNorm",
        "SetNorm",
        "RecordSupervision",
    }
