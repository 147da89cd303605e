"""The progress of a backup looks at files that others write, finish and rename meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

from attune.backup import size_of


def test_a_dump_that_is_whole_while_its_size_is_asked_has_none(tmp_path: Path) -> None:
    part, over = tmp_path / "screening.dump.part", threading.Event()

    def written_again_and_again() -> None:
        while not over.is_set():
            part.write_bytes(b"dump")
            part.rename(tmp_path / "screening.dump")

    writer = threading.Thread(target=written_again_and_again)
    writer.start()
    try:
        seen = {size_of(part) for _ in range(20_000)}
    finally:
        over.set()
        writer.join()
    assert seen <= {0, 4}
