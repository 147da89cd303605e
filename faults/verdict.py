"""Judges a campaign: what it saw itself, and every invariant that the checks look at from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from faults.campaign import Result
from faults.ending import QUIET_WITHIN, parked_is_what_was_injected
from faults.plan import POINTS
from faults.world import Check, Finding, Told

FULL = 200
"""With so many faults a campaign is a full one, and each point must have been struck this often:"""
STRUCK_AT_LEAST = 20


async def judge(result: Result, *checks: Check) -> dict[str, Finding]:
    """All findings by name."""
    found = {f.name: f for f in _own(result)}
    for check in checks:
        found |= await check(result.world)
    return found


def _own(r: Result) -> Iterable[Finding]:
    yield _finding("every_case_was_played", r.plan.cases, _cases(r))
    yield _finding("no_answer_of_5xx", len(r.world.answers), r.server_errors)
    unanswered = [f"{a.route} {a.key}: no answer in {a.tries} tries" for a in r.world.answers if a.status is None]
    yield _finding("every_request_was_answered", len(r.world.answers), unanswered)
    yield _finding("one_key_one_answer", len(r.world.answers), r.mismatches)
    accepted = [f"{a.route} {a.key}: {a.status}" for a in r.world.answers if a.bad and not 400 <= (a.status or 0) < 500]
    yield _finding("bad_requests_are_refused", sum(a.bad for a in r.world.answers), accepted)
    yield parked_is_what_was_injected(r.end, r.end.bad_messages)
    yield _finding("comes_to_rest", len(r.struck), r.end.restless)
    yield _finding("quiet_in_30_s", len(r.struck) + 1, _slow(r))
    yield _finding("every_fault_was_made", len(r.struck), [f"{s.fault}: {s.broken}" for s in r.struck if s.broken])
    yield _finding("no_process_ended_by_itself", r.ends.total(), _ended_by_themselves(r.ends))
    yield _finding("everything_went_through_the_proxies", len(r.passed_bytes), _bypassed(r.passed_bytes))
    if len(r.plan.faults) >= FULL:
        rare = [f"{point}: {r.hits[point]} times" for point in POINTS if r.hits[point] < STRUCK_AT_LEAST]
        yield _finding("every_point_was_struck_20_times", len(POINTS), rare)


def _finding(name: str, looked_at: int, broken: list[str], counts_as: Told = "wrong") -> Finding:
    return Finding(name, not broken, looked_at, tuple(broken[:50]), counts_as, len(broken))


def _cases(r: Result) -> list[str]:
    missing = r.plan.cases - r.cases.total()
    return r.cases_failed + ([f"{missing} cases were not played"] if missing else [])


def _slow(r: Result) -> list[str]:
    """Seconds in which others had the machine do not count; the report has both."""
    late = [s for s in r.struck if s.recovery_s - s.starved_s > QUIET_WITHIN]
    slow = [f"{s.fault}: {s.recovery_s} s (starved {s.starved_s} s) {s.waited_for}" for s in late]
    if r.end.quiet_seconds - r.end.starved_seconds > QUIET_WITHIN:
        slow.append(f"the end: {r.end.quiet_seconds:.1f} s {r.end.waited_for}")
    return slow


_AS_WE_DID = {"-9", "-15", "0"}
"""Killed, or asked to stop."""


def _ended_by_themselves(ends: Mapping[str, int]) -> list[str]:
    """A process may end itself when a part of it is dead (status 1); any other status is a crash."""
    return [f"{end}: {n} times" for end, n in ends.items() if end.split()[1] not in _AS_WE_DID | {"1"}]


def _bypassed(passed: Mapping[str, int]) -> list[str]:
    return [f"{name}: nothing passed" for name, count in passed.items() if not count]
