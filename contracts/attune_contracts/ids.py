"""UUIDs made quickly: the standard constructor looks at seven ways of giving one, and thousands are made a second."""

from __future__ import annotations

from uuid import UUID, SafeUUID

_new = UUID.__new__
# The two slots of a UUID, set as its own constructor sets them; it refuses assignment to everybody else.
_set_int = vars(UUID)["int"].__set__
_set_is_safe = vars(UUID)["is_safe"].__set__
_unknown = SafeUUID.unknown


def uuid_of(number: int) -> UUID:
    """The UUID with these 128 bits; `number` is not checked."""
    made = _new(UUID)
    _set_int(made, number)
    _set_is_safe(made, _unknown)
    return made
