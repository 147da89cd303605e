"""What the README shows is taken as it stands."""

from __future__ import annotations

from pathlib import Path

from services.referral import main
from tests.support.given import some_id
from tests.support.readme import examples


def test_every_command_is_shown_by_an_example() -> None:
    readme = Path(main.__file__).with_name("README.md")
    ids = {"consultation_id": str(some_id("case")), "team_id": str(some_id("team"))}
    ids |= {"task_id": str(some_id("task"))}
    ids |= {"intervention_version": "1", "measure_version": "1"}
    shown = {type(c).__name__ for c in examples(readme, main.INPUTS, **ids)}
    assert shown == {
        "RequestConsultation",
        "AcknowledgeConsultation",
        "WithdrawConsultation",
        "CloseCase",
        "HandOverCase",
        "AcceptCase",
        "LoadIntervention",
        "LoadMeasure",
        "PlanDirectWork",
        "RecordSession",
        "RecordMeasure",
        "EndDirectWork",
        "HandOverCaseload",
        "DeclineCase",
        "SetPolicy",
        "TriageConsultation",
        "RecordConsent",
        "HoldConsultation",
        "ReportConsultation",
        "ReopenConsultation",
        "WriteOnwardPlan",
        "PauseClock",
        "ResumeClock",
        "SetConsultationRules",
        "RaiseTask",
        "DelegateTask",
        "FinishTask",
    }
