"""Birth notifications: the form of a line, and a report that names fields and rules and repeats no value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from attune.__main__ import application
from attune.births import Fault, Notification, read
from attune.clinic.sample import SAMPLES
from tests.support.field import nhs_number

GOOD: dict[str, Any] = {"notification_id": "MAT-1", "born_on": "2026-11-02"}
CANARY = "Marigold"


def written(folder: Path, *lines: bytes) -> Path:
    path = folder / "births.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def line(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def run(path: Path, folder: Path, *options: str) -> Any:
    report = folder / "report.jsonl"
    command = ["import", "births", str(path), "--dry-run", "--report", str(report), *options]
    return CliRunner().invoke(application("import"), command, env={"COLUMNS": "120"}), report


def test_the_sample_has_the_form(tmp_path: Path) -> None:
    result, report = run(SAMPLES / "birth_notifications.jsonl", tmp_path)
    assert result.exit_code == 0, result.output
    assert "5 have the form of a notification, 0 not" in result.output
    assert not report.exists()


def test_lines_become_what_the_api_takes(tmp_path: Path) -> None:
    number = nhs_number()
    path = written(tmp_path, line(nhs_number=number), b"", b"   ", line(notification_id="MAT-2", birth="still"))
    first, second = read(path)
    assert first == Notification(1, "MAT-1", {"born_on": "2026-11-02", "nhs_number": number})
    assert isinstance(second, Notification)
    assert (second.line, second.body["birth"]) == (4, "still")


@pytest.mark.parametrize(
    ("content", "field", "rule"),
    [
        (CANARY.encode(), None, "not_an_object"),
        (b'{"notification_id": "M' + CANARY.encode(), None, "json_invalid"),
        (b'{"born_on": "2026-11-02"}', "notification_id", "missing"),
        (line(notification_id="Mari gold"), "notification_id", "string_pattern_mismatch"),
        (line(born_on=CANARY), "born_on", "date_parsing"),
        (line(nhs_number="9990001234"), "nhs_number", "nhs_number_check_digit"),
        (line(children_born=5), "children_born", "less_than_equal"),
        (line(children_born="2"), "children_born", "int_type"),
        (line(birth=CANARY), "birth", "literal_error"),
        (line(mother=CANARY), None, "extra_forbidden"),
        (b'{"notification_id": "MAT-1", "born_on": "2026-11-02", "born_on": "2026-11-03"}', "born_on", "duplicate_key"),
        (b'\xff{"notification_id": "MAT-1"}', None, "not_utf8"),
        (b'{"notification_id": "' + b"M" * 70_000 + b'"}', None, "body-too-large"),
    ],
)
def test_a_line_without_the_form_is_reported_by_field_and_rule(
    tmp_path: Path, content: bytes, field: str | None, rule: str
) -> None:
    path = written(tmp_path, line(), content, line(notification_id="MAT-3"))
    first, fault, third = read(path)
    assert isinstance(first, Notification)
    assert isinstance(third, Notification)
    assert isinstance(fault, Fault)
    assert fault.line == 2
    assert fault.errors[0][1] == rule
    if field is not None:
        assert fault.errors[0][0] == field
    result, report = run(path, tmp_path)
    assert result.exit_code == 1
    assert "2 have the form of a notification, 1 not" in result.output
    (reported,) = [json.loads(text) for text in report.read_text().splitlines()]
    assert reported["line"] == 2
    assert CANARY not in result.output + report.read_text()
