"""Metrics that can be read by Prometheus."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from chassis import telemetry


def test_every_metric_has_a_name_of_ours_and_a_meaning() -> None:
    families = list(text_string_to_metric_families(telemetry.metrics_text().decode()))
    ours = [family for family in families if not family.name.startswith("process_")]
    assert len(ours) >= 13
    for family in ours:
        assert family.name.startswith("attune_")
        assert len(family.documentation) > 10
