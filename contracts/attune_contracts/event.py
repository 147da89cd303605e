"""What every event of Attune has in common: strict when written, tolerant when read."""

from __future__ import annotations

import builtins
import operator
import re
from datetime import UTC, datetime
from functools import cache, reduce
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, create_model

Sensitivity = Literal["none", "staff", "child", "clinical"]
"""What a reader learns: nothing about a person; a member of staff; that a child is known; a finding about a child."""

Instant = Annotated[
    AwareDatetime,
    Field(
        ge=datetime(2000, 1, 1, tzinfo=UTC),
        lt=datetime(2200, 1, 1, tzinfo=UTC),
        json_schema_extra={"x-from": "2000-01-01T00:00:00Z", "x-before": "2200-01-01T00:00:00Z"},
    ),
]
"""A point in time with its offset from UTC; bounded, so that no reader meets an instant it cannot convert."""
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
"""A machine word such as `eao_administration`: lower case, at most 64 characters, never free text."""
Version = Annotated[int, Field(ge=1, le=10_000)]
AgeDays = Annotated[int, Field(ge=-320, le=1100)]
"""Age of the child in days; negative before birth; at its upper bound: so old, or older."""
Count = Annotated[int, Field(ge=1, le=100_000)]
Points = Annotated[int, Field(ge=0, le=1_000_000)]
"""Weight of work; a practitioner's contracted capacity is counted in the same unit."""
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
"""BCP 47 language tag, for example `en` or `pl`."""

MAX_BYTES = 256 * 1024
"""Largest event that may be written; refused when it is written, not when it is sent."""


class EventTooLarge(ValueError):
    """The event is larger than `MAX_BYTES` and must not be written."""


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


class Event(BaseModel):
    """A fact, in the past tense. Subclasses state the fields; the class docstring states the meaning.

    A subclass names in `subject` the fields that identify what the event is about: the first that is not null
    is the CloudEvents subject and the Kafka record key.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    service: ClassVar[str]
    type: ClassVar[str]
    version: ClassVar[int] = 1
    subject_fields: ClassVar[tuple[str, ...]] = ("child_id",)
    readers: ClassVar[tuple[str, ...]] = ()
    sensitivity: ClassVar[Sensitivity] = "child"
    tolerant: ClassVar[bool] = False
    """Whether this class was made by `reader()` and is for reading only."""

    def __init_subclass__(
        cls,
        *,
        version: int = 1,
        subject: tuple[str, ...] | None = None,
        readers: tuple[str, ...] = (),
        sensitivity: Sensitivity | None = None,
        tolerant: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.tolerant = tolerant
        cls.subject_fields = subject or cls.subject_fields
        cls.sensitivity = sensitivity or cls.sensitivity
        if tolerant or cls.__name__.startswith("_"):
            return
        cls.service = cls.__module__.rpartition(".")[2]
        cls.version, cls.readers = version, readers
        cls.type = f"attune.{cls.service}.{_kebab(cls.__name__)}.v{version}"

    @property
    def subject(self) -> UUID:
        """What the event is about: CloudEvents `subject` and Kafka record key."""
        for name in self.subject_fields:
            value: UUID | None = getattr(self, name)
            if value is not None:
                return value
        raise ValueError(f"{self.type}: none of {', '.join(self.subject_fields)} is set")

    @classmethod
    def reader(cls) -> builtins.type[Self]:
        """The same event for readers: unknown fields are ignored, an unknown word of a closed list stays readable."""
        return cast("builtins.type[Self]", _reader(cls))


def encode(event: Event) -> bytes:
    """The event's JSON as it is stored and sent.

    Raises `EventTooLarge` over `MAX_BYTES`, and `TypeError` for an event that came from a reader.
    """
    if event.tolerant:
        raise TypeError(f"{event.type}: made by a reader, not for writing")
    data = event.__pydantic_serializer__.to_json(event)
    if len(data) > MAX_BYTES:
        raise EventTooLarge(f"{event.type}: {len(data)} bytes, at most {MAX_BYTES}")
    return data


def _opened(annotation: Any) -> Any:
    """The annotation with every closed list of words replaced by any word, still never free text."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        if not all(isinstance(word, str) for word in args):
            raise TypeError(f"a closed list holds words, not {annotation}")
        return Code
    if origin is Annotated:
        return Annotated[(_opened(args[0]), *args[1:])]
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _reader(annotation)
    if not args:
        return annotation
    opened = tuple(_opened(a) for a in args)
    if origin in {Union, UnionType}:
        return reduce(operator.or_, opened)
    return cast("Any", origin)[opened]


class Part(BaseModel):
    """A value inside an event, as strict as the event."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


@cache
def _reader(cls: type[BaseModel]) -> type[BaseModel]:
    fields: dict[str, Any] = {name: (_opened(f.rebuild_annotation()), f) for name, f in cls.model_fields.items()}
    options: dict[str, Any] = {"extra": "ignore"} | ({"tolerant": True} if issubclass(cls, Event) else {})
    made: type[BaseModel] = create_model(
        cls.__name__, __base__=cls, __module__=cls.__module__, __cls_kwargs__=options, **fields
    )
    return made
