"""JSON columns. What was encoded already, to be hashed, is not encoded a second time: a fleet is put in bulk."""

import json

from rollout.model.plain import canonical


class Encoded(str):
    """JSON text, as it goes into a column."""

    __slots__ = ()


def encode(value: object) -> Encoded:
    """The canonical JSON text of a plain value."""
    return Encoded(canonical(value).decode())


def serialize(value: object) -> str:
    """What a JSON column is given: the text that is there already, or that of a plain value."""
    return value if isinstance(value, Encoded) else json.dumps(value)
