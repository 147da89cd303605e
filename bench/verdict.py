"""The figures beside what they must and should be, and the same in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure of the report: where it stands, what it must be and what we aim for."""

    title: str
    path: tuple[str, ...]
    unit: str
    must: float
    aim: float
    more_is_better: bool = True

    def verdict(self, figure: float) -> str:
        """`aim met`, `must met` or `missed`."""
        return (
            "aim met"
            if self._reaches(figure, self.aim)
            else "must met"
            if self._reaches(figure, self.must)
            else "missed"
        )

    def _reaches(self, figure: float, wanted: float) -> bool:
        return figure >= wanted if self.more_is_better else figure <= wanted


GOALS = (
    Goal("cases/s per core", ("cases_per_second_per_core",), "", 1300, 2200),
    Goal("ratio to the floor, per core", ("ratio_to_floor",), "", 0.6, 0.85),
    Goal("POST to notification at 200/s, p50", ("latency_ms", "at_200", "p50"), "ms", 12, 6, more_is_better=False),
    Goal("POST to notification at 200/s, p99", ("latency_ms", "at_200", "p99"), "ms", 35, 20, more_is_better=False),
    Goal("durable HTTP answers/s, one process", ("http_per_second",), "", 4000, 6000),
    Goal("growth at 10 times the stored cases", ("growth_10x",), "", 0.9, 1.0),
    Goal("memory of the largest service", ("rss_mib_largest_service",), "MiB", 90, 60, more_is_better=False),
    Goal("idle CPU of all services", ("idle_cpu_percent",), "%", 12, 5, more_is_better=False),
    Goal("all ready from `make up`, warm", ("cold_start_s",), "s", 8, 4, more_is_better=False),
)


def judged(report: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry for each goal whose figure was measured."""
    found = []
    for goal in GOALS:
        figure: Any = report
        for name in goal.path:
            figure = figure.get(name) if isinstance(figure, dict) else None
        if figure is not None:
            entry = {"figure": goal.title, "value": figure, "unit": goal.unit, "must": goal.must, "aim": goal.aim}
            found.append(entry | {"verdict": goal.verdict(figure)})
    return found


def summary(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [_row(v) for v in report["verdicts"]]
    head = f"{'figure':<38}{'measured':>11}{'must':>8}{'aim':>8}  {'unit':<5}verdict"
    parts = [head, "-" * len(head), *lines]
    floor = report.get("floor", {})
    for title, keys, form in _DETAILS:
        told = [_side(side, keys, form) for side in (report, floor)]
        if told[0]:
            parts.append(f"{title:<38}{told[0]}" + (f"   (floor: {told[1]})" if told[1] else ""))
    return "\n".join(parts)


def _row(entry: dict[str, Any]) -> str:
    value = entry["value"]
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    figures = f"{value:>11,.{digits}f}{entry['must']:>8,g}{entry['aim']:>8,g}"
    return f"{entry['figure']:<38}{figures}  {entry['unit']:<5}{entry['verdict']}"


def _side(side: dict[str, Any], keys: tuple[str, ...], form: Callable[[Any], str]) -> str:
    found: Any = side
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return form(found) if found is not None else ""


def _numbers(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in found.items())


_DETAILS: tuple[tuple[str, tuple[str, ...], Callable[[Any], str]], ...] = (
    ("cases/s", ("cases_per_second",), lambda n: f"{n:,.0f}"),
    ("cases/s per core", ("cases_per_second_per_core",), lambda n: f"{n:,.0f}"),
    ("CPU ms a case", ("cpu_ms_per_case",), _numbers),
    ("POST to notification at 200/s, ms", ("latency_ms", "at_200"), _numbers),
    ("POST to notification at half, ms", ("latency_ms", "at_half"), _numbers),
    ("durable HTTP answers/s", ("http_per_second",), lambda n: f"{n:,.0f}"),
    ("memory MiB", ("rss_mib",), _numbers),
    ("fdatasync of 8 KiB, us", ("fsync_us",), lambda n: f"{n:,.0f}"),
)
