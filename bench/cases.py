"""Seeded requests: concerning screenings of known children, as bytes that only have to be sent."""

import datetime
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

INSTRUMENT, INSTRUMENT_VERSION = "early-attachment-demonstration", 1
SEEN_BEFORE = 0.1
"""Share of cases about a child that had a case already: its rows are loaded and changed."""
_HEAD = (
    "POST /screenings HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    "Authorization: Bearer {token}\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n"
)
_ANSWERS = {
    "first_weeks": "Mostly grey, with some wind, and now and then an hour of sun when he slept on my arm. ",
    "small_moment": "When she looked at the lamp and then at me, as if to ask whether I had seen it too. ",
    "who_helps": "My sister on Sundays; at night nobody, and I would not know whom to ask for that. ",
}
_LENGTHEN = 2


class Case(NamedTuple):
    """One request: the ids by which its way is followed, and its bytes."""

    screening_id: UUID
    command_key: UUID
    request: bytes


@dataclass(frozen=True, slots=True)
class Callers:
    """Who records the screenings: staff ids and, for each, a bearer token."""

    staff: tuple[UUID, ...]
    tokens: tuple[str, ...]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"staff": [str(s) for s in self.staff], "tokens": self.tokens}))

    @classmethod
    def read(cls, path: Path) -> "Callers":
        found = json.loads(path.read_text())
        return cls(tuple(UUID(s) for s in found["staff"]), tuple(found["tokens"]))


def uuid7(chance: random.Random) -> UUID:
    """A UUIDv7 of this millisecond with seeded randomness."""
    number = time.time_ns() // 1_000_000 << 80 | chance.getrandbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    return UUID(int=number & ~(0x3 << 62) | 2 << 62)


def build(seed: int, children: list[UUID], count: int, callers: Callers) -> list[Case]:
    """`count` cases; about a tenth of them for a child that this list has had before."""
    chance = random.Random(seed)
    at = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=10)).isoformat(timespec="seconds")
    unseen = iter(children)
    seen: list[UUID] = []
    return [_case(chance, _child(chance, unseen, seen), at, callers) for _ in range(count)]


def _child(chance: random.Random, unseen: Iterator[UUID], seen: list[UUID]) -> UUID:
    if seen and chance.random() < SEEN_BEFORE:
        return chance.choice(seen)
    seen.append(next(unseen))
    return seen[-1]


def _case(chance: random.Random, child: UUID, at: str, callers: Callers) -> Case:
    screening_id, key = uuid7(chance), uuid7(chance)
    who = chance.randrange(len(callers.staff))
    body = json.dumps(
        {
            "screening_id": str(screening_id),
            "child_id": str(child),
            "instrument": INSTRUMENT,
            "instrument_version": INSTRUMENT_VERSION,
            "answers": {item: text * _LENGTHEN for item, text in _ANSWERS.items()},
            "observed": {
                "turning_towards": chance.randint(2, 3),
                "answering": chance.randint(2, 3),
                "soothing": chance.randint(2, 3),
                "playfulness": chance.randint(1, 3),
                "mood_of_the_room": chance.choice(["warm", "changeable", "cool", "tense"]),
                "fear": "not_seen",
            },
            "seconds_observed": chance.randint(120, 240),
            "setting": chance.choice(["home", "clinic", "video"]),
            "interpreter": chance.random() < 0.1,
            "language": "en",
            "administered_by": str(callers.staff[who]),
            "role": "health_visitor",
            "screened_at": at,
        }
    ).encode()
    head = _HEAD.format(token=callers.tokens[who], key=key, length=len(body)).encode()
    return Case(screening_id, key, head + body)


def read_children(path: Path, first: int, count: int) -> list[UUID]:
    """Children `first` to `first + count` of a file of sixteen-byte ids."""
    with path.open("rb") as opened:
        opened.seek(first * 16)
        found = opened.read(count * 16)
    if len(found) < count * 16:
        raise ValueError(f"{path.name} has fewer than {first + count} children")
    return [UUID(bytes=found[n : n + 16]) for n in range(0, len(found), 16)]
