"""Where a system answers, and readable words when it does not."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from attune.__main__ import application
from attune.addresses import Addresses, NotReachable
from attune.asking import Asking, Refusal
from attune.stack import tokens

SUMMARY: dict[str, Any] = {
    "name": "one",
    "kafka": {"bootstrap": "127.0.0.1:1,127.0.0.1:2", "sasl": {"mechanism": "PLAIN", "username": "u", "password": "p"}},
    "services": {"referral": "http://referral.test"},
    "postgres": {"referral": "postgresql://nowhere"},
    "tokens": {"operator": "token"},
    "files": {"mail": "/var/mail.jsonl"},
}


def test_a_stack_json_says_it_all() -> None:
    addresses = Addresses.of(SUMMARY)
    assert addresses.bootstrap == ("127.0.0.1:1", "127.0.0.1:2")
    assert addresses.mail == Path("/var/mail.jsonl")
    broker = addresses.broker()
    assert (broker.security_protocol, broker.sasl_mechanism, broker.username) == ("SASL_PLAINTEXT", "PLAIN", "u")


def test_without_the_optional_parts_it_still_does() -> None:
    addresses = Addresses.of({"kafka": {"bootstrap": "b:1"}, "services": {}})
    assert (addresses.sasl, addresses.mail, addresses.postgres) == (None, None, {})
    assert addresses.broker().security_protocol == "PLAINTEXT"
    with pytest.raises(NotReachable, match="no token for the role operator"):
        addresses.token("operator")


@pytest.mark.parametrize("summary", [{}, {"kafka": None, "services": {}}, {"kafka": {"bootstrap": "b"}}])
def test_what_is_no_stack_json_is_refused(summary: dict[str, Any]) -> None:
    with pytest.raises(NotReachable, match=r"stack\.json"):
        Addresses.of(summary)


def test_the_file_of_another_system_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(SUMMARY))
    assert Addresses.running(str(path)).name == "one"
    with pytest.raises(NotReachable, match="cannot be read"):
        Addresses.running(str(tmp_path / "none.json"))


def test_a_token_says_for_whom_it_speaks(tmp_path: Path) -> None:
    token = tokens.Issuer(tmp_path).token("midwife")
    addresses = Addresses.of(SUMMARY | {"tokens": {"midwife": token}})
    assert addresses.subject("midwife") == tokens.staff_id("midwife")


@pytest.mark.parametrize(
    "command",
    [
        ["watch"],
        ["case", "12345678"],
        ["parked"],
        ["parked", "retry", "1234", "--by", "jo"],
        ["parked", "discard", "1234", "--by", "jo"],
        ["watch", "--stack", "Bad Name"],
    ],
)
def test_without_a_stack_every_command_says_so_in_one_sentence(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_STATE", str(tmp_path))
    result = CliRunner().invoke(application(command[0]), command)
    assert result.exit_code == 1
    assert result.stderr.startswith("attune: ")
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1


def answering(status: int, body: Any) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body))


async def test_a_refusal_names_rule_and_field() -> None:
    problem = {
        "type": "urn:attune:problem:not-first-of-its-key",
        "detail": "An earlier input of the same key is parked.",
        "errors": [{"field": "parked_id", "rule": "not-first-of-its-key"}],
    }
    async with Asking(Addresses.of(SUMMARY), transport=answering(409, problem)) as asking:
        with pytest.raises(Refusal) as refusal:
            await asking.send("POST /parked/x/retry", "referral", None, role="operator")
    assert (refusal.value.status, refusal.value.rule) == (409, "not-first-of-its-key")
    assert "An earlier input" in str(refusal.value)
    assert "parked_id: not-first-of-its-key" in str(refusal.value)


async def test_a_refusal_in_an_unknown_form_still_says_its_status() -> None:
    async with Asking(Addresses.of(SUMMARY), transport=answering(500, ["?"])) as asking:
        with pytest.raises(Refusal, match="500 http-500"):
            await asking.get("referral", "/parked", role="operator")


async def test_a_service_that_does_not_answer_is_named() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    async with Asking(Addresses.of(SUMMARY), transport=httpx.MockTransport(refuse)) as asking:
        with pytest.raises(NotReachable, match=r"referral does not answer at http://referral\.test"):
            await asking.get("referral", "/parked", role="operator")
        with pytest.raises(NotReachable, match="has no service screening; it has referral"):
            await asking.get("screening", "/parked", role="operator")
