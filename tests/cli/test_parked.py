"""The list of parked inputs, and how one of them is named."""

from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from attune.addresses import NotReachable
from attune.parked import parked, shown, why
from attune.resolving import chosen
from tests.support.given import NOON, some_id


def row(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": str(some_id(name)),
        "service": "referral",
        "key": str(some_id("child")),
        "intake": "attune.screening.screening-completed.v1",
        "type": "attune.screening.screening-completed.v1",
        "state": "failed",
        "reason": "schema_violation",
        "detail": "outcome missing",
        "attempts": 1,
        "parked_at": NOON.isoformat(),
        "resolved_by": None,
        "topic": "attune.screening",
        "partition": 3,
        "offset": 17,
    } | changed


def text(*rows: dict[str, Any]) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(shown(rows, NOON + timedelta(minutes=5)))
    return capture.get()


def test_nothing_parked_is_said() -> None:
    assert "nothing is parked" in text()


def test_a_parked_input_shows_id_service_age_state_and_reason() -> None:
    shown_text = text(row("a"))
    assert some_id("a").hex[-8:] in shown_text
    for part in ("referral", "5 min", "failed", "schema violation (outcome missing)"):
        assert part in " ".join(shown_text.split())


def test_one_that_queues_says_that_it_waits() -> None:
    assert why(row("a", state="queued", reason="behind_parked")).endswith("waits for the one before it")


def test_attempts_and_the_operator_are_named() -> None:
    assert why(row("a", attempts=3)).endswith(", tried 3 times")
    assert why(row("a", state="retry", resolved_by="jo.b/5d9d")).endswith(", retry by jo.b")


def test_what_could_not_even_be_read_is_named_by_its_place() -> None:
    unreadable = row("a", type=None, intake="unreadable", key="raw:ff", reason="not_json", detail="")
    assert why(unreadable) == "record attune.screening/3/17: not json"


def test_a_name_that_cannot_be_recorded_is_refused_before_anything_is_asked() -> None:
    result = CliRunner().invoke(parked, ["retry", "1234", "--by", "Jo B"])
    assert result.exit_code == 2
    assert "'Jo B' cannot be recorded" in result.stderr


def test_one_is_chosen_by_its_id_or_the_end_of_it() -> None:
    rows = [row("a"), row("b")]
    assert chosen(rows, str(some_id("a")))["id"] == str(some_id("a"))
    assert chosen(rows, str(some_id("b"))[-6:].upper())["id"] == str(some_id("b"))


@pytest.mark.parametrize("wanted", ["", "ffffffffff"])
def test_one_that_is_not_there_is_said_to_be_missing(wanted: str) -> None:
    with pytest.raises(NotReachable, match="no parked input"):
        chosen([row("a")], wanted)


def test_an_end_that_two_share_is_not_guessed() -> None:
    twin = row("b", id="019cae6c-0000-7000-8000-00000000" + str(some_id("a"))[-4:])
    with pytest.raises(NotReachable, match="2 parked inputs"):
        chosen([row("a"), twin], str(some_id("a"))[-4:])


def test_a_record_that_two_services_could_not_read_needs_the_service() -> None:
    with pytest.raises(NotReachable, match="parked in referral, notification: say which with --service"):
        chosen([row("a"), row("a", service="notification")], str(some_id("a")))
