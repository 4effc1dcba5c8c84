"""Keeping secrets out of everything a person or a file can see."""

from collections.abc import Iterable

MASK = "***"
SHORTEST_SECRET = 4


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret of four or more characters replaced by `***`, the longest first."""
    for secret in sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
