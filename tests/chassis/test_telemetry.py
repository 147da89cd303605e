"""Metrics that can be read by Prometheus, and a trace that goes on."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from chassis import telemetry
from chassis.telemetry import continue_trace, parse_traceparent

SPAN = UUID("018f2f6e-7c00-7000-8000-000000000002")
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def test_every_metric_has_a_name_of_ours_and_a_meaning() -> None:
    families = list(text_string_to_metric_families(telemetry.metrics_text().decode()))
    ours = [family for family in families if not family.name.startswith("process_")]
    assert len(ours) >= 13
    for family in ours:
        assert family.name.startswith("attune_")
        assert len(family.documentation) > 10


def test_a_trace_goes_on_under_a_new_span() -> None:
    assert continue_trace(PARENT, SPAN) == "00-4bf92f3577b34da6a3ce929d0e0e4736-8000000000000002-00"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        PARENT + "-more",
        PARENT.upper(),
        PARENT.replace("00-4", "ff-4"),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-00",
        PARENT + "\n",
    ],
)
def test_without_a_valid_parent_a_trace_begins(header: str | None) -> None:
    assert parse_traceparent(header) is None
    assert continue_trace(header, SPAN) == f"00-{SPAN.hex}-8000000000000002-01"


@given(st.text())
def test_any_header_gives_a_valid_trace(header: str) -> None:
    assert parse_traceparent(continue_trace(header, SPAN)) is not None
