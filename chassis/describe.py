"""A service described from the very INPUTS that it runs on: what may come in, which rule decides it, what it tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_contracts.catalogue import CATALOGUE, meaning, topic
from chassis.inputs import CommandIntake, DueIntake, EventIntake, Intake

if TYPE_CHECKING:
    from chassis.service import Service


def describe(service: Service) -> dict[str, Any]:
    """The service as a value that can be printed or compared."""
    return {
        "service": service.name,
        "reads": service.topics,
        "writes": topic(service.name),
        "inputs": [_input(i) for i in service.inputs],
        "publishes": [
            {"type": kind, "meaning": meaning(event), "readers": list(event.readers)}
            for kind, event in CATALOGUE.items()
            if event.service == service.name
        ],
        "roles": {role: sorted(permissions) for role, permissions in sorted(service.roles.items())},
    }


def _input(i: Intake) -> dict[str, Any]:
    rule = f"{i.decide.__module__.rpartition('.')[2]}.{i.decide.__name__}"
    what = (i.decide.__doc__ or "").strip().partition("\n")[0]
    if isinstance(i, EventIntake):
        return {"kind": "event", "input": i.event.type, "rule": rule, "does": what}
    if isinstance(i, DueIntake):
        return {"kind": "clock", "input": i.table.name, "rule": rule, "does": what}
    assert isinstance(i, CommandIntake)  # noqa: S101
    route = f"{i.method} {i.path}".strip() or f"(internal) {i.name}"
    return {"kind": "command", "input": route, "rule": rule, "does": what, "may": i.may}


def as_json(service: Service) -> str:
    """The description as indented JSON."""
    return json.dumps(describe(service), indent=2)


def as_table(service: Service) -> str:
    """The inputs and the events as the Markdown tables of the service's README."""
    d = describe(service)
    lines = ["| what comes in | rule | what it does |", "| --- | --- | --- |"]
    lines += [f"| {i['kind']} `{i['input']}` | `{i['rule']}` | {i['does']} |" for i in d["inputs"]]
    lines += ["", "| what it publishes | meaning | read by |", "| --- | --- | --- |"]
    lines += [
        f"| `{e['type']}` | {e['meaning']} | {', '.join(e['readers']) or 'subscribers'} |" for e in d["publishes"]
    ]
    return "\n".join(lines) + "\n"
