"""DNS labels: what services and environments are called."""

import re

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OTHER = re.compile(r"[^a-z0-9]+")
LONGEST = 63


def is_label(text: str) -> bool:
    """Whether `text` is a DNS label: a-z, 0-9 and inner hyphens, 1 to 63 of them."""
    return _LABEL.fullmatch(text) is not None


def to_label(text: str) -> str:
    """The nearest DNS label; empty where nothing of `text` can stand in one."""
    return _OTHER.sub("-", text.lower()).strip("-")[:LONGEST].rstrip("-")
