"""Nothing personal that was planted has come out anywhere: log, topic, metric, error, letter."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from attune.fault import Fault
from faults.checks.facts import Judged, Observed

_WORD = re.compile(r"[\w@.+%\\-]+")
_TEN_DIGITS = re.compile(r"(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)")


def no_canary_has_sung(seen: Observed) -> Judged:
    """None of the planted names, numbers, addresses and texts stands where only ids, codes and instants may."""
    nest = _Nest(seen.world.canaries)
    places = sorted(seen.texts)
    return len(places) * len(seen.world.canaries), (
        Fault("wrong", f"planted data no. {number} stands in {place}")
        for place in places
        for number in sorted(nest.heard_in(seen.texts[place]()))
    )


class _Nest:
    """Canaries by their longest word, so that a text is read once, however many canaries there are."""

    def __init__(self, canaries: Iterable[str]) -> None:
        self._by_word: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for number, canary in enumerate(canaries):
            for form in _forms(canary):
                words = _WORD.findall(form)
                if words:
                    self._by_word[_bare(max(words, key=len))].append((form, number))

    def heard_in(self, pieces: Iterable[str]) -> set[int]:
        """Numbers of the canaries that stand in this text."""
        return {number for piece in pieces for number in self._heard(piece)}

    def _heard(self, piece: str) -> Iterator[int]:
        digits = {re.sub(r"\D", "", found) for found in _TEN_DIGITS.findall(piece)}
        words = {_bare(word) for word in _WORD.findall(piece)}
        for word in self._by_word.keys() & (words | digits):
            yield from (number for form, number in self._by_word[word] if form in piece or form in digits)


def _bare(word: str) -> str:
    return word.strip(".-+\\")


def _forms(canary: str) -> set[str]:
    """The ways in which the same thing may be written."""
    written = json.dumps(canary)[1:-1]
    return {canary, quote(canary), quote_plus(canary), written, re.sub(r"[ -]", "", canary)}
