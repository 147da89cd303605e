"""The examples in a README, so that a test can hold them to what the service takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from chassis.commands import Command, parse
from chassis.inputs import CommandIntake, Intake

_EXAMPLE = re.compile(r"^`(POST|PUT) (\S+)`[^\n]*\n```json\n(.*?)```$", re.DOTALL | re.MULTILINE)


def examples(readme: Path, inputs: tuple[Intake, ...], **more: str) -> Iterator[Command]:
    """Every command shown as a route with a body, parsed as the service would; `more` are values for its path."""
    by_route = {f"{i.method} {i.path}": i for i in inputs if isinstance(i, CommandIntake)}
    for method, path, body in _EXAMPLE.findall(readme.read_text("utf-8")):
        intake = by_route[f"{method} {path}"]
        sample = {"practitioner_id": "019cae6c-0000-7000-8000-0000000000d1"} | more
        parameters = {name: sample.get(name, "sample") for name in re.findall(r"\{(\w+)\}", path)}
        yield parse(intake.model, json.dumps(json.loads(body)).encode(), parameters)
