"""`attune status` says in one look who is not well, which family is stuck, why and what to do."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from attune import status

AT = "2026-11-23T12:00:00+00:00"
CHILD = "01a20749-9488-7107-96f6-d261f6ae789d"
WELL = {
    "ready": True, "at": AT, "detail": {"parts": {"relay": True}}, "outbox_events": 0, "outbox_since": None,
    "parked_failed": 0, "parked_behind": 0, "refill": None, "replay": None,
}  # fmt: skip


def said(stuck: list[dict[str, Any]], *, every: bool = False, **services: Any) -> str:
    found = {"services": dict.fromkeys(status.SERVICES, WELL) | services, "stuck": stuck}
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(status.shown(found, every=every))
    console.file.close()
    return console.export_text()


def row(**more: Any) -> dict[str, Any]:
    given = {"service": "referral", "what": "parked", "about": CHILD, "child_id": CHILD, "since": AT, "wrong": True}
    return given | {"detail": "rule_raised"} | more


def test_a_quiet_day_is_said_in_a_few_words() -> None:
    text = said([])
    assert "no family is stuck" in text
    assert text.count("yes") == 4


def test_a_stuck_family_stands_there_with_service_time_reason_and_remedy() -> None:
    text = said([row(since="2026-11-23T09:00:00+00:00")])
    line = next(line for line in text.splitlines() if "f6ae789d" in line)
    for word in ("referral", "3 h", "parked", "rule_raised", "retry or discard"):
        assert word in line


def test_what_waits_as_it_should_is_counted_and_shown_when_asked_for() -> None:
    waits = row(what="waits", wrong=False, detail="on the waiting list")
    assert "1 wait as they should" in said([waits])
    assert "on the waiting list" not in said([waits])
    assert "on the waiting list" in said([waits], every=True)


def test_a_service_that_does_not_answer_or_is_not_ready_is_seen_with_the_part_that_says_no() -> None:
    gone = {"ready": False, "unreachable": "workforce does not answer"}
    ill = WELL | {"ready": False, "detail": {"parts": {"relay": False, "database": True}}, "outbox_events": 3}
    text = said([], workforce=gone, screening=ill | {"outbox_since": "2026-11-23T11:58:00+00:00"})
    assert "workforce does not answer" in text
    assert "relay says no" in text
    assert "3 for 2 min" in text


def test_every_kind_that_must_not_be_has_a_remedy() -> None:
    import re
    from pathlib import Path

    import chassis.stuck
    from services.notification import store as notification
    from services.referral import store as referral

    own = "".join(module.STUCK for module in (notification, referral))
    text = Path(chassis.stuck.__file__).read_text() + own
    kinds = set(re.findall(r"SELECT '([a-z_]+)'", text)) | set(re.findall(r"(?:THEN|ELSE) '([a-z_]+)'\s", text))
    assert kinds - {"waits", "not_triaged", "suppressed"} <= status.HELP.keys()
    assert {"parked", "unpublished", "clock_late", "unsettled", "no_consultation", "breached", "task_overdue"} <= kinds
