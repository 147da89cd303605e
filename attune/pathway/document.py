"""docs/pathway.md: the steps that the rules allow, as diagrams."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attune.pathway.exploring import Step
from attune.pathway.steps import child_steps, consultation_steps, work_steps


def mermaid(steps: Sequence[Step]) -> str:
    """A state diagram as GitHub and most viewers of Markdown draw it; steps between the same states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        arrows.setdefault((step.before, step.after), []).append(step.by)
    names = {name for pair in arrows for name in pair if name != "[*]"}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{name.replace("_", " ")}" as {_id(name)}' for name in sorted(names)]
    lines += [f"    {_id(a)} --> {_id(b)}: {', '.join(by)}" for (a, b), by in arrows.items()]
    return "\n".join([*lines, "```"])


def _id(name: str) -> str:
    return name if name == "[*]" else name.replace(" ", "_")


SECTIONS: tuple[tuple[str, str, Callable[[], list[Step]]], ...] = (
    (
        "A child in the cohort",
        """Kept by screening. Days are days of age, as the pathway in force says. After a loss, a stillbirth, a death or
an adoption every clock and every message to caregivers has stopped.""",
        child_steps,
    ),
    (
        "A consultation and its case",
        "Kept by referral. An accepted one is assigned or waits, never neither; ended, it says why, and it can go on.",
        consultation_steps,
    ),
    ("Direct work", "Kept by referral, within an assigned case; its points come from the pool.", work_steps),
)


_PREFACE = """What can become of a child, a consultation and direct work. These diagrams are not drawn: `attune pathway`
tries the inputs of its lists (`attune/pathway/steps.py`; no mergers, corrections, redirections or consent) in every
state that they lead to, on the services' own rules, and writes down what happened
(`attune pathway > docs/pathway.md`); a test holds that they are true. What is refused, or changes nothing that is
shown, has no arrow."""


def document() -> str:
    """The whole of docs/pathway.md."""
    parts = ["# The pathway", _PREFACE]
    for title, text, steps in SECTIONS:
        parts += [f"## {title}", text, mermaid(steps())]
    return "\n\n".join(parts) + "\n"


def pathway() -> None:
    """Print the states and steps of the pathway, found by trying out the rules: the content of docs/pathway.md."""
    import sys

    sys.stdout.write(document())
