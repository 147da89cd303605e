"""The check that every demo ends with, on what a campaign leaves: contradictions of databases, topics and mails."""

from __future__ import annotations

from collections.abc import Mapping

from attune.addresses import Addresses
from attune.facts import Gatherer
from attune.reconcile import Fault, reckon
from faults.world import Finding, Told, World


async def check(world: World) -> Mapping[str, Finding]:
    """One finding for what is lost, one for what is there twice, one for the rest."""
    addresses = Addresses("campaign", (world.bootstrap,), None, dict(world.urls), dict(world.dsn), {}, world.mail)
    async with Gatherer(addresses) as gatherer:
        facts = await gatherer.facts()
    doubtful = {str(m.message_id) for m in facts.letters if m.status == "doubtful" and m.channel == "email"}
    faults = [f for f in reckon(facts).faults if not _is_known(f, doubtful, len(world.bad_messages))]
    kinds: tuple[Told, ...] = ("lost", "twice", "wrong")
    return {
        f"reckoning_{kind}": _finding(kind, [f for f in faults if f.kind == kind], len(facts.journal)) for kind in kinds
    }


def _is_known(fault: Fault, doubtful: set[str], bad: int) -> bool:
    """E-mail that was under way is doubtful, and is shown so; bad messages lie in the topics for good."""
    about_mail = any(id_ in fault.what for id_ in doubtful) and "in the sink" not in fault.what
    return about_mail or fault.what == f"{bad} records cannot be read"


def _finding(kind: Told, faults: list[Fault], looked_at: int) -> Finding:
    told = tuple(str(f) for f in faults[:50])
    return Finding(f"reckoning_{kind}", not faults, looked_at, told, kind, len(faults))
