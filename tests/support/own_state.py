"""A state directory that only some tests share, beside what was fetched already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from attune.stack.layout import Layout, cache_directory
from attune.stack.stack import down


@contextmanager
def own_state(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """For a stack of this name, which is down at the end."""
    made = factory.mktemp(name)
    for directory in (made, made.parent):
        directory.chmod(0o711)
    (made / "cache").symlink_to(cache_directory())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTUNE_STATE", str(made))
        yield made
        down(Layout.named(name))
