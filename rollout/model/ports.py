"""How the port of a copy was found, as a person is told: `given PORT 41234`, `found 8081, declared 8080`."""

RULE = (
    "the declared port, or the one given as PORT; where it does not listen there, on v2, the only one that others reach; "
    "of several the one that answers the health path"
)
"""Which port of a copy gets the traffic, as a person is told. Its owner overrides it by declaring another."""


def unexpected(note: str) -> str:
    """The note of a copy that listens elsewhere than it was declared or told to; else empty."""
    return note if "found " in note else ""
