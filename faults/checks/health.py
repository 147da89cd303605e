"""Health told the truth at the end: each process that should live does, and says that it is well."""

from __future__ import annotations

from collections.abc import Iterator

from attune.fault import Fault
from faults.checks.facts import Judged, Observed


def every_process_is_well(seen: Observed) -> Judged:
    """Alive, live and ready: none has gone, and none is there and does nothing."""
    return len(seen.world.processes), _unwell(seen)


def _unwell(seen: Observed) -> Iterator[Fault]:
    pulses = {p.pid: p for p in seen.pulses}
    for process in seen.world.processes:
        pulse = pulses.get(process.pid)
        name = f"{process.service} ({process.pid})"
        if pulse is None or not pulse.alive:
            yield Fault("wrong", f"{name} has gone")
        elif pulse.live != 200 or pulse.ready != 200:
            yield Fault("wrong", f"{name} lives and answers {pulse.live} to /livez, {pulse.ready} to /readyz")
