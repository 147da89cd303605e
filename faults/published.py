"""The tables of docs/reliability.md that follow from the code: `python -m faults.published` brings them up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from faults.checks.invariants import described
from faults.defects.defect import every_defect

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"


def invariants() -> Iterable[str]:
    """Each invariant with what it says."""
    yield "| invariant | what is compared |"
    yield "| --- | --- |"
    for name, says in described().items():
        yield f"| {name.replace('_', ' ')} | {says} |"


def defects() -> Iterable[str]:
    """Each defect, the promise that it breaks, and where the tests stand that must notice."""
    yield "| defect | breaks | what goes wrong | must be noticed by |"
    yield "| --- | --- | --- | --- |"
    for d in every_defect():
        files = sorted({test.partition("::")[0].removeprefix("tests/") for test in d.tests})
        yield f"| {d.name} | {d.breaks} | {d.says} | {', '.join(f'`{file}`' for file in files)} |"


def page(text: str) -> str:
    """The page with its tables as they should be. Raises ValueError when one has no place in it."""
    for name, rows in (("invariants", invariants()), ("defects", defects())):
        begin, end = f"<!-- {name}: generated, do not edit -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"no place for the {name}")
        text = before + begin + "\n".join(rows) + "\n" + end + after
    return text


if __name__ == "__main__":
    old = PAGE.read_text("utf-8")
    PAGE.write_text(page(old), "utf-8")
    sys.stdout.write("changed\n" if page(old) != old else "up to date\n")
