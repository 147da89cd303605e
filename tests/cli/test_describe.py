"""`attune describe` says what the services run on."""

import json

from typer.testing import CliRunner

from attune.__main__ import application
from attune.addresses import SERVICES
from attune.describe import declared, described_service


def run(*arguments: str) -> str:
    result = CliRunner().invoke(application("describe"), ["describe", *arguments], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_names_every_input_rule_and_event_of_every_service() -> None:
    text = run()
    for name in SERVICES:
        described = described_service(name)
        assert len(described["inputs"]) == len(declared(name).inputs)
        for i in described["inputs"]:
            assert i["rule"] in text
            assert i["does"], f"{i['rule']} has no docstring that says what it does"
        for event in described["publishes"]:
            assert event["type"].split(".")[2] in text


def test_one_service_alone_and_as_json() -> None:
    assert json.loads(run("referral", "--json"))["service"] == "referral"
    assert [d["service"] for d in json.loads(run("--json"))] == list(SERVICES)


def test_an_unknown_service_is_refused_with_the_known_ones() -> None:
    result = CliRunner().invoke(application("describe"), ["describe", "booking"])
    assert result.exit_code == 1
    assert "there is no service booking; there are screening" in result.stderr
