"""What an operator sees of a running system while something is broken: readiness, age of what waits, what is parked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from attune.addresses import SERVICES, Addresses

_METRIC = re.compile(
    r"^(attune_outbox_seconds|attune_lag_seconds|attune_parked_open)(?:\{[^}]*\})? (\S+)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at all services."""

    says_no: Mapping[str, tuple[str, ...]]
    """Parts that are not well, by service; `no answer` where there is none."""
    outbox_s: float
    lag_s: float
    parked: int

    @property
    def calm(self) -> bool:
        return not self.says_no

    @property
    def seen(self) -> tuple[Any, ...]:
        """What makes one look differ from the one before: ages only by steps."""
        return self.says_no, _step(self.outbox_s), _step(self.lag_s), self.parked

    def said(self) -> str:
        """In one line."""
        parts = [f"{s}: {', '.join(no)}" for s, no in self.says_no.items()]
        ready = f"not ready: {'; '.join(parts)}" if parts else "all ready"
        ages = [f"{what} {age:.1f} s old" for what, age in (("outbox", self.outbox_s), ("lag", self.lag_s)) if age >= 1]
        return " | ".join([ready, *ages, *([f"{self.parked} parked"] if self.parked else [])])


def _step(age: float) -> int:
    return 0 if age < 1 else 1 + int(age // 5)


async def look(client: httpx.AsyncClient, addresses: Addresses) -> Sight:
    """As a dashboard would: /readyz and /metrics of each service."""
    found = await asyncio.gather(*(_of(client, addresses.services[s]) for s in SERVICES))
    says_no = {s: no for s, (no, _) in zip(SERVICES, found, strict=True) if no}
    metrics = [metric for _, of in found for metric in of]

    def largest(name: str) -> float:
        return max((value for metric, value in metrics if metric == name), default=0.0)

    parked = sum(value for metric, value in metrics if metric == "attune_parked_open")
    return Sight(says_no, largest("attune_outbox_seconds"), largest("attune_lag_seconds"), int(parked))


async def _of(client: httpx.AsyncClient, url: str) -> tuple[tuple[str, ...], list[tuple[str, float]]]:
    try:
        ready, metrics = await asyncio.gather(client.get(f"{url}/readyz"), client.get(f"{url}/metrics"))
    except httpx.HTTPError:
        return ("no answer",), []
    parts = ready.json().get("parts", {})
    no = tuple(part for part, well in parts.items() if not well) or (() if ready.is_success else ("starting",))
    return no, [(name, float(value)) for name, value in _METRIC.findall(metrics.text)]


@dataclass(slots=True)
class Trouble:
    """One thing that was broken, and what was seen of it; times in seconds since it was struck."""

    name: str
    seen: list[tuple[float, str]] = field(default_factory=list)
    noticed_s: float | None = None
    ready_again_s: float | None = None
    settled_s: float | None = None
    oldest_outbox_s: float = 0.0
    oldest_lag_s: float = 0.0
    most_parked: int = 0

    def note(self, at: float, sight: Sight) -> None:
        """Keeps what one look adds."""
        self.oldest_outbox_s = max(self.oldest_outbox_s, sight.outbox_s)
        self.oldest_lag_s = max(self.oldest_lag_s, sight.lag_s)
        self.most_parked = max(self.most_parked, sight.parked)
        if not sight.calm:
            self.noticed_s = at if self.noticed_s is None else self.noticed_s
            self.ready_again_s = None
        elif self.noticed_s is not None and self.ready_again_s is None:
            self.ready_again_s = at

    def as_dict(self) -> dict[str, Any]:
        figures = ("noticed_s", "ready_again_s", "settled_s", "oldest_outbox_s", "oldest_lag_s")
        rounded = {name: None if (v := getattr(self, name)) is None else round(v, 1) for name in figures}
        seen = [{"at_s": round(at, 1), "seen": said} for at, said in self.seen]
        return {"name": self.name, **rounded, "most_parked": self.most_parked, "seen": seen}
