"""Values: dataclasses that are frozen for the type checker and cheap at run time.

A frozen dataclass sets each field by `object.__setattr__`: a row of twenty fields is nine times dearer to build, and a
batch builds thousands. So mypy sees `dataclasses.dataclass` and refuses every assignment, while the interpreter gets an
ordinary dataclass. `tests/test_architecture.py` holds that no domain assigns to a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["replace", "value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
    from dataclasses import replace
else:
    from dataclasses import dataclass, fields

    _KEPT = object()

    def value(*, frozen=True, slots=True, order=False):  # noqa: ARG001 - what `frozen` says is for the type checker
        """Class decorator, used as `@value(frozen=True, slots=True)`."""

        def decorate(cls):
            made = dataclass(slots=slots, order=order, unsafe_hash=True)(cls)
            made.__replace__ = _replacing(made)
            return made

        return decorate

    def replace(row: Any, /, **changes: Any) -> Any:
        """The same value with some fields changed."""
        return row.__replace__(**changes)

    def _replacing(cls):
        """A method written out for the fields of `cls`, as a dataclass's own `__init__` is."""
        names = [f.name for f in fields(cls)]
        parameters = ", ".join(f"{n}=_KEPT" for n in names)
        values = ", ".join(f"self.{n} if {n} is _KEPT else {n}" for n in names)
        place: dict[str, Any] = {"_KEPT": _KEPT, "_cls": cls}
        exec(f"def __replace__(self, *, {parameters}):\n return _cls({values})", place)  # noqa: S102
        return place["__replace__"]
