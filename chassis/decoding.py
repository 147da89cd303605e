"""Takes any record apart, so that no producer can stop a reader: header names need not be text (P4).

A broker takes header names of any bytes, and aiokafka raises when one is not UTF-8: from then on no partition of that
consumer would be read. Here such a batch is read once more, with the odd bytes of the name written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


def read_any_header_name() -> None:
    """From now on every consumer of this process can read every record."""
    fetcher.MemoryRecords = _Records


class _Records(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of one answer of the broker."""

    def next_batch(self) -> Any:
        part = self._next_slice
        batch = super().next_batch()
        return _Batch(batch, part) if isinstance(batch, DefaultRecordBatch) else batch


class _Batch:
    """One batch, read by the quick decoder and only where that fails by the patient one."""

    def __init__(self, batch: Any, part: memoryview) -> None:
        self._batch, self._part = batch, part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(list(_Patient(self._part)))


class _Patient(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray

    def __iter__(self) -> _Patient:
        super().__iter__()
        self._buffer = _AnyText(self._buffer)
        return self


class _AnyText(bytearray):
    """Bytes whose slices become text whatever they are."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _AnyText(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - names are never refused
        return super().decode("utf-8", "backslashreplace")
