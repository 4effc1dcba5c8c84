"""How the port of a copy was found, as a person is told: `given PORT 41234`, `found 8081, declared 8080`."""


def unexpected(note: str) -> str:
    """The note of a copy that listens elsewhere than it was declared or told to; else empty."""
    return note if "found " in note else ""
