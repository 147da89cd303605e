"""The checks of a campaign from outside: readers bring facts, pure functions judge them, one finding per invariant."""

from __future__ import annotations

from collections.abc import Mapping

from faults.checks.invariants import judge
from faults.checks.reading import observe
from faults.world import Finding, World


async def check(world: World) -> Mapping[str, Finding]:
    """Every invariant by its name. Looks at databases, topics, mails, logs and processes, and changes nothing."""
    return judge(await observe(world))
