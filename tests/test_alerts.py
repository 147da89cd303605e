"""Every alert asks for metrics that the services really export, and has its page in the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis import telemetry

ROOT = Path(__file__).parents[1]
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())["groups"][0]["rules"]
RUNBOOK = (ROOT / "docs/operations.md").read_text("utf-8")
EXPORTED = set(re.findall(r"^# TYPE (attune_\w+)", telemetry.metrics_text().decode(), re.MULTILINE))
"""Names as a scrape of a service has them; of a histogram without its endings."""
LABELS = {name: set(c._labelnames) for c, names in telemetry.REGISTRY._collector_to_names.items()
          if hasattr(c, "_labelnames") for name in names}  # fmt: skip
NOTHING = {"attune_inputs_total", "attune_batch_inputs", "attune_batch_seconds", "attune_published_events_total"}
NOTHING |= {"attune_publish_seconds", "attune_outbox_rows", "attune_pruned_total", "attune_messages_in_hand"}
"""For graphs: no value of theirs alone calls for anybody."""


def metrics(expression: str) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"attune_\w+", expression)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_exported(rule: dict[str, Any]) -> None:
    asked = metrics(rule["expr"])
    assert asked <= EXPORTED
    assert asked or "up{" in rule["expr"]
    for name, matchers in re.findall(r"(attune_\w+)\{([^}]*)\}", rule["expr"]):
        asked_labels = {m.partition("=")[0].rstrip("!~") for m in matchers.split(",")}
        assert asked_labels <= LABELS[re.sub(r"_bucket$", "", name)], f"{name} has no such label"
    assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_its_page_in_the_runbook(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    assert rule["labels"]["severity"] in {"page", "look"}
    page = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert page is not None, f"no page for {name}"
    for word in ("**See**", "**Why**", "**Type**"):
        assert word in page[1], f"{name}: {word} is missing"


def test_every_page_belongs_to_an_alert() -> None:
    section = RUNBOOK.partition("## When an alert fires")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", section, re.MULTILINE)) == {rule["alert"] for rule in RULES}


def test_every_metric_is_watched_or_only_for_graphs() -> None:
    watched = set().union(*(metrics(rule["expr"]) for rule in RULES))
    assert EXPORTED - watched - NOTHING == {"attune_part_ready"}


def test_the_commands_of_the_runbook_exist() -> None:
    from attune.__main__ import COMMANDS

    assert set(re.findall(r"`attune ([a-z]+)", RUNBOOK)) <= COMMANDS.keys()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", RUNBOOK)) <= targets
