"""What does not add up when a system is compared from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["lost", "twice", "wrong"]
"""Something that must be there and is not; something that is there more than once; anything else that contradicts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not add up."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"
