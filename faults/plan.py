"""What is broken, when and for how long: a pure function of seed and sizes, so that the same seed breaks the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SERVICES = ("screening", "referral", "notification", "workforce")
READERS = ("screening", "referral", "notification")
"""Services with a consumer group of their own, of which there can be several members."""
POINTS: Mapping[str, tuple[str, ...]] = {
    "commit.before": SERVICES,
    "commit.after": SERVICES,
    "publish.before": SERVICES,
    "publish.after": SERVICES,
    "forget.after": SERVICES,
    "acknowledge.before": READERS,
    "acknowledge.after": READERS,
    "send.before": ("notification",),
    "send.after": ("notification",),
}
"""Named points, and the services that come there."""
STRIKES = 4
"""How often one fault strikes at its point, one process after the other; in a short campaign once."""
SHORT = 30
"""Below so many faults a campaign is a short one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to break something."""

    name: str
    targets: tuple[str, ...] = ("",)
    lasts: tuple[float, float] = (0.0, 0.0)
    numbers: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Further figures, each between two ends."""
    alone: bool = False
    """Never struck together with another: it changes for good what the other needs."""
    touches: str = ""
    """What two faults struck together must not both touch."""


_POSTGRES = tuple(f"postgres:{s}" for s in SERVICES)
_NETWORK = ("kafka", *_POSTGRES, "smtp")

KINDS: tuple[Kind, ...] = (
    Kind("service_killed", SERVICES, (0.0, 2.0), touches="service"),
    Kind("service_frozen", SERVICES, (1.0, 9.0), touches="service"),
    Kind("all_services_killed", touches="service"),
    Kind("kafka_killed", touches="kafka"),
    Kind("kafka_frozen", lasts=(2.0, 9.0), touches="kafka"),
    Kind("kafka_unreachable", lasts=(2.0, 9.0), touches="kafka"),
    Kind("kafka_emptied", alone=True),
    Kind("postgres_fast_restart", touches="postgres"),
    Kind("postgres_immediate_restart", touches="postgres"),
    Kind("postgres_killed", touches="postgres"),
    Kind("postgres_frozen", lasts=(2.0, 9.0), touches="postgres"),
    Kind("postgres_sessions_ended", ("", *SERVICES), touches="postgres"),
    Kind("postgres_disk_full", lasts=(2.0, 6.0), alone=True),
    Kind("commit_cut_before", SERVICES, (2.0, 4.0), {"times": (1, 4)}, touches="postgres"),
    Kind("commit_cut_after", SERVICES, (2.0, 4.0), {"times": (1, 4)}, touches="postgres"),
    Kind("network_latency", _NETWORK, (2.0, 6.0), {"milliseconds": (20, 800)}, touches="network"),
    Kind("network_blackhole", _NETWORK, (1.0, 8.0), touches="network"),
    Kind("network_reset", _NETWORK, (0.5, 3.0), touches="network"),
    Kind("network_half_close", _NETWORK, (0.5, 3.0), touches="network"),
    Kind("network_cut_after", _NETWORK, (1.0, 3.0), {"bytes": (1, 4000)}, touches="network"),
    Kind("mail_down", lasts=(2.0, 5.0), touches="mail"),
    Kind("mail_slow", lasts=(2.0, 5.0), numbers={"milliseconds": (300, 1500)}, touches="mail"),
    Kind("mail_4xx", lasts=(2.0, 4.0), touches="mail"),
    Kind("mail_5xx", lasts=(2.0, 4.0), touches="mail"),
    Kind("mail_answer_lost", lasts=(2.0, 4.0), touches="mail"),
    Kind("delivered_again", numbers={"records": (1, 40), "copies": (1, 100)}, touches="delivery"),
    Kind("reordered", numbers={"records": (20, 200)}, touches="delivery"),
    Kind("read_from_zero", READERS, touches="service"),
    Kind("group_deleted", READERS, touches="service"),
    Kind("rebalance_storm", ("referral", "notification"), (6.0, 12.0), touches="service"),
    Kind("two_relays", SERVICES, (2.0, 5.0), touches="service"),
    Kind("rolling_upgrade", touches="service", alone=True),
    Kind("clock_hour", alone=True),
    Kind("clock_day", alone=True),
    Kind("clock_summer_begins", alone=True),
    Kind("clock_summer_ends", alone=True),
)
AT_POINTS = Kind("dies_at", SERVICES, touches="service"), Kind("stops_at", SERVICES, (1.0, 2.0), touches="service")
BY_NAME: Mapping[str, Kind] = {k.name: k for k in (*KINDS, *AT_POINTS)}
NOT_MORE_THAN: Mapping[str, int] = {"clock_summer_begins": 2, "clock_summer_ends": 2, "clock_day": 4}
"""The clock only goes forward: too many years and every certificate has lapsed."""
FIRST = ("service_killed", "kafka_killed", "postgres_immediate_restart", "commit_cut_after", "delivered_again")
"""In every plan, however small."""
SHARE_AT_POINTS = 0.36
TAKES: Mapping[str, float] = {
    "dies_at": 4.0,
    "stops_at": 2.0,
    "kafka_killed": 5.0,
    "kafka_emptied": 12.0,
    "postgres_disk_full": 3.0,
    "read_from_zero": 4.0,
    "group_deleted": 4.0,
    "rebalance_storm": 8.0,
    "two_relays": 8.0,
    "rolling_upgrade": 20.0,
    "clock_summer_begins": 6.0,
    "clock_summer_ends": 6.0,
}
"""Seconds that a fault needs beside what it lasts, about; for a point, each time."""
PAIRS = 0.2
"""Share of faults that are struck while another one lasts."""
QUIET_SECONDS = 4.0
"""Between the end of one fault and the next, as planned; the run waits longer where recovery does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan; `at` in seconds since the load began, as planned."""

    number: int
    at: float
    kind: str
    target: str
    lasts: float
    numbers: Mapping[str, int]
    point: str | None = None
    together: bool = False
    """Struck while the fault before it still lasts."""

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the report."""
        told: dict[str, Any] = {"number": self.number, "at": self.at, "kind": self.kind, "target": self.target}
        told |= {"lasts": self.lasts, "together": self.together} | dict(self.numbers)
        return told if self.point is None else told | {"point": self.point}

    def __str__(self) -> str:
        about = " ".join([self.kind, *filter(None, (self.target, self.point))])
        return " ".join([about, *(f"{name}={n}" for name, n in self.numbers.items())])


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults of one campaign, in order."""

    seed: int
    cases: int
    faults: tuple[Fault, ...]

    @property
    def seconds(self) -> float:
        """How long it takes as planned."""
        last = self.faults[-1] if self.faults else None
        return last.at + last.lasts + QUIET_SECONDS if last else 0.0

    def groups(self) -> list[tuple[Fault, ...]]:
        """Faults that are struck together."""
        found: list[list[Fault]] = []
        for fault in self.faults:
            if fault.together:
                found[-1].append(fault)
            else:
                found.append([fault])
        return [tuple(group) for group in found]


def plan(seed: int, cases: int, faults: int) -> Plan:
    """The faults for this seed. Every kind comes before any comes twice, where the number allows."""
    chance = random.Random(f"{seed}/{cases}/{faults}")
    points = round(faults * SHARE_AT_POINTS)
    chosen = [*_kinds(chance, faults - points), *_at_points(chance, points)]
    chance.shuffle(chosen)
    return Plan(seed, cases, tuple(_timed(chance, chosen)))


Chosen = tuple[Kind, str, str | None]


def _kinds(chance: random.Random, count: int) -> list[Chosen]:
    drawn: list[Kind] = [BY_NAME[name] for name in FIRST[:count]]
    used: dict[str, int] = dict.fromkeys((k.name for k in drawn), 1)
    rest: list[Kind] = []
    while len(drawn) < count:
        if not rest:
            low = min(used.get(k.name, 0) for k in KINDS if k.name not in NOT_MORE_THAN)
            rest = [k for k in KINDS if used.get(k.name, 0) <= min(low, NOT_MORE_THAN.get(k.name, low + 1) - 1)]
            chance.shuffle(rest)
        kind = rest.pop()
        used[kind.name] = used.get(kind.name, 0) + 1
        drawn.append(kind)
    turns: dict[str, list[str]] = {}
    return [(kind, _next_of(chance, turns, kind.name, kind.targets), None) for kind in drawn]


def _at_points(chance: random.Random, count: int) -> list[Chosen]:
    dies, stops = AT_POINTS
    turns: dict[str, list[str]] = {}
    made: list[Chosen] = []
    for n in range(count):
        point = _next_of(chance, turns, "points", tuple(POINTS))
        target = _next_of(chance, turns, point, POINTS[point])
        made.append((stops if n % 5 == 4 else dies, target, point))
    return made


def _next_of(chance: random.Random, turns: dict[str, list[str]], name: str, among: Sequence[str]) -> str:
    """One after the other in a shuffled order, then again: nobody is left out for long."""
    if not turns.get(name):
        turns[name] = list(among)
        chance.shuffle(turns[name])
    return turns[name].pop()


def _timed(chance: random.Random, chosen: Sequence[Chosen]) -> Iterator[Fault]:
    at, before, ends = 2.0, None, 0.0
    for n, (kind, target, point) in enumerate(chosen):
        together = before is not None and chance.random() < 2 * PAIRS and _go_together(before, kind)
        lasts = round(chance.uniform(*kind.lasts), 1)
        numbers = {name: chance.randint(low, high) for name, (low, high) in kind.numbers.items()}
        if point is not None:
            numbers["times"] = STRIKES if len(chosen) >= SHORT else 1
        if not together:
            at = ends + QUIET_SECONDS if n else at
        struck = round(at + (0.5 if together else 0.0), 1)
        takes = TAKES.get(kind.name, 1.0) * (numbers["times"] if point is not None else 1)
        ends = max(ends if together else 0.0, struck + lasts + takes)
        yield Fault(n, struck, kind.name, target, lasts, numbers, point, together)
        before = None if together else kind  # never three at once


def _go_together(one: Kind, other: Kind) -> bool:
    return not one.alone and not other.alone and one.touches != other.touches
