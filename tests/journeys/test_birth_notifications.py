"""Birth notifications of a maternity unit: taken in once, however often the file is sent; faults named by line."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from attune.__main__ import application
from tests.support.field import Field, Team, nhs_number

UNIT = "MAT"


def run(field: Field, team: Team, path: Path) -> Any:
    report = path.with_suffix(".report")
    options = ["--team", str(team.id), "--report", str(report), "--stack", str(field.stack.layout.summary)]
    return CliRunner().invoke(application("import"), ["import", "births", str(path), *options], env={"COLUMNS": "120"})


async def test_a_file_is_taken_in_once(field: Field, tmp_path: Path) -> None:
    team = await field.team(told=False)
    day, mother, twins = str(field.now().date() - timedelta(days=2)), nhs_number(), [nhs_number(), nhs_number()]
    run_of = f"{UNIT}-{team.id.hex[-8:]}"
    lines: list[dict[str, Any]] = [
        {"notification_id": f"{run_of}-{n}", "born_on": day, "nhs_number": nhs_number()} for n in range(30)
    ]
    lines += [
        {"notification_id": f"{run_of}-t{n}", "born_on": day, "nhs_number": number, "mother_nhs_number": mother}
        | {"children_born": 2}
        for n, number in enumerate(twins)
    ]
    lines += [
        lines[0],
        {"notification_id": f"{run_of}-future", "born_on": str(field.now().date() + timedelta(days=3))},
        lines[1] | {"born_on": str(field.now().date() - timedelta(days=3))},
        {"notification_id": f"{run_of}-number", "born_on": day, "nhs_number": "9990001234"},
    ]
    path = tmp_path / "births.jsonl"
    path.write_text("\n".join(json.dumps(entry) for entry in lines))
    for _ in range(2):
        result = await asyncio.to_thread(run, field, team, path)
        assert result.exit_code == 1, result.output
        assert "33 taken, 3 not" in result.output
        faults = [json.loads(text) for text in path.with_suffix(".report").read_text().splitlines()]
        assert [(f["line"], f["errors"][0]["field"], f["errors"][0]["rule"]) for f in faults] == [
            (34, "born_on", "birth-in-future"),
            (35, "notification_id", "key-reused"),
            (36, "nhs_number", "nhs_number_check_digit"),
        ]
        assert not any(number in result.output for number in (*twins, mother, day))
        born = await field.rows(
            "screening", "SELECT pregnancy_id, children_born FROM children WHERE team_id = $1", team.id
        )
        assert len(born) == 32
        assert len({r["pregnancy_id"] for r in born if r["children_born"] == 2}) == 1
