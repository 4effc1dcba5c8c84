"""How work tells a person what goes on: one line at a time."""

from collections.abc import Callable

Say = Callable[[str], None]
"""Told one line, without its end."""


def quiet(_line: str) -> None:
    """Says nothing."""
