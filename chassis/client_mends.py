"""What aiokafka 0.14 gets wrong and would make a service deaf: mended here, for every client of the process.

*Header names.* A broker takes names of any bytes, and aiokafka raises when one is not UTF-8: from then on no partition
of that consumer would be read (P4). Such a batch is read once more, with the odd bytes of the name written out.

*Lost lines.* Writing to a line that is closed raises RuntimeError under uvloop, where aiokafka waits for OSError
(aiokafka issue 1038): the task that keeps the cluster's metadata ends, and the consumer lives on outside its group for
ever (P10). Here it is what it is: a connection that was lost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_SENDING = ("send", "_send_sasl_token")


def apply() -> None:
    """From now on every client of this process is mended."""
    fetcher.MemoryRecords = _Records
    for name in _SENDING:
        sends = getattr(AIOKafkaConnection, name)
        if not hasattr(sends, "__wrapped__"):
            setattr(AIOKafkaConnection, name, _lost_when_closed(sends))


def _lost_when_closed(sends: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(sends)
    def send(connection: AIOKafkaConnection, *what: Any, **how: Any) -> Any:
        try:
            return sends(connection, *what, **how)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"connection to {connection.host}:{connection.port} is closed") from error

    return send


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
