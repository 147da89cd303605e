"""Records that no writer of ours would send, each with who must park it: all readers, or those who want its type."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from attune_contracts.catalogue import CATALOGUE, SERVICES, topic
from attune_contracts.samples import record

HUGE = 900_000
"""Bytes, just under what a broker takes; a reader refuses more than 256 KiB."""


_NAMES = "specversion id type source subject time dataschema correlationid causationid sequence"
REQUIRED = tuple(f"ce_{name}" for name in _NAMES.split())


@dataclass(frozen=True, slots=True)
class Bad:
    """One record and what must become of it."""

    kind: str
    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class RecordMaker:
    """Bad records of many kinds around good ones."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._kinds: tuple[tuple[str, Callable[[dict[str, Any]], Bad]], ...] = (
            ("header missing", self._missing),
            ("header twice", self._twice),
            ("header not text", self._not_text),
            ("header of another form", self._other_form),
            ("header without value", self._no_value),
            ("no headers", lambda g: self._bad(g, "no headers", headers={})),
            ("null value", lambda g: self._bad(g, "null value", value=None)),
            ("unknown type", self._unknown),
            ("newer version", self._newer),
            ("foreign source", self._source),
            ("foreign topic", self._topic),
            ("key of another", lambda g: self._bad(g, "key of another", key=str(uuid4()).encode())),
            (
                "key of no form",
                lambda g: self._bad(g, "key of no form", key=rng.randbytes(rng.choice((0, 1, 16, 300)))),
            ),
            ("not JSON by its header", self._media_type),
            ("broken JSON", self._broken),
            ("wrong types", self._types),
            ("field missing", self._field_missing),
            ("numbers out of range", self._numbers),
            ("not an object", self._no_object),
            ("deep", self._deep),
            ("structured, broken", self._structured),
            ("noise", self._noise),
        )

    def made(self, count: int, huge: int) -> list[Bad]:
        """So many records of all kinds, some of them huge, in an order by chance."""
        found = [make(self._good()) for n in range(count - huge) for _, make in [self._kinds[n % len(self._kinds)]]]
        found += [self._huge(self._good()) for _ in range(huge)]
        self._rng.shuffle(found)
        return found

    def _good(self) -> dict[str, Any]:
        """A record as its owner would send it, about somebody whom nobody knows."""
        good = record(CATALOGUE[self._rng.choice(sorted(CATALOGUE))])
        text = json.dumps(good).replace(good["key"], str(uuid4()))
        fresh: dict[str, Any] = json.loads(text)
        fresh["headers"]["ce_id"] = str(uuid4())
        return fresh

    def _bad(self, good: Mapping[str, Any], kind: str, **changed: Any) -> Bad:
        headers = changed.get("headers", good["headers"])
        pairs = headers if isinstance(headers, list) else [(k, _bytes(v)) for k, v in headers.items()]
        value = changed["value"] if "value" in changed else json.dumps(good["value"]).encode()
        key = changed["key"] if "key" in changed else good["key"].encode()
        return Bad(kind, changed.get("topic", good["topic"]), key, value, tuple(pairs))

    def _one(self) -> str:
        return self._rng.choice(REQUIRED)

    def _missing(self, good: dict[str, Any]) -> Bad:
        gone = self._one()
        kept = {k: v for k, v in good["headers"].items() if k != gone}
        return self._bad(good, "header missing", headers=kept)

    def _twice(self, good: dict[str, Any]) -> Bad:
        pairs = [(k, _bytes(v)) for k, v in good["headers"].items()]
        name = self._one()
        pairs.insert(self._rng.randrange(len(pairs)), (name, self._rng.choice((b"x", dict(pairs)[name]))))
        return self._bad(good, "header twice", headers=pairs)

    def _with(self, good: dict[str, Any], kind: str, name: str, value: bytes | None) -> Bad:
        return self._bad(good, kind, headers=good["headers"] | {name: value})

    def _not_text(self, good: dict[str, Any]) -> Bad:
        value = self._rng.choice((b"\xff\xfe", b"\x00", b"a\x00b", b"\xc0\x80", b"\xed\xa0\x80", "ü".encode()))
        return self._with(good, "header not text", self._one(), value)

    def _other_form(self, good: dict[str, Any]) -> Bad:
        value = self._rng.choice(
            (b"", b" ", b"2.0", b"not-a-uuid", b"9" * 19, b"-1", b"x" * 257, b"2026-13-01T00:00:00Z")
        )
        name = self._one().replace("ce_dataschema", "ce_id")  # any printable word is a schema's name
        return self._with(good, "header of another form", name, value)

    def _no_value(self, good: dict[str, Any]) -> Bad:
        return self._with(good, "header without value", self._one(), None)

    def _unknown(self, good: dict[str, Any]) -> Bad:
        name = self._rng.choice(("attune.screening.tea-made.v1", "com.example.thing", "x", "attune..v1", "a" * 256))
        return self._with(good, "unknown type", "ce_type", name.encode())

    def _newer(self, good: dict[str, Any]) -> Bad:
        newer = good["headers"]["ce_type"].replace(".v1", ".v99")
        return self._with(good, "newer version", "ce_type", newer.encode())

    def _source(self, good: dict[str, Any]) -> Bad:
        owner = good["headers"]["ce_type"].split(".")[1]
        others = [f"/attune/{s}" for s in SERVICES if s != owner] + ["/attune", "urn:somebody"]
        return self._with(good, "foreign source", "ce_source", self._rng.choice(others).encode())

    def _topic(self, good: dict[str, Any]) -> Bad:
        others = [topic(s) for s in SERVICES if topic(s) != good["topic"]]
        return self._bad(good, "foreign topic", topic=self._rng.choice(others))

    def _media_type(self, good: dict[str, Any]) -> Bad:
        media = self._rng.choice(
            (b"text/plain", b"application/avro", b"\xff", b"", b"application/cloudevents-batch+json")
        )
        made = self._with(good, "not JSON by its header", "content-type", media)
        return self._bad(good, made.kind, headers=list(made.headers))

    def _broken(self, good: dict[str, Any]) -> Bad:
        whole = json.dumps(good["value"]).encode()
        value = self._rng.choice(
            (
                whole[:-1],
                whole[: len(whole) // 2],
                b"",
                b"\xff" + whole,
                whole + b"}",
                whole.replace(b'"', b"'"),
                b"\x00",
                b"{",
            )
        )
        return self._of_data(good, "broken JSON", value)

    def _of_data(self, good: dict[str, Any], kind: str, value: bytes) -> Bad:
        return self._bad(good, kind, value=value)

    def _types(self, good: dict[str, Any]) -> Bad:
        name = self._required(good)
        wrong: Any = self._rng.choice(({"a": []}, [[]], {"x": None}, [1, 2, 3]))
        return self._of_data(good, "wrong types", json.dumps(good["value"] | {name: wrong}).encode())

    def _required(self, good: dict[str, Any]) -> str:
        model = CATALOGUE[good["headers"]["ce_type"]]
        # Maps and lists would take some of the wrong values.
        plain = [
            n
            for n, f in model.model_fields.items()
            if f.is_required() and not isinstance(good["value"].get(n), dict | list)
        ]
        return self._rng.choice(sorted(plain))

    def _field_missing(self, good: dict[str, Any]) -> Bad:
        gone = self._required(good)
        value = {k: v for k, v in good["value"].items() if k != gone}
        return self._of_data(good, "field missing", json.dumps(value).encode())

    def _numbers(self, good: dict[str, Any]) -> Bad:
        name = self._required(good)
        text = json.dumps(good["value"] | {name: "@"}).replace(
            '"@"', self._rng.choice(("NaN", "1e999", "9" * 5000, "-1" * 2))
        )
        return self._of_data(good, "numbers out of range", text.encode())

    def _no_object(self, good: dict[str, Any]) -> Bad:
        return self._of_data(good, "not an object", self._rng.choice((b"[]", b"null", b"1", b'"x"', b"[{}]", b"true")))

    def _deep(self, good: dict[str, Any]) -> Bad:
        depth = self._rng.choice((300, 5_000, 50_000))
        value = self._rng.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth))
        return self._of_data(good, "deep", value[: 250 * 1024])

    def _structured(self, good: dict[str, Any]) -> Bad:
        document = {k[3:]: v for k, v in good["headers"].items() if k.startswith("ce_")} | {"data": good["value"]}
        broken: tuple[Any, ...] = (
            {k: v for k, v in document.items() if k != "data"},
            {k: v for k, v in document.items() if k != "id"},
            document | {"data_base64": "e30="},
            document | {"id": 7},
            document | {"id": None},
            document | {"subject": {"a": 1}},
            document | {"sequence": -1},
            document | {"specversion": "0.3"},
            document | {"type": "ünknown"},
            [document],
            "text",
        )
        text = json.dumps(self._rng.choice(broken))
        text = self._rng.choice((text, text[:-1], text.replace("{", '{"id": "1", "id": "2", ', 1), "[" * 9000, "NaN"))
        if text == json.dumps(document):
            text = "{}"
        headers = {"content-type": b"application/cloudevents+json; charset=utf-8"}
        return self._bad(good, "structured, broken", headers=headers, value=text.encode())

    def _noise(self, good: dict[str, Any]) -> Bad:
        names = [self._rng.randbytes(4).hex() for _ in range(self._rng.randrange(4))]
        headers = [(name, self._rng.randbytes(20)) for name in names]
        key = self._rng.choice((None, self._rng.randbytes(8)))
        return self._bad(good, "noise", headers=headers, key=key, value=self._rng.randbytes(200))

    def _huge(self, good: dict[str, Any]) -> Bad:
        padded = json.dumps(good["value"] | {"padding": "x" * HUGE}).encode()
        return self._bad(good, "huge", value=padded)


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
