"""What a process tells about itself: every metric with its meaning, and the log (see logs.py).

Labels are closed lists of words, never ids.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from chassis.logs import set_up

__all__ = [
    "BATCH_INPUTS",
    "BATCH_SECONDS",
    "CHANNEL_FAILING",
    "CLOCK_LATE_SECONDS",
    "DECIDE_ERRORS",
    "DELIVERIES",
    "HTTP_REQUESTS",
    "HTTP_SECONDS",
    "INPUTS",
    "JOURNAL_MONTHS_AHEAD",
    "JOURNAL_UNPLACED",
    "LAG_SECONDS",
    "MESSAGES_IN_HAND",
    "METRICS_TYPE",
    "OUTBOX_ROWS",
    "OUTBOX_SECONDS",
    "PARKED_OPEN",
    "PART_READY",
    "PRUNED",
    "PUBLISHED",
    "PUBLISH_SECONDS",
    "READY",
    "REFILL_LEFT",
    "REGISTRY",
    "REPLAY_LEFT",
    "RETENTION_ERRORS",
    "RETRIES",
    "metrics_text",
    "set_up",
]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

INPUTS = Counter(
    "attune_inputs",
    "Inputs decided. kind: command, event, clock; name: of the intake; outcome: done, duplicate, refused, parked.",
    ("kind", "name", "outcome"),
    registry=REGISTRY,
)
BATCH_INPUTS = Histogram("attune_batch_inputs", "Inputs in one transaction.", buckets=_SIZES, registry=REGISTRY)
BATCH_SECONDS = Histogram(
    "attune_batch_seconds", "Time from claim to commit of one batch.", buckets=_LATENCY, registry=REGISTRY
)
DECIDE_ERRORS = Counter(
    "attune_decide_errors",
    "Rules that raised instead of deciding: a bug; the input is parked.",
    ("intake",),
    registry=REGISTRY,
)
RETRIES = Counter(
    "attune_retries",
    "Work tried again. reason: race (a row had changed), apart (perhaps a clock's fault: again without it), "
    "away (no database), relay (no broker), error (anything else).",
    ("reason",),
    registry=REGISTRY,
)
OUTBOX_ROWS = Gauge(
    "attune_outbox_rows", "Events committed and not yet published, in the last look.", registry=REGISTRY
)
OUTBOX_SECONDS = Gauge(
    "attune_outbox_seconds", "Age of the oldest event that is not yet published; 0 when none waits.", registry=REGISTRY
)
PUBLISHED = Counter("attune_published_events", "Events acknowledged by the broker.", registry=REGISTRY)
PUBLISH_SECONDS = Histogram(
    "attune_publish_seconds",
    "Time from sending a batch of events to the broker's acknowledgement.",
    buckets=_LATENCY,
    registry=REGISTRY,
)
LAG_SECONDS = Gauge(
    "attune_lag_seconds",
    "Age of the oldest event of a topic that was fetched, growing while it is in hand; 0 when none waits.",
    ("topic",),
    registry=REGISTRY,
)
CLOCK_LATE_SECONDS = Gauge(
    "attune_clock_late_seconds",
    "How long the oldest row that a clock found due in its last look had been due; 0 when none was.",
    ("clock",),
    registry=REGISTRY,
)
PARKED_OPEN = Gauge("attune_parked_open", "Inputs parked, neither handled since nor discarded.", registry=REGISTRY)
JOURNAL_MONTHS_AHEAD = Gauge(
    "attune_journal_months_ahead", "Months after this one for which the journal has a partition.", registry=REGISTRY
)
JOURNAL_UNPLACED = Gauge(
    "attune_journal_unplaced_rows", "Events in no month's partition: kept, but a month is missing.", registry=REGISTRY
)
PRUNED = Counter(
    "attune_pruned",
    "What was old enough to go. what: events and replies (rows of the inbox), months (partitions of the journal).",
    ("what",),
    registry=REGISTRY,
)
RETENTION_ERRORS = Counter(
    "attune_retention_errors", "Rounds of making months and removing what is old that failed.", registry=REGISTRY
)
REFILL_LEFT = Gauge(
    "attune_refill_events_left", "Events still to be sent again from the journal; new ones wait.", registry=REGISTRY
)
REPLAY_LEFT = Gauge(
    "attune_replay_records_left", "Records that this process still has to read again.", registry=REGISTRY
)
READY = Gauge("attune_ready", "Whether /readyz says yes.", registry=REGISTRY)
PART_READY = Gauge(
    "attune_part_ready", "Whether a part of the service works, as /readyz has it.", ("part",), registry=REGISTRY
)
MESSAGES_IN_HAND = Gauge(
    "attune_messages_in_hand",
    "Claimed messages that wait for their channel, and batches of them that are being sent or whose result is not "
    "recorded yet.",
    registry=REGISTRY,
)
CHANNEL_FAILING = Gauge(
    "attune_channel_failing", "Whether a channel takes no messages at the moment.", ("channel",), registry=REGISTRY
)
HTTP_REQUESTS = Counter(
    "attune_http_requests",
    "HTTP answers by method, route template (`unmatched` where there is none) and status.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "attune_http_seconds",
    "Time to answer an HTTP request by method and route template.",
    ("method", "route"),
    buckets=_LATENCY,
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "attune_deliveries",
    "Attempts to deliver a message. outcome: delivered, failed, doubtful, suppressed.",
    ("channel", "outcome"),
    registry=REGISTRY,
)


def metrics_text(names: Sequence[str] = ()) -> bytes:
    """All metrics in the Prometheus text format, or those with one of these names."""
    return generate_latest(REGISTRY.restricted_registry(names) if names else REGISTRY)
